"""Measures `deepseek tokenizer train` beside Hugging Face `tokenizers` on the same documents and processors, in one run, checks
that both learn the same merges, and appends a row to bench/results/tokenizer_train.csv.

    python3 bench/tokenizer_train.py --data ../shared/data --deepseek build/deepseek

The corpus is real Chinese and English text (42 MB), repeated with one character in forty (--replace) replaced by another of the same
document, so that repeats bring new words as more text would. Both read it from one JSON Lines file; --corpus keeps it, and takes it as it
is when it is there. Times are wall clock with all processors; `tokenizers` is handed its documents by an iterator, which it reads while
its threads count.

Needs: tokenizers, zstandard."""
import argparse
import datetime
import importlib.metadata
import io
import json
import os
import random
import resource
import subprocess
import tempfile
import time

import zstandard

import rows

SETS = ["zh_classics/classics_zh", "zh_javaguide/javaguide_zh", "zh_oiwiki/oiwiki_zh", "en_movie_reviews/movie_reviews", "en_public_domain/en_pd"]
SPECIAL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]


def documents(data):
    for name in SETS:
        raw = zstandard.ZstdDecompressor().stream_reader(open(f"{data}/{name}.jsonl.zst", "rb"))
        for line in io.TextIOWrapper(raw, encoding="utf-8"):
            yield json.loads(line)["text"]


def perturbed(text, r, every):
    s = list(text)
    for i in range(r.randrange(every), len(s), every):
        s[i] = s[r.randrange(len(s))]
    return "".join(s)


def write_corpus(path, data, size, every):
    r, n, docs = random.Random(1), 0, list(documents(data))
    with open(path, "w", encoding="utf-8") as f:
        for copy in range(1000):
            for d in docs:
                text = perturbed(d, r, every) if copy else d
                f.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                n += len(text.encode())
                if n >= size:
                    return


def bytes_of(path):
    return sum(len(json.loads(line)["text"].encode()) for line in open(path, encoding="utf-8"))


def theirs(corpus, ours_json, vocab):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = Tokenizer.from_file(ours_json).pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=vocab, min_frequency=2, special_tokens=SPECIAL, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    start = time.time()
    t.train_from_iterator((json.loads(line)["text"] for line in open(corpus, encoding="utf-8")), trainer)
    seconds = time.time() - start
    return seconds, json.loads(t.to_str())["model"]["merges"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--deepseek", default=os.environ.get("DEEPSEEK", "build/deepseek"))
    ap.add_argument("--csv", default="bench/results/tokenizer_train.csv")
    ap.add_argument("--bytes", type=int, default=100_000_000)
    ap.add_argument("--replace", type=int, default=40, metavar="N", help="one character in N of the repeats")
    ap.add_argument("--corpus", metavar="FILE")
    ap.add_argument("--vocab", type=int, default=32000)
    args = ap.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        corpus = args.corpus or tmp + "/corpus.jsonl"
        if not os.path.exists(corpus):
            write_corpus(corpus, args.data, args.bytes, args.replace)
        n = bytes_of(corpus)
        start = time.time()
        out = subprocess.run([args.deepseek, "tokenizer", "train", corpus, "--vocab", str(args.vocab), "-o", tmp + "/ours", "--json"],
                             check=True, capture_output=True, text=True).stdout
        own, report = time.time() - start, json.loads(out)
        own_peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        mine = json.load(open(tmp + "/ours/tokenizer.json", encoding="utf-8"))["model"]["merges"]
        print("ours:", round(own, 2), "s,", report, flush=True)
        peer, merges = theirs(corpus, tmp + "/ours/tokenizer.json", args.vocab)
        peer_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert mine == merges, "the merges differ"
    row = [datetime.date.today().isoformat(), rows.commit(), rows.processor(), len(os.sched_getaffinity(0)), "tokenizers", importlib.metadata.version("tokenizers"), n,
           args.vocab, round(own, 2), round(peer, 2), round(peer / own, 1), round(report["count_seconds"], 2), round(report["learn_seconds"], 2),
           own_peak, peer_peak, args.replace]
    print(*row, sep=", ")
    rows.append(args.csv, ["date", "commit", "cpu", "processors", "peer", "peer_version", "bytes", "vocabulary", "seconds", "peer_seconds",
                           "ratio", "count_seconds", "learn_seconds", "peak_bytes", "peer_peak_bytes", "replaced"], [row])


main()
