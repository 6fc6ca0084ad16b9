#!/bin/bash
# deepseek generate: the stories model's greedy text, streaming, JSON, stop strings, lengths, errors and their exit statuses.
. "$(dirname "$0")/../common/shell.sh"
out=$dir/out err=$dir/err
generate() { # STATUS ARGUMENTS...
    local status=$1
    shift
    "$DEEPSEEK" generate "$@" >"$out" 2>"$err" </dev/null
    local got=$?
    [ $got = "$status" ] || fail "generate $*: exit status $got, expected $status"
}
said() { # PATTERN: the one sentence on standard error
    [ "$(wc -l <"$err")" = 1 ] && grep -q "$1" "$err" || fail "expected one line with \"$1\""
}

tiny=$dir/tiny.gguf
"$DEEPSEEK" init --config tiny --dtype f32 --seed 1 "$tiny" || exit 1

# Text, streamed; the timing line; quiet.
generate 0 -m "$tiny" -p "Hello" -n 8 --temp 0
[ -s "$out" ] && grep -q 'tok/s' "$err" || fail "text and timing"
cp "$out" "$dir/text"
generate 0 -m "$tiny" -p "Hello" -n 8 --temp 0 -q
[ ! -s "$err" ] && cmp -s "$out" "$dir/text" || fail "--quiet"
generate 0 -m "$tiny" -p "Hello" -n 8 --temp 0 -q --echo
printf 'Hello' | cat - "$dir/text" | cmp -s - "$out" || fail "--echo"
printf 'Hello' >"$dir/prompt"
generate 0 -m "$tiny" -f "$dir/prompt" -n 8 --temp 0 -q
cmp -s "$out" "$dir/text" || fail "-f"
for isa in generic avx2 avx512 vnni bf16 neon dotprod; do # a level that is not there means the best below it
    generate 0 -m "$tiny" -p "Hello" -n 8 --temp 0 -q --isa $isa
    cmp -s "$out" "$dir/text" || fail "--isa $isa"
done
generate 0 -m "$tiny" -p "Hello" -n 0 -q
[ ! -s "$out" ] || fail "-n 0"

# JSON; -n wins over --max-length, which counts the prompt.
generate 0 -m "$tiny" -p "Hello" -n 8 --max-length 7 --ignore-eos --temp 1 --seed 7 --json --logprobs 2
python3 - "$out" <<'END' || fail "--json"
import json, sys
o = json.load(open(sys.argv[1]))
g = o["generations"][0]
assert o["seed"] == 7 and g["new_tokens"] == 8 == len(g["ids"]) == len(g["logprobs"]) and g["finish"] == "length"
for p, i in zip(g["logprobs"], g["ids"]):
    assert p["id"] == i and len(p["top"]) == 2 and p["top"][0]["logprob"] >= p["top"][1]["logprob"] and p["logprob"] <= p["top"][0]["logprob"]
END
generate 0 -m "$tiny" -p "Hello" --max-length 9 --ignore-eos --temp 0 --json
python3 - "$out" <<'END' || fail "--max-length"
import json, sys
g = json.load(open(sys.argv[1]))["generations"][0]
assert g["new_tokens"] + g["prompt_tokens"] == 9
END

# Seeds; a prompt gives the same texts alone and in a batch.
generate 0 -m "$tiny" -p "abc" -n 12 --temp 1 --seed 3 -q
cp "$out" "$dir/three"
generate 0 -m "$tiny" -p "abc" -n 12 --temp 1 --seed 4 -q
cmp -s "$out" "$dir/three" && fail "seeds 3 and 4 give the same text"
generate 0 -m "$tiny" -p "x" -p "abc" -p "a longer prompt than those" -n 12 --temp 1 --seed 3 --choices 2 --json
python3 - "$out" "$dir/three" <<'END' || fail "batch"
import json, sys
g = json.load(open(sys.argv[1]))["generations"]
assert [(x["prompt"], x["choice"]) for x in g] == [(p, c) for p in range(3) for c in range(2)]
assert g[2]["text"].encode() == open(sys.argv[2], "rb").read() or "�" in g[2]["text"]
assert g[2]["ids"] != g[3]["ids"]
END

