#!/bin/bash
# The model that comes with the library: found by its name, its greedy text is the committed one in plain C arithmetic, and on
# this processor's fastest it predicts a text as well.
set -u
failures=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset DEEPSEEK_MODELS
fail() {
    echo "$*: $(head -c 400 "$dir/err")"
    failures=$((failures + 1))
}
while IFS=$'\t' read -r prompt text; do
    "$DEEPSEEK" generate -m deepseek/nano -p "$prompt" -n 16 --temp 0 --isa generic -q >"$dir/out" 2>"$dir/err" || fail "generate"
    [ "$(tr '\n' ' ' <"$dir/out")" = "$text" ] || fail "after \"$prompt\" came \"$(tr '\n' ' ' <"$dir/out")\", expected \"$text\""
done <"$DS_SOURCE/tests/golden/nano.tsv"

loss() { "$DEEPSEEK" score -m deepseek/nano -p "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。" --json -q "$@" 2>"$dir/err" | sed -n 's/.*"loss": \([0-9.]*\).*/\1/p'; }
plain=$(loss --isa generic) fast=$(loss)
awk -v a="$plain" -v b="$fast" 'BEGIN { exit !(a > 0 && b > a - 0.01 && b < a + 0.01) }' || fail "losses differ: $plain in plain C, $fast here"
"$DEEPSEEK" tokenize -m deepseek/nano -p "明月" >"$dir/out" 2>"$dir/err" || fail "the tokenizer by name"
[ $failures = 0 ]
