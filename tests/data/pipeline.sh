#!/bin/bash
# The pipeline from outside: counts, threads, shards, bad input, configuration errors; kill.sh kills it.
. "$(dirname "$0")/../common/shell.sh"
cd "$dir" || exit 1
field() { # FILE JSON-PATH, dotted, of a number: the report is indented JSON
    sed -n "/\"$2\": {/,/^  }/p" "$1" | sed -n "s/.*\"$3\": \([0-9]*\),*/\1/p" | head -1
}

# 3,000 documents of three files, in two languages; every fifth repeats an earlier one with a word changed.
awk 'BEGIN { srand(7)
    for (f = 0; f < 3; f++)
        for (i = 0; i < 1000; i++) {
            n = i % 5 == 4 ? i - 4 : i
            srand(f * 5000 + n + 2)
            text = ""
            for (w = 0; w < 60; w++)
                text = text (rand() < .5 ? "word" int(rand() * 3000) " " : sprintf("中文%d字 ", rand() * 3000))
            if (i % 5 == 4) text = text "changed"
            printf "{\"id\":\"%d-%d\",\"text\":\"%s\",\"source\":\"s%d\",\"keep\":[%d]}\n", f, i, text, f, i > ("in" f ".jsonl")
        } }'

config() { # OUT-DIR
    cat <<END
input:
  - path: in*.jsonl
chunk_bytes: 20KB
journal_seconds: 0
stages:
  - exact:
  - minhash:
      threshold: 0.7
      recall: 0.99
output:
  dir: $1
  documents: jsonl
  part_bytes: 200KB
END
}
parts() {
    cat "$1"/part-*.jsonl
}

config one >one.yaml
"$DEEPSEEK" data run one.yaml -t 1 >/dev/null || fail "one thread"
[ "$(field one/report.json in documents)" = 3000 ] || fail "documents in"
out=$(field one/report.json out documents)
[ "$out" = "$(parts one | wc -l)" ] || fail "documents out"
[ "$(sed -n 's/.*"removed_documents": \([0-9]*\).*/\1/p' one/report.json)" = $((3000 - out)) ] || fail "the counts do not add up"
[ "$out" = 2400 ] || fail "expected 600 near-duplicates to go, $out documents are left"
ls one/part-00001.jsonl >/dev/null || fail "one part only"
grep -q '"keep":\[0\]' <(parts one) || fail "other members are lost"
grep -q '<svg' one/report.html || fail "no histogram in the page"
[ -e one/.work ] && fail "the work directory is left behind"

# Any number of threads gives the same bytes.
config three >three.yaml
"$DEEPSEEK" data run three.yaml -t 3 >/dev/null || fail "three threads"
cmp <(parts one) <(parts three) || fail "threads change the output"
cmp <(sed 's/three\|one//' one/report.json) <(sed 's/three\|one//' three/report.json) || fail "threads change the report"
cmp one/removed.jsonl.zst three/removed.jsonl.zst || fail "threads change the removed documents"

# Shares of the input add up to the whole.
sed 's/dir: one/dir: shares/; /minhash/,/recall/d; /exact/d' one.yaml >shares.yaml
for i in 0 1 2 3 4 5 6; do
    "$DEEPSEEK" data run shares.yaml --shard $i/7 >/dev/null || fail "share $i"
done
cmp <(cat in*.jsonl | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort) <(parts shares | sed 's/.*"id":"\([^"]*\)".*/\1/' | sort) || fail "shares"

# An output that is there already.
"$DEEPSEEK" data run one.yaml >/dev/null 2>err
[ $? = 12 ] && grep -q -- --force err || fail "existing output: $(cat err)"
"$DEEPSEEK" data run one.yaml --force >/dev/null || fail "--force"

# Bad input: skipped and counted, or the run stops.
{
    echo '{"id":1,"text":"good"}'
    echo '{"id":2,"text":"cut'
    echo '{"id":3}'
    printf '{"id":4,"text":"bad \xff utf-8"}\n'
    printf '{"id":5,"text":"a\\u0000b"}\n\n'
    printf '{"id":6,"text":"%s"}\n' "$(head -c 5000 /dev/zero | tr '\0' x)"
    echo '{"id":7,"text":"last"}'
} >bad.jsonl
echo 'not gzip' >wrong.jsonl.gz
printf 'input: [bad.jsonl, wrong.jsonl.gz]\nmax_doc_bytes: 2000\nchunk_bytes: 100\noutput: {dir: bad, documents: jsonl}\n' >bad.yaml
"$DEEPSEEK" data run bad.yaml >said || fail "bad input is not skipped"
[ "$(parts bad | wc -l)" = 4 ] || fail "expected documents 1, 4, 5, 7; got $(parts bad)"
grep -q $'"text":"bad \xef\xbf\xbd utf-8"' <(parts bad) || fail "broken UTF-8"
grep -q 'u0000b' <(parts bad) || fail "NUL"
for reason in "cut short" "no text member" "longer than max_doc_bytes" "unreadable file"; do
    grep -q "$reason" said || fail "not reported: $reason"
