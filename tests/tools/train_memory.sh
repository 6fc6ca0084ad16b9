#!/bin/bash
# The peak memory that --plan announces is what a run then takes, in several kinds of runs. (docs/TRAINING.md has the figures; the margin
# here is wider because systems differ in how they hand out huge pages.)
. "$(dirname "$0")/../common/shell.sh"
grep -q 'DS_SANITIZE:BOOL=ON' "$DS_BUILD/CMakeCache.txt" && skip "sanitizers take memory of their own"
cd "$dir" || exit 1
for i in $(seq 3000); do echo "Line $((i * i % 97)) of the tale of $((i % 7)) foxes and $((i % 11)) hens."; done >text.txt
cat >recipe.yaml <<'END'
model: { layers: 6, width: 192, heads: 3, ffn: 560 }
tokenizer: bytes
data: { sources: [ { name: tale, path: text.txt } ], held_out: 0.1, hold_out: tail }
batch: { tokens: 2048 }
stages: [ { sequence: 128, steps: 3 } ]
checkpoint: { every: 2 }
validate: { every: 2, tokens: 2048 }
END

# The run's own count of its most resident memory, in KiB, read until it ends.
most() {
    local pid most=0 now
    rm -rf run
    "$DEEPSEEK" train recipe.yaml --run run -q "$@" >log 2>&1 &
    pid=$!
    while now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null) && [ -n "$now" ]; do
        most=$now
        sleep 0.02
    done
    wait $pid || { cat log >&2; most=0; }
    echo "$most"
}

check() {
    local planned found
    planned=$("$DEEPSEEK" train recipe.yaml --plan --json "$@" | sed -n 's/.*"peak": *\([0-9]*\).*/\1/p')
    found=$(most "$@")
    [ -n "$planned" ] && [ "$found" -gt 0 ] && [ $((planned / 1024 * 100)) -ge $((found * 90)) ] && [ $((planned / 1024 * 100)) -le $((found * 110)) ] ||
        fail "planned $((planned / 1024)) KiB, took $found: $*"
    echo "planned $((planned / 1024)) KiB, took $found: $*"
}
check
check --set optimizer.kind=muon
check --set precision.weights=bf16 --set precision.recompute=true
check --set precision.recompute=true --set batch.tokens=8192 --set batch.accumulate=2
finish
