#!/bin/bash
# deepseek train: a run from raw text to a model that generates; interrupted, killed and resumed runs have the losses of an
# unbroken one; threads change nothing; what is wrong is said.
. "$(dirname "$0")/../common/shell.sh"
cd "$dir" || exit 1
for i in $(seq 400); do echo "Line $((i * i % 97)) of the tale of $((i % 7)) foxes and $((i % 11)) hens."; done >text.txt
cat >recipe.yaml <<'END'
name: tiny
model: { layers: 2, width: 32, heads: 2, kv_heads: 1, ffn: 48 }
tokenizer: bytes
data: { sources: [ { name: tale, path: text.txt } ], held_out: 0.1, hold_out: tail }
batch: { tokens: 128, accumulate: 2 }
optimizer: { lr: 3e-3 }
schedule: { kind: wsd, warmup: 3 }
stages:
  - { name: short, sequence: 32, steps: 14 }
  - { name: long, sequence: 64, steps: 10, lr: 1e-3 }
checkpoint: { every: 5 }
validate: { every: 8, tokens: 500 }
samples: { prompts: [ "Line" ], tokens: 8 }
END

losses() { grep '"loss"' "$1/log.jsonl" | sed 's/"tokens_per_second.*//'; }
says() { # WORDS COMMAND...
    local words=$1
    shift
    "$@" >out 2>&1 && fail "succeeded: $*"
    grep -qF -- "$words" out || fail "expected \"$words\" of: $* - it said: $(cat out)"
}

"$DEEPSEEK" train recipe.yaml --run whole >log 2>&1 || { cat log; fail "the run"; finish; }
[ "$(losses whole | wc -l)" = 24 ] || fail "24 steps are not in the log"
grep -q "logits compared" log || fail "no word of the comparison: $(cat log)"
"$DEEPSEEK" generate -m whole -p "Line" -n 5 >out 2>&1 || fail "generate: $(cat out)"
"$DEEPSEEK" inspect whole >out 2>&1 || fail "inspect: $(cat out)"
ls whole/events/events.out.tfevents.* >/dev/null || fail "no event file"

"$DEEPSEEK" train recipe.yaml --run one -t 1 -q >log 2>&1 || fail "one thread: $(cat log)"
diff <(losses whole) <(losses one) >/dev/null || fail "one and all threads differ"
cmp -s whole/model.safetensors one/model.safetensors || fail "one and all threads give other weights"

# A run that stops at a checkpoint, is killed, and goes on, several times.
"$DEEPSEEK" train recipe.yaml --run cut --resume auto -q --json 2>/dev/null | while read -r line; do
    case $line in *'"event":"step","step":7,'*) break ;; esac
done # the pipe breaks: the process is killed by SIGPIPE in the middle of the run (tests/train/kill.c has many more kills)
"$DEEPSEEK" train recipe.yaml --run cut --resume auto -q >log 2>&1 || fail "the resumed run: $(cat log)"
diff <(losses whole) <(losses cut) || fail "a resumed run has other losses"
cmp -s whole/model.safetensors cut/model.safetensors || fail "a resumed run has other weights"

"$DEEPSEEK" train recipe.yaml --run term -q >log 2>&1 & # SIGTERM saves
pid=$!
for i in $(seq 400); do [ -s term/log.jsonl ] && break; sleep 0.02; done
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
if [ $status = 130 ]; then
    grep -q "stopped at step" log || fail "SIGTERM: $(cat log)"
    "$DEEPSEEK" train recipe.yaml --run term --resume auto -q >log 2>&1 || fail "after SIGTERM: $(cat log)"
elif [ $status != 0 ]; then # 0: it was quicker than the signal
    fail "SIGTERM: exit status $status, $(cat log)"
fi
diff <(losses whole) <(losses term) || fail "a run after SIGTERM has other losses"

