# Shared by the tests of the bindings: TINY is the random model of golden/sdk.jsonl, STORIES the trained one where it is there.
set -u
DS_SOURCE=${DS_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
DS_BUILD=${DS_BUILD:-$DS_SOURCE/build}
skip() {
    echo "skipped: $*"
    exit 77
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TINY=$scratch/tiny.gguf STORIES=$DS_SOURCE/../shared/data/stories260k_llama/stories260Ktok512.gguf
[ -e "$STORIES" ] || export STORIES=
"$DS_BUILD/deepseek" init --config tiny --dtype f32 --seed 1 "$TINY" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
