#!/bin/bash
# stream.sh [CONFIG [MEMORY [TYPE]]]: generates four tokens from a model that is larger than the memory it may use, beside what dd reads from
# the same file around the page cache, before and after. Defaults to a model of 0.9 GB; "stream.sh 67b 12GiB" writes 38 GB to
# $TMPDIR. Prints a row for bench/results/stream.csv.
set -eu
deepseek=${DEEPSEEK:-build/deepseek} config=${1:-coder-1.3b} memory=${2:-500MiB} type=${3:-q4_0}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$deepseek" init --config "$config" --dtype "$type" --seed 1 "$dir/m.gguf" >/dev/null
size=$(stat -c %s "$dir/m.gguf")
disk() { # MB/s of the file's first 8 GiB at most
    dd if="$dir/m.gguf" of=/dev/null bs=16M count=512 iflag=direct 2>&1 | awk -F, '/copied/ { split($(NF-1), s, " "); split($1, b, " "); printf "%.0f", b[1] / s[1] / 1e6 }'
}
sync
before=$(disk)
/usr/bin/time -o "$dir/time" -f '%M %I %e' "$deepseek" generate -q -m "$dir/m.gguf" -p Hello --memory "$memory" --ctx 256 -n 4 --temp 0 --ignore-eos >/dev/null
after=$(disk)
read -r kib blocks seconds <"$dir/time"
echo "$(date +%F),$(git rev-parse --short HEAD 2>/dev/null || echo -),$(sed -n 's/^model name\t*: //p' /proc/cpuinfo | head -1),$config-$type,$size,$memory,$((kib / 1024)),$(awk "BEGIN { printf \"%.1f,%.1f,%.0f\", $blocks * 512 / 1e9, $seconds, $blocks * 512 / 1e6 / $seconds }"),$before,$after"