says "whole: has checkpoints of a run: go on with --resume auto, or start again with --force" "$DEEPSEEK" train recipe.yaml --run whole
says "optimizer.lr: 0.003 in the checkpoint, 0.01" "$DEEPSEEK" train recipe.yaml --run whole --resume auto --set optimizer.lr=0.01
says "was trained with a vocabulary of 257, the recipe's is 300" "$DEEPSEEK" train recipe.yaml --run whole --resume auto --set model.vocabulary=300
sed 's/clip/clap/; s/lr: 3e-3/lr: 3e-3, clap: 1/' recipe.yaml >wrong.yaml
says "wrong.yaml:6: unknown key \"clap\" in optimizer" "$DEEPSEEK" train wrong.yaml
says "a vocabulary of 100, but the tokenizer bytes has 257 tokens" "$DEEPSEEK" train recipe.yaml --run x --set model.vocabulary=100

# Text in which nothing can be learnt.
: >empty.txt
printf 'x' >one.txt
says "has no text to train on" "$DEEPSEEK" train recipe.yaml --run e --set data.sources.0.path=empty.txt
says "nothing can be learnt" "$DEEPSEEK" train recipe.yaml --run o --set data.sources.0.path=one.txt --set data.held_out=0.5
says "nowhere.txt" "$DEEPSEEK" train recipe.yaml --run n --set data.sources.0.path=nowhere.txt

# Rows longer than any document hold several.
"$DEEPSEEK" train recipe.yaml --run lines -q --set data.sources.0.split=line >log 2>&1 || fail "short documents: $(cat log)"
[ "$(losses lines | wc -l)" = 24 ] || fail "24 steps of short documents are not in the log"

# Shards: cut short, of another tokenizer.
"$DEEPSEEK" data pack text.txt --tokenizer bytes -o shards >/dev/null 2>&1 || fail "data pack"
head -c 5000 shards/train-00000.dst >cut.dst && mkdir -p cut_shards && mv cut.dst cut_shards/train-00000.dst
says "the header says" "$DEEPSEEK" train recipe.yaml --run c --set data.sources.0.path=cut_shards
"$DEEPSEEK" train recipe.yaml --run s -q --set data.sources.0.path=shards >log 2>&1 || fail "from shards: $(cat log)"
says "was packed with another tokenizer" "$DEEPSEEK" train recipe.yaml --run v --set data.sources.0.path=shards --set tokenizer=whole

# A full disk (no file may grow beyond 64 KiB): said at every save, the run goes on to its end, the old checkpoint stays.
(ulimit -f 64; "$DEEPSEEK" train recipe.yaml --run never -q >log 2>&1) && fail "a run that could save nothing succeeded"
[ "$(grep -c "NOT SAVED" log)" = 5 ] || fail "five saves failed, it said: $(cat log)"
[ -z "$(ls -A never/checkpoints)" ] || fail "failed saves left something: $(ls -A never/checkpoints)"
cp -r whole full && rm -rf full/checkpoints/step-0000000024
before=$(ls full/checkpoints)
(ulimit -f 64; "$DEEPSEEK" train recipe.yaml --run full --resume auto -q >log 2>&1) && fail "a run whose last checkpoint cannot be written succeeded"
[ "$(losses full | wc -l)" = 24 ] || fail "a full disk stopped the run: $(cat log)"
[ "$(ls full/checkpoints)" = "$before" ] || fail "a full disk changed the checkpoints: $(ls full/checkpoints)"
grep -q "NOT SAVED" log || fail "nothing was said of a full disk: $(cat log)"
"$DEEPSEEK" train recipe.yaml --run full --resume auto -q >log 2>&1 || fail "after the full disk: $(cat log)"
diff <(losses whole) <(losses full) || fail "after a full disk the losses differ"

