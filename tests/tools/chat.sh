#!/bin/bash
# deepseek chat: through a pipe (messages, commands, files, JSON, what is read again, errors), then in a terminal.
. "$(dirname "$0")/../common/shell.sh"
unset DEEPSEEK_MODELS
export XDG_STATE_HOME=$dir/pipe-state
out=$dir/out err=$dir/err
chat() { # STATUS INPUT ARGUMENTS...
    local status=$1 input=$2
    shift 2
    printf '%b' "$input" | "$DEEPSEEK" chat -m deepseek/nano --seed 1 "$@" >"$out" 2>"$err"
    local got=$?
    [ $got = "$status" ] || fail "chat $*: exit status $got, expected $status"
}
says() { grep -qF -- "$1" "$err" || fail "standard error does not say \"$1\""; }
read_tokens() { sed -n 's/^prompt \([0-9]*\) tokens.*/\1/p' "$err" | sed -n "$1p"; }

# The second prompt reads what is new only: its own message, and the token that was drawn last.
chat 0 'The first message is a rather long one, of many words.\nAnd this?\n' -n 6 --temp 0
first=$(read_tokens 1) second=$(read_tokens 2)
[ "${first:-0}" -gt 20 ] && [ "${second:-99}" -lt $((first - 5)) ] || fail "the prompts took $first and $second tokens"
[ -e "$dir/pipe-state" ] && fail "a pipe left a history"
cp "$out" "$dir/two"

# Another answer to the same message reads one token, and is the same at temperature 0.
chat 0 'The first message is a rather long one, of many words.\n/regen\n/undo\n/tokens\n' -n 10 --temp 0
[ "$(read_tokens 2)" = 1 ] || fail "another answer read $(read_tokens 2) tokens"
says "0 messages, 0 of 512 tokens"

# Saved, and gone on from there: the same as in one go (where the answer ends without white space, which messages do without).
chat 0 "The first message is a rather long one, of many words.\n/save $dir/m.json\n" -n 6 --temp 0
says "2 messages in $dir/m.json"
cp "$out" "$dir/one"
chat 0 'And this?\n' -f "$dir/m.json" -n 6 --temp 0 -q
cat "$dir/one" "$out" | cmp -s - "$dir/two" || fail "the conversation differs after saving and loading"
[ -s "$err" ] && fail "-q is not quiet"
printf '[{"role": "user", "content": "Go"}]' >"$dir/asked.json"
chat 0 '' -f "$dir/asked.json" -n 3 --temp 0
[ -n "$(read_tokens 1)" ] || fail "a file that ends with a message is not answered"
[ -n "$(ls "$dir" | grep 'm.json.')" ] && fail "saving left something behind"

# Seeds: each answer draws its own numbers, and a session can be repeated.
chat 0 'x\n/regen\n' -n 20 --temp 1 -q
cp "$out" "$dir/seeded"
chat 0 'x\n/regen\n' -n 20 --temp 1 -q
cmp -s "$out" "$dir/seeded" || fail "the same seed gave another conversation"
chat 0 'x\n/set seed 1\n/regen\n' -n 20 --temp 1 -q
[ "$(head -c "$((($(wc -c <"$out")) / 2))" "$out")" = "$(tail -c "$((($(wc -c <"$out")) / 2))" "$out")" ] || fail "the same seed again gave another answer"

# Commands.
chat 0 '/help\n/set temp 0\n/set top-k 5\n/set\n/system Be kind.\n/system\n/clear\n/tokens\n/system -\n/tokens\n/quit\nnever read\n'
for s in "/regen" "temp: 0" "top-k: 5" "seed: 1" "Be kind." "1 messages, " "0 messages, "; do says "$s"; done
[ -s "$out" ] && fail "something was answered"
chat 2 '/nonsense\n'; says "there is no command /nonsense"
chat 2 '/set temp -1\n'; says "temperature"
chat 2 '/set temp warm\n'; says "\"warm\" is not a number"
chat 2 '/set height 3\n'; says "there is no \"height\""
chat 2 '/regen\n'; says "there is no message to answer"
chat 2 '/save\n'; says "needs the name of a file"
chat 3 "/save $dir/none/x.json\n"; says "x.json: cannot create"
chat 3 "/load $dir/none.json\n"
printf '{"role": 1}' >"$dir/bad.json"; chat 2 '' -f "$dir/bad.json"; says "expected messages"
printf '[{"role": "user"}]' >"$dir/bad.json"; chat 2 '' -f "$dir/bad.json"; says "message 1 has no \"content\""
printf '[' >"$dir/bad.json"; chat 5 '' -f "$dir/bad.json"; says "is not valid JSON: line 1"

# A slash that is meant; bytes that are no UTF-8.
chat 0 "//etc is a folder\nx\xff\n/save $dir/slash.json\n" -n 2 -q --temp 0
grep -q '"/etc is a folder"' "$dir/slash.json" || fail "//etc became $(cat "$dir/slash.json")"
grep -q 'x\\ufffd\|x�' "$dir/slash.json" || fail "a wrong byte became $(cat "$dir/slash.json")"

# JSON in, JSON out.
chat 0 '{"role": "system", "content": "Kind."}\n{"role": "user", "content": "A"}\n[{"role": "user", "content": "B"}]\n' --json -n 4 --temp 0 -q
[ "$(wc -l <"$out")" = 2 ] && [ "$(grep -c '^{"role": "assistant", "content": ".*"finish": "length", "prompt_tokens": [0-9]*, "cached_tokens": [0-9]*, "new_tokens": 4}$' "$out")" = 2 ] ||
    fail "JSON: $(cat "$out")"
chat 5 '{"role": \n' --json; says "not valid JSON"
chat 2 '{"content": "x"}\n' --json; says 'has no "role"'
chat 2 '"x"\n' --json; says "expected messages"

# Too long for the context; a model that was not made to chat; none at all.
chat 10 "$(printf 'word%.0s ' $(seq 600))\n"; says "context"
"$DEEPSEEK" init --config tiny --dtype f32 --seed 1 "$dir/base" >/dev/null 2>&1
sed -i 's/begin/start/g' "$dir"/base/tokenizer.json "$dir"/base/tokenizer_config.json
base() { printf 'Hello\n' | "$DEEPSEEK" chat -m "$dir/base" -n 4 --temp 0 "$@" >"$out" 2>"$err"; }
base; [ $? = 3 ] || fail "a base model: exit status"
says "has no chat template"; says "--template deepseek-llm"
base --template deepseek-llm || fail "a base model with a template"
base --template deepseek-llama && fail "an unknown template"
printf '{%% for m in messages %%}<{{ m.content }}>{%% endfor %%}' >"$dir/own.jinja"
base --template "$dir/own.jinja" || fail "a template of one's own"
[ "$(read_tokens 1)" = 8 ] || fail "<Hello> took $(read_tokens 1) tokens"
chat 2 '' -n -2
"$DEEPSEEK" chat >"$out" 2>"$err" </dev/null; [ $? = 2 ] || fail "no model"

if python3 -c 'import pty, sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    mkdir "$dir/terminal"
    python3 -B "$DS_SOURCE/tests/tools/parts/chat_terminal.py" "$DEEPSEEK" "$dir/terminal" || failures=$((failures + 1))
else
    echo "no Python 3.9: the terminal is not tested"
fi
finish