done
"$DEEPSEEK" data run bad.yaml --force --on-error stop >/dev/null 2>err
[ $? = 5 ] && grep -q 'bad.jsonl:2: ' err || fail "--on-error stop: $(cat err)"

# What is wrong with a configuration is said with its line.
expect() { # TEXT MESSAGE
    printf "$1" >c.yaml
    "$DEEPSEEK" data run c.yaml >/dev/null 2>err && fail "accepted: $1"
    grep -q "$2" err || fail "expected \"$2\", got: $(cat err)"
}
expect 'input: [bad.jsonl]\noutput:\n  dir: o\n  dri: x\n' 'c.yaml:4: unknown key "dri" in output (known: dir'
expect 'input: [bad.jsonl]\noutput: {dir: o}\nstages:\n  - minhsah:\n' 'c.yaml:4: no stage "minhsah" (known: '
expect 'input: [bad.jsonl]\noutput: {dir: o}\nstages:\n  - minhash: { bands: x }\n' 'c.yaml:4: bands: "x" is not an integer'
expect 'input: [none.jsonl]\noutput: {dir: o}\n' 'none.jsonl: no such input'
expect 'input: [bad.jsonl]\n' 'output: expected'
expect 'a: [\n' 'not valid YAML'
expect 'input: [bad.jsonl]\ninput: [bad.jsonl]\n' 'c.yaml:2: key "input" is given twice'

# The index of earlier runs.
"$DEEPSEEK" data dedup in0.jsonl -o i0 --index idx --threshold 0.7 --recall 0.99 --format jsonl >/dev/null || fail "first run with an index"
"$DEEPSEEK" data dedup in0.jsonl in1.jsonl -o i1 --index idx --threshold 0.7 --recall 0.99 --format jsonl >/dev/null || fail "second run with an index"
[ "$(parts i0 | wc -l)" = 800 ] && [ "$(parts i1 | wc -l)" = 800 ] && ! grep -q '"source":"s0"' <(parts i1) || fail "the index is not used"
"$DEEPSEEK" data dedup in1.jsonl -o i2 --index idx --ngram 3 >/dev/null 2>err
[ $? = 2 ] && grep -q 'same settings' err || fail "an index of other settings: $(cat err)"

# Chinese words as shingles need a segmenter; the command brings one.
"$DEEPSEEK" data dedup in0.jsonl -o seg --shingle segmented --threshold 0.7 --recall 0.99 --format jsonl >/dev/null || fail "segmented shingles"
[ "$(parts seg | wc -l)" = 800 ] || fail "segmented shingles leave $(parts seg | wc -l) documents"
printf 'input: [in0.jsonl]\nstages:\n  - minhash: { shingle: segmented }\noutput: { dir: seg2 }\n' >seg2.yaml
"$DEEPSEEK" data run seg2.yaml >/dev/null 2>err && fail "segmented shingles without a segmenter"
grep -q 'segment: true' err || fail "segmented shingles: $(cat err)"

# Lines.
printf '{"text":"one line of this length here\\nshared line in several documents"}\n{"text":"Shared  LINE in several documents\\nanother line of some length"}\n' >lines.jsonl
"$DEEPSEEK" data dedup lines.jsonl -o l --method exact --unit line --format jsonl >/dev/null || fail "lines"
[ "$(parts l | tail -1)" = '{"id":"lines.jsonl:2","text":"another line of some length"}' ] || fail "lines: $(parts l)"
# Packing: the same shards for any number of threads and after a kill; the wanted share; nothing of a cluster on both sides.
packed() {
    printf 'input: [in0.jsonl, in1.jsonl, in2.jsonl]\nchunk_bytes: 20KB\njournal_seconds: 0\nstages:\n  - minhash: { threshold: 0.6, recall: 0.99, action: mark }\n'
    printf 'output: { dir: %s, documents: none }\npack:\n  tokenizer: bytes\n  validation: 0.2\n  mix: { shares: { s0: 0.5 }, shard_tokens: 300K }\n' "$1"
}
packed p1 >p1.yaml
packed p2 >p2.yaml
"$DEEPSEEK" data run p1.yaml -t 1 >/dev/null || fail "packing"
"$DEEPSEEK" data run p2.yaml -t 3 >/dev/null 2>&1 &
pid=$!
sleep 0.05
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
[ -e p2/report.json ] || "$DEEPSEEK" data run p2.yaml -t 3 >/dev/null || fail "packing after a kill"
ls p1/train-00001.dst >/dev/null || fail "one shard only"
for f in p1/*.dst; do
    cmp "$f" "p2/${f#p1/}" || fail "a kill or threads change $f"
done
share=$(grep -A 8 '"source": "s0"' p1/report.json | sed -n 's/.*"share": \(0\.[0-9]*\).*/\1/p' | tail -1)
case $share in 0.49* | 0.50*) ;; *) fail "share of s0 is $share, expected 0.5" ;; esac

