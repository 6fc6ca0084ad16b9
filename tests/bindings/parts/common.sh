# Shared by the tests of the bindings: TINY is the random model of golden/sdk.jsonl, STORIES the trained one where it is there.
. "$(dirname "$0")/../common/shell.sh"
scratch=$dir
export TINY=$scratch/tiny.gguf STORIES=$DS_SOURCE/../shared/data/stories260k_llama/stories260Ktok512.gguf
[ -e "$STORIES" ] || export STORIES=
"$DS_BUILD/deepseek" init --config tiny --dtype f32 --seed 1 "$TINY" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
