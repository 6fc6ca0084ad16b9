#!/bin/bash
# deepseek data score: losses beside the shards, the order they give, exact resumes; what is wrong is said.
. "$(dirname "$0")/../common/shell.sh"
cd "$dir" || exit 1
says() { # WORDS COMMAND...
    local words=$1
    shift
    "$@" >out 2>&1 && fail "succeeded: $*"
    grep -qF -- "$words" out || fail "expected \"$words\" of: $* - it said: $(cat out)"
}
losses() { grep '"loss"' "$1/log.jsonl" | sed 's/"tokens_per_second.*//'; }

for i in $(seq 60); do printf '{"text": "the fox and the hen %d"}\n' $((i % 7)); done >docs.jsonl
for i in $(seq 60); do printf '{"text": "%s"}\n' "$(echo "$((i * i * i * 7919))" | tr '0-9' 'qzxjkvwyQZ')%$i"; done >>docs.jsonl
"$DEEPSEEK" data pack docs.jsonl --tokenizer bytes -o shards >log 2>&1 || { fail "pack: $(cat log)"; finish; }
cat >recipe.yaml <<'END'
model: { layers: 1, width: 32, heads: 1, ffn: 64 }
tokenizer: bytes
data: { sources: [ { name: mine, path: shards } ], held_out: 0 }
batch: { tokens: 128 }
optimizer: { lr: 1e-2 }
stages: [ { sequence: 32, steps: 12 } ]
checkpoint: { every: 4 }
END
"$DEEPSEEK" train recipe.yaml --run teacher -q >log 2>&1 || { fail "the teacher: $(cat log)"; finish; }

by_loss=(--set stages.0.order=loss --set stages.0.steps=16)
says "deepseek data score makes it" "$DEEPSEEK" train recipe.yaml --run none "${by_loss[@]}" -q
"$DEEPSEEK" data score shards -m teacher -q >log 2>&1 || fail "data score: $(cat log)"
[ "$(wc -l <shards/scores.jsonl)" = 121 ] || fail "120 documents have $(wc -l <shards/scores.jsonl) lines"
head -n 1 shards/scores.jsonl | grep -q '"scorer":"teacher"' || fail "the first line: $(head -n 1 shards/scores.jsonl)"
sort -gu <(tail -n +2 shards/scores.jsonl) | wc -l | grep -qx '[0-9]*' && [ "$(tail -n +2 shards/scores.jsonl | sort -gu | wc -l)" -gt 20 ] ||
    fail "the losses hardly differ"
cp shards/scores.jsonl again
"$DEEPSEEK" data score shards -m teacher -q -t 1 >log 2>&1 && cmp -s again shards/scores.jsonl || fail "one thread gives other scores: $(cat log)"

# The same order whether the loss is computed in the run or before it; another one than shuffled; easy documents first.
"$DEEPSEEK" train recipe.yaml --run before "${by_loss[@]}" -q >log 2>&1 || fail "order: loss: $(cat log)"
"$DEEPSEEK" train recipe.yaml --run inside "${by_loss[@]}" --set stages.0.scorer=teacher -q >log 2>&1 || fail "with scorer: $(cat log)"
diff <(losses before) <(losses inside) >/dev/null || fail "scores beside the shards and in the run give other losses"
"$DEEPSEEK" train recipe.yaml --run shuffled --set stages.0.steps=16 -q >log 2>&1
diff <(losses before) <(losses shuffled) >/dev/null && fail "sorted and shuffled are the same"

# A resumed run has the losses of an unbroken one; changed scores are noticed.
"$DEEPSEEK" train recipe.yaml --run cut "${by_loss[@]}" -q --json 2>/dev/null | while read -r line; do
    case $line in *'"event":"step","step":6,'*) break ;; esac
done
"$DEEPSEEK" train recipe.yaml --run cut "${by_loss[@]}" --resume auto -q >log 2>&1 || fail "the resumed run: $(cat log)"
diff <(losses before) <(losses cut) >/dev/null || fail "a resumed run has other losses"
cp -r cut changed
rm -rf changed/checkpoints/step-0000000016 changed/config.json
sed -i '$s/.*/0.25/' shards/scores.jsonl
says "the training data has changed" "$DEEPSEEK" train recipe.yaml --run changed "${by_loss[@]}" --resume auto -q

# Bad files and models.
sed -i '$d' shards/scores.jsonl
says "scores.jsonl:121: expected a number" "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
(cat again; echo 1.5) >shards/scores.jsonl
says "goes on after its 120 documents" "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
sed '5s/.*/nan/' again >shards/scores.jsonl
says "scores.jsonl:5: expected a number" "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
sed '1s/"shards":"./"shards":"x/' again >shards/scores.jsonl
says "was made for other shards" "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
echo '{}' >shards/scores.jsonl
says 'no "shards"' "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
: >shards/scores.jsonl
says "ends within its first line" "$DEEPSEEK" train recipe.yaml --run bad "${by_loss[@]}" -q
says "give a model with -m" "$DEEPSEEK" data score shards
says "no-such-dir" "$DEEPSEEK" data score no-such-dir -m teacher
finish