# Mixing shards.
"$DEEPSEEK" data mix a=p1 b=p2 -o mixed --share a=0.2 --max-epochs 2 >mix.json || fail "mixing"
grep -q '"share": 0.\(19\|20\)' mix.json || fail "mixing: $(cat mix.json)"
head -c 3000 p1/train-00000.dst >cut.dst && mkdir cut && mv cut.dst cut/train-0.dst
"$DEEPSEEK" data mix a=cut -o mixed2 >/dev/null 2>err && fail "a cut shard is accepted"
grep -q 'cut/train-0.dst: has 3000 bytes, the header says' err || fail "a cut shard: $(cat err)"

# Repeated substrings and evaluation questions.
printf '{"text":"First document with some text. This passage is repeated word for word in the other one. End."}\n{"text":"Second one. This passage is repeated word for word in the other one. Done."}\n' >sub.jsonl
"$DEEPSEEK" data dedup sub.jsonl -o sub --method substring --min-bytes 40 --format jsonl >/dev/null || fail "substring"
grep -q '"text":"Second oneDone."' <(parts sub) && grep -q 'for word in the other one. End' <(parts sub) || fail "substring: $(parts sub)"
printf '{"question":"Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.","answer":"72"}\n{"question":"一个长方形的长是八厘米宽是五厘米请问它的面积和周长分别是多少"}\n' >eval.jsonl
printf '{"id":"a","text":"From the web: NATALIA sold clips to 48 of her friends in april and then she sold more."}\n{"id":"b","text":"Natalia sold clips to her friends."}\n{"id":"c","text":"题目：一个長方形的長是八厘米宽是五厘米，请问它的面积和周长分别是多少？"}\n' >web.jsonl
"$DEEPSEEK" data decontaminate web.jsonl --set eval.jsonl -o dec --format jsonl >/dev/null || fail "decontaminate"
[ "$(parts dec)" = '{"id":"b","text":"Natalia sold clips to her friends."}' ] || fail "decontaminate: $(parts dec)"

# A Parquet file is read as the JSON Lines with the same rows, from a directory too, and goes on after a kill like any other.
mkdir parquet && cp "$DS_SOURCE/tests/golden/parquet/zstd.parquet" parquet/rows.parquet
for input in parquet "$DS_SOURCE/tests/golden/parquet/rows.jsonl"; do
    printf 'input:\n  - { path: "%s", source: "meta.lang" }\nstages:\n  - unicode:\noutput:\n  documents: jsonl\n  dir: out-%s\n' "$input" "$(basename "$input")" >parquet.yaml
    "$DEEPSEEK" data run parquet.yaml >/dev/null || fail "reading $input"
done
texts() { parts "$1" | sed 's/,"score":.*//'; } # real numbers may be spelt differently
[ "$(texts out-parquet | wc -l)" -ge 40 ] && cmp <(texts out-parquet) <(texts out-rows.jsonl) || fail "a Parquet file gives other documents than its rows"

# Every stage says what it is; a full disk stops the run with a sentence, and it goes on when there is room.
[ "$("$DEEPSEEK" data run --list-stages | wc -l)" -ge 12 ] || fail "--list-stages"
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=200k tmpfs full 2>/dev/null; then
    config full/out >full.yaml
    "$DEEPSEEK" data run full.yaml >/dev/null 2>err
    [ $? = 4 ] && grep -q 'No space left.*: run the same command again to go on, or delete full/out$' err || fail "a full disk: $(cat err)"
    mount -o remount,size=20m full
    "$DEEPSEEK" data run full.yaml >/dev/null || fail "after the disk was full"
    cmp <(parts one) <(parts full/out) || fail "a full disk changes the output"
    umount full
fi
finish
