#!/bin/bash
# deepseek score, bench, doctor and imatrix: figures that must agree with each other, errors and their exit statuses.
. "$(dirname "$0")/../common/shell.sh"
out=$dir/out err=$dir/err
run() { # STATUS ARGUMENTS...
    local status=$1
    shift
    "$DEEPSEEK" "$@" >"$out" 2>"$err" </dev/null
    local got=$?
    [ $got = "$status" ] || fail "$*: exit status $got, expected $status"
}
said() {
    [ "$(wc -l <"$err")" = 1 ] && grep -q "$1" "$err" || fail "expected one line with \"$1\""
}
checks() { # WHAT, Python on standard input that sees the JSON as o
    { echo "import json, math; o = json.load(open('$out'))"; cat; } | python3 - 2>>"$err" || fail "$1"
}

tiny=$dir/tiny.gguf
"$DEEPSEEK" init --config tiny --dtype f32 --seed 1 "$tiny" || exit 1
for _ in $(seq 10); do echo "The quick brown fox jumps over the lazy dog, again and again."; done >"$dir/text"

# score: the means agree with the tokens; windows change what is seen, not what is counted.
run 0 score -m "$tiny" -f "$dir/text" --json --tokens --ctx 4096
cp "$out" "$dir/whole"
checks "score" <<'END'
total = -sum(p for p in o["logprobs"][1:])
assert o["logprobs"][0] is None and len(o["ids"]) == o["tokens"] == o["predicted"] + 1
assert abs(total / o["predicted"] - o["loss"]) < 1e-9 * o["predicted"] and abs(math.exp(o["loss"]) - o["perplexity"]) < 1e-6 * o["perplexity"]
assert abs(total / math.log(2) / o["bytes"] - o["bits_per_byte"]) < 1e-6
END
run 0 score -m "$tiny" -f "$dir/text" --json --tokens --window 200 --stride 100
checks "score in windows" <<END
whole = json.load(open('$dir/whole'))
assert o["tokens"] == whole["tokens"] and o["predicted"] == whole["predicted"]
assert o["logprobs"][1:200] == whole["logprobs"][1:200] and o["logprobs"][200:] != whole["logprobs"][200:]
assert abs(o["loss"] - whole["loss"]) < 0.1 * whole["loss"]
END
run 0 score -m "$tiny" -f "$dir/text"
grep -q '^perplexity  ' "$out" || fail "score prints perplexity"
run 2 score -m "$tiny" -f "$dir/text" --window 100 --stride 100
said 'stride'
run 2 score -m "$tiny" -p "" --no-bos
run 2 score -m "$tiny"
run 3 score -m "$tiny" -f "$dir/none"

# bench
run 0 bench -m "$tiny" --prompt 16,64 --gen 4 --batch 1,3 --repeat 2 --depth 10 --no-bounds --json
checks "bench" <<'END'
assert [(t["test"], t["tokens"], t["batch"], t["depth"]) for t in o["tests"]] == [("prompt", 16, 1, 10), ("prompt", 64, 1, 10), ("gen", 4, 1, 10), ("gen", 4, 3, 10)]
assert all(t["tokens_per_second"] > 0 and t["ops_per_second"] > 0 and len(t["runs"]) == 2 and min(t["runs"]) <= t["tokens_per_second"] <= max(t["runs"]) for t in o["tests"])
END
run 0 bench -m "$tiny" --prompt 0 --gen 2 --repeat 1 --no-bounds -q
grep -q '^gen ' "$out" && [ ! -s "$err" ] || fail "bench prints a table"
run 2 bench -m "$tiny" --prompt x
run 2 bench -m "$tiny" --prompt 0 --gen 0
run 0 bench -m "$tiny" --prompt 8 --gen 0 --repeat 1 --no-bounds
grep -q ': f32, 1.44 million parameters' "$out" || fail "the head of bench's table: $(head -1 "$out")"
run 2 bench -m "$tiny" --repeat 0
run 2 bench

# doctor
run 0 doctor --json --block 16MiB
checks "doctor" <<'END'
m = o["measured"]
assert o["memory_bytes"] >= o["available_bytes"] > 0 and o["processors"] >= 1 and o["isa"] in ("generic", "avx2", "avx512", "vnni", "bf16", "neon", "dotprod")
assert m["read_bytes_per_second"] > 1e8 and m["int8_ops_per_second"] > 1e8 and m["float32_ops_per_second"] > 1e8
assert len(o["libraries"]) >= 5
END
run 0 doctor --quick
grep -q '^memory ' "$out" || fail "doctor prints a table"

# imatrix: mean squares of what meets each column, and a quantization that uses them.
run 0 imatrix -m "$tiny" -f "$dir/text" -o "$dir/im" -q
python3 - "$dir/im" <<'END' || fail "the importance file"
import json, struct, sys
f = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", f[:8])
h = json.loads(f[8:8 + n])
assert h.pop("__metadata__")["format"] == "deepseek-imatrix"
assert len(h) == 2 * 7 + 1, sorted(h)
for name, t in h.items():
    a, b = t["data_offsets"]
    v = struct.unpack(f"<{(b - a) // 4}f", f[8 + n + a:8 + n + b])
    assert len(v) == t["shape"][0] == (512 if "down" in name else 256) and all(x >= 0 for x in v) and sum(v) > 0, name
    assert name.endswith("lm_head.weight") or name.startswith("model.layers.")
q, k = (h[f"model.layers.1.self_attn.{x}_proj.weight"]["data_offsets"] for x in "qk")
assert f[8 + n + q[0]:8 + n + q[1]] == f[8 + n + k[0]:8 + n + k[1]]  # they read the same activations
norm = h["model.layers.0.self_attn.q_proj.weight"]["data_offsets"]
v = struct.unpack("<256f", f[8 + n + norm[0]:8 + n + norm[1]])
assert abs(sum(v) / 256 - 1) < 0.01  # after a norm whose weights are 1, the mean square is 1
END
run 12 imatrix -m "$tiny" -f "$dir/text" -o "$dir/im"
run 0 imatrix -m "$tiny" -f "$dir/text" -o "$dir/im" --force --window 100
run 0 quantize --type q4_k --imatrix "$dir/im" "$tiny" "$dir/q.gguf"
run 0 generate -m "$dir/q.gguf" -p "Hello" -n 4
run 2 imatrix -m "$tiny" -f "$dir/text"
: >"$dir/empty.gguf"
run 2 imatrix -m "$tiny" -f "$dir/empty.gguf" -o "$dir/none"
said 'is empty'
[ -e "$dir/none" ] && fail "an empty text has an importance"
run 2 imatrix -m "$tiny" -f "$dir/text" -o "$dir/none" --window -1
said 'window: "-1" is not a whole number'
run 2 score -m "$tiny" -p "Hello world" --tokens
said 'tokens needs --json'
run 2 bench -m "$tiny" --batch 0
said 'a batch has at least 1 sequence'
run 2 init --config tiny --seed -1 "$dir/none"
said 'seed: "-1" is not a whole number'
run 5 tokenize -m "$dir/empty.gguf" -p x
said 'does not start with "GGUF"'
finish
