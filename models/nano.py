"""Scores a model on the documents that the run of recipes/nano.yaml kept for validation, each document by itself, and prints the
table of models/nano.md.

    python3 models/nano.py --run runs/nano --model deepseek/nano [--deepseek build/deepseek]"""
import argparse
import json
import math
import struct
import subprocess
import tempfile


def byte_alphabet():
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars = {chr(b): b for b in plain}
    rest = [b for b in range(256) if b not in plain]
    chars.update({chr(256 + i): b for i, b in enumerate(rest)})
    return chars


def documents(path, pieces):
    """The documents of a token shard (docs/DATA.md), without BOS and EOS."""
    data = open(path, "rb").read()
    width, = struct.unpack_from("<I", data, 12)
    tokens, docs, at, index = struct.unpack_from("<4Q", data, 16)
    ends = struct.unpack_from(f"<{docs + 1}Q", data, index)
    ids = struct.unpack_from(f"<{tokens}{'H' if width == 2 else 'I'}", data, at)
    for a, b in zip(ends, ends[1:]):
        yield b"".join(pieces[i] for i in ids[a:b])


def score(deepseek, model, text, tmp):
    with open(tmp + "/text", "wb") as f:
        f.write(text)
    out = subprocess.run([deepseek, "score", "-m", model, "-f", tmp + "/text", "--json", "-q"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--run", default="runs/nano")
    ap.add_argument("--model", default="deepseek/nano")
    ap.add_argument("--deepseek", default="build/deepseek")
    args = ap.parse_args()
    tokenizer = json.load(open(args.run + "/tokenizer.json", encoding="utf-8"))
    special, alphabet = {t["id"] for t in tokenizer["added_tokens"]}, byte_alphabet()
    pieces = {i: b"" if i in special else bytes(alphabet[c] for c in t) for t, i in tokenizer["model"]["vocab"].items()}
    print("| kind | documents | bytes | loss, nats a token | bits a byte |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as tmp:
        for kind in ("verse", "novels", "prose", "reviews"):
            docs = nats = tokens = size = 0
            for text in documents(f"{args.run}/data/{kind}/validation-00000.dst", pieces):
                r = score(args.deepseek, args.model, text, tmp)
                docs, size = docs + 1, size + len(text)
                nats, tokens = nats + r["loss"] * r["predicted"], tokens + r["predicted"]
            print(f"| {kind} | {docs} | {size} | {nats / tokens:.3f} | {nats / math.log(2) / size:.3f} |", flush=True)


main()
