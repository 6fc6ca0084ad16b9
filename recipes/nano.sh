#!/bin/bash
# nano.sh: makes the built-in model from ../shared/data, as models/nano.md tells: cleans the text, learns the vocabulary, trains,
# quantizes. Run from the root of the repository; about half an hour on two processors that do 11,000 tokens a second. What is done is
# not done again.
set -eu
deepseek=${DEEPSEEK:-build/deepseek}
for kind in verse novels prose reviews; do
    [ -e nano-data/$kind/report.json ] || "$deepseek" data run recipes/data/nano-$kind.yaml
done
[ -e nano-data/tokenizer/tokenizer.json ] ||
    "$deepseek" tokenizer train nano-data/{novels,prose,reviews,verse}/part-*.jsonl.zst --vocab 8192 --add-bos -o nano-data/tokenizer
"$deepseek" train recipes/nano.yaml --resume auto
"$deepseek" plot runs/nano -o runs/nano/curve.svg
"$deepseek" quantize --type q8_0 runs/nano models/nano.gguf
