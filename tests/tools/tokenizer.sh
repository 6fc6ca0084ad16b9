# deepseek tokenizer train: the command around what tests/text/bpe_train.c tests.
. "$(dirname "$0")/../common/shell.sh"
text=$DS_SOURCE/tests/golden/bpe_train.txt

"$DEEPSEEK" tokenizer train "$text" --vocab 400 -o "$dir/t" --json > "$dir/report" || fail "training"
grep -q '"vocab_size": 400' "$dir/report" || fail "the report: $(cat "$dir/report")"
[ "$("$DEEPSEEK" tokenize -m "$dir/t" -p '床前明月光' | "$DEEPSEEK" detokenize -m "$dir/t" -f -)" = 床前明月光 ] || fail "round trip"

gzip -c "$text" > "$dir/text.txt.gz"
"$DEEPSEEK" tokenizer train "$dir/text.txt.gz" --vocab 400 -o "$dir/gz" -t 1 > /dev/null || fail "compressed text"
cmp "$dir/t/tokenizer.json" "$dir/gz/tokenizer.json" || fail "compressed text gives another vocabulary"

"$DEEPSEEK" tokenizer train "$text" -o "$dir/t" 2> "$dir/err"; rc=$?
[ "$rc" -ne 0 ] && grep -q exists "$dir/err" || fail "an existing tokenizer was replaced"
"$DEEPSEEK" tokenizer train "$text" 2> "$dir/err"; rc=$?
[ "$rc" -eq 2 ] || fail "no output directory: status $rc"
"$DEEPSEEK" tokenizer teach 2> "$dir/err"; rc=$?
[ "$rc" -eq 2 ] && grep -q teach "$dir/err" || fail "an unknown command: status $rc"
"$DEEPSEEK" tokenizer help | grep -q train || fail "help"
finish
