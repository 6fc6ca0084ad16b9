#!/bin/bash
# generate.sh [CONFIG [DTYPE]]: speed of reading a prompt and writing text at a shape with random weights (default: 0.24b in q4_0), and of
# eight sequences beside one. PEER=PATH/llama-bench measures that program too, on the same file, run by run; PEER_VERSION names it.
set -eu
: "${DEEPSEEK:?the command}"
here=$(dirname "$0")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
file=$dir/${1:-0.24b}-${2:-q4_0}.gguf
"$DEEPSEEK" init --config "${1:-0.24b}" --dtype "${2:-q4_0}" --seed 1 "$file" 2>/dev/null
peer=()
[ -z "${PEER:-}" ] || peer=(--peer "$PEER" --peer-version "${PEER_VERSION:-}" --peer-flags "" --peer-flags "-rtr 1 -fa 1")
python3 "$here/generate.py" --deepseek "$DEEPSEEK" --header --gen 64 "${peer[@]}" "$file"
python3 "$here/generate.py" --deepseek "$DEEPSEEK" --gen 32 --batch 8 "$file"