# A directory without permission, NaN in the starting weights, and a run that cannot stay finite.
mkdir locked && chmod 500 locked
mortal=() # root may write anywhere, unless it has lost that capability
[ "$(id -u)" = 0 ] && mortal=(setpriv --bounding-set=-dac_override)
says "locked/run" "${mortal[@]}" "$DEEPSEEK" train recipe.yaml --run locked/run
[ -z "$(ls -A locked)" ] || fail "something was written into a directory without permission"
: >file
says "file" "$DEEPSEEK" train recipe.yaml --run file/run
cp -r whole nan && rm -rf nan/checkpoints nan/events
printf '\xff\xff\xff\x7f' | dd of=nan/model.safetensors bs=1 seek=$(($(stat -c %s nan/model.safetensors) - 64)) conv=notrunc 2>/dev/null
says "holds NaN" "$DEEPSEEK" train <(sed 's/^model:.*/model: { from: nan }/' recipe.yaml) --run f
"$DEEPSEEK" train <(sed 's/^model:.*/model: { from: whole }/' recipe.yaml) --run g -q >log 2>&1 || fail "going on from a model: $(cat log)"
"$DEEPSEEK" train recipe.yaml --run gguf --set export=gguf -q >log 2>&1 && "$DEEPSEEK" generate -m gguf/model.gguf -p "Line" -n 5 >out 2>&1 ||
    fail "export to GGUF: $(cat log out)"
"$DEEPSEEK" train <(sed 's,^model:.*,model: { from: gguf/model.gguf },' recipe.yaml) --run gguf2 -q >log 2>&1 || fail "going on from a GGUF file: $(cat log)"
"$DEEPSEEK" quantize --type q8_0 gguf/model.gguf q8.gguf >/dev/null 2>&1
says "train from a float checkpoint" "$DEEPSEEK" train <(sed 's,^model:.*,model: { from: q8.gguf },' recipe.yaml) --run q8
says "steps in a row had a loss or gradient that is not finite" "$DEEPSEEK" train recipe.yaml --run h -q --set optimizer.lr=10 --set optimizer.clip=0 --set model.init_std=10 --set max_skipped=2 --set optimizer.eps=0 --set stages.0.steps=3000

"$DEEPSEEK" train recipe.yaml --plan --json >out && grep -q '"fits": true' out && grep -q '"parameters": 31968' out || fail "plan: $(cat out)"
"$DEEPSEEK" train recipe.yaml --plan --json --set tokenizer=missing --set model.vocabulary=257 | grep -q '"parameters": 31968' || fail "a plan without a tokenizer"
"$DEEPSEEK" train recipe.yaml --plan --json --set tokenizer=no/such/place/at/all --set model.vocabulary=257 >out 2>&1 || fail "a plan with a tokenizer's path alone: $(cat out)"
mkdir damaged && echo '{"model": {' >damaged/tokenizer.json
for damaged in damaged damaged/tokenizer.json; do
    says "damaged/tokenizer.json" "$DEEPSEEK" train recipe.yaml --plan --set tokenizer=$damaged --set model.vocabulary=257
    says "damaged/tokenizer.json" "$DEEPSEEK" train recipe.yaml --plan --set tokenizer=$damaged
done
says "without vocabulary its size is the tokenizer's, and there is no missing yet" "$DEEPSEEK" train recipe.yaml --plan --set tokenizer=missing
mkdir -p begun/checkpoints
says "begun: is a training run that has not ended: train on with --resume auto" "$DEEPSEEK" generate -m begun -p x
says "does not fit; --set precision.recompute=true and optimizer.moments=8bit" "$DEEPSEEK" train recipe.yaml --plan --memory 20M
says "recipe.yaml: the run needs" "$DEEPSEEK" train recipe.yaml --run small --memory 20M

"$DEEPSEEK" plot whole one -o c.svg && grep -q "</svg>" c.svg && grep -q "polyline" c.svg || fail "plot"
"$DEEPSEEK" plot whole -o c.png && [ "$(head -c 4 c.png | tail -c 3)" = PNG ] || fail "plot to PNG"
says ".svg or .png" "$DEEPSEEK" plot whole -o c.gif
"$DEEPSEEK" train --suggest --compute 1e18 --json >out && grep -q '"lr": 0.00175' out || fail "suggest: $(cat out)"
finish