# What goes wrong: one sentence, its own exit status.
generate 2 -m "$tiny"
said 'needs -m MODEL'
generate 2 -m "$tiny" -p x --temp -1
said 'temperature is -1'
for option in -n --max-length --top-k --logprobs; do
    generate 2 -m "$tiny" -p x $option -1
    said "option $option.*: \"-1\" is not a whole number of at least 0"
done
generate 2 -m "$tiny" -p x --logprobs 1
said 'logprobs needs --json'
generate 2 -m "$tiny" -p x --top-p 0
said 'top_p is 0'
generate 2 -m "$tiny" -p x --bias 9999=1
said 'token below 512'
generate 2 -m "$tiny" -p x --stop ""
said 'stop string 0 is empty'
generate 2 -m "$tiny" -p "a long prompt" --max-length 3
said 'max_length is 3'
generate 3 -m "$dir/none.gguf" -p x
generate 3 -m models/none.gguf -p x
said 'models/none.gguf: no such file'
generate 3 -m "$tiny" -f "$dir/none"
generate 5 -m "$0" -p x
generate 2 -m "$tiny" -p x --dtype q4_0 --kv-dtype q4_0
generate 9 -m "$tiny" -p x --memory 1000
said 'give more --memory'
generate 10 -m "$tiny" -p "$(head -c 5000 /dev/zero | tr '\0' a)" --ctx 32
said 'the context has room for 32'
printf 'a\xff\xfeb\xc3' >"$dir/bytes"
generate 0 -m "$tiny" -f "$dir/bytes" -n 2 -q --echo
head -c 5 "$out" | cmp -s - "$dir/bytes" || fail "the bytes of a prompt that is not UTF-8 are kept"
if [ -e /dev/full ]; then
    "$DEEPSEEK" generate -m "$tiny" -p x -n 100000000 --ctx 1000000 -q --ignore-eos --temp 1 --seed 1 >/dev/full 2>"$err"
    [ $? = 4 ] && grep -q "standard output: cannot write: No space" "$err" || fail "a full disk behind standard output"
fi

# Ctrl-C: the text so far, exit status 130.
: >"$out" # or the text of the run before would be taken for this one's
"$DEEPSEEK" generate -m "$tiny" -p Hello -n 1000000 --ctx 1100000 --temp 0 --ignore-eos >"$out" 2>"$err" &
pid=$!
for _ in $(seq 100); do
    [ -s "$out" ] && break
    sleep 0.05
done
kill -TERM $pid
wait $pid
[ $? = 130 ] || fail "an interrupt: exit status"
[ -s "$out" ] && grep -q 'cancelled' "$err" || fail "an interrupt: text and timing"

# The trained model, when it is there.
data=$DS_SOURCE/../shared/data/stories260k_llama
if [ -e "$data/stories260Ktok512.gguf" ]; then
    for isa in generic avx2 avx512 vnni bf16; do
        generate 0 -m "$data/stories260Ktok512.gguf" -p "" -n 256 --temp 0 --isa $isa
        cmp -s "$out" "$data/expected_greedy.txt" || fail "the stories model's greedy text with --isa $isa"
        [ "$(grep -c 'go beyond the 128' "$err")" = 1 ] || fail "the context is raised with one warning"
    done
    generate 0 -m "$data/stories260Ktok512.gguf" -p "" -n 256 --temp 0 --stop "a big, red" -q
    [ "$(tail -c 18 "$out")" = " One day, she saw " ] || fail "--stop: the text ends with \"$(tail -c 30 "$out")\""
else
    echo "the stories model is not in ../shared/data: not tried"
fi
finish
