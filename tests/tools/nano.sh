#!/bin/bash
# The model that comes with the library: found by its name, its greedy text is the committed one in plain C arithmetic, and on
# this processor's fastest it predicts texts as well: with one type of cache, and with the type that the processor prefers.
. "$(dirname "$0")/../common/shell.sh"
unset DEEPSEEK_MODELS
err=$dir/err
while IFS=$'\t' read -r prompt text; do
    "$DEEPSEEK" generate -m deepseek/nano -p "$prompt" -n 16 --temp 0 --isa generic -q >"$dir/out" 2>"$err" || fail "generate"
    [ "$(tr '\n' ' ' <"$dir/out")" = "$text" ] || fail "after \"$prompt\" came \"$(tr '\n' ' ' <"$dir/out")\", expected \"$text\""
done <"$DS_SOURCE/tests/golden/nano.tsv"

loss() { "$DEEPSEEK" score -m deepseek/nano --json -q "$@" 2>"$err" | sed -n 's/.*"loss": \([0-9.]*\).*/\1/p'; }
same() { # WHAT BOUND ARGUMENTS: in plain C and here
    local plain=$(loss --isa generic "${@:3}") fast=$(loss "${@:3}")
    awk -v a="$plain" -v b="$fast" -v d="$2" 'BEGIN { exit !(a > 0 && b > a - d && b < a + d) }' || fail "$1: losses differ: $plain in plain C, $fast here"
}
same verse 0.0005 --kv-dtype f32 -p "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
same licence 0.01 -f "$DS_SOURCE/LICENSE"
"$DEEPSEEK" tokenize -m deepseek/nano -p "明月" >"$dir/out" 2>"$err" || fail "the tokenizer by name"
finish
