"""Measures encoding beside Hugging Face `tokenizers` and `tiktoken`, with the deepseek-llm vocabulary, one thread each, and
appends rows to bench/results/tokenizer.csv.

    python3 bench/tokenizer.py --data ../shared/data --bench build/bench/tokenizer

Every peer gets the text in the form it is fastest with: `tokenizers` the faster of whole text (encode) and documents of a few
kilobytes (encode_batch_fast), `tiktoken` the same. Its Encoding holds the same merges; its one regular expression is close to,
but not the same as, the five of the vocabulary, so its token count differs a little. Runs alternate; figures are
medians, of processor time.

Needs: gguf, tokenizers, tiktoken, zstandard."""
import argparse
import datetime
import importlib.metadata
import io
import json
import os
import statistics
import subprocess
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
import tiktoken
import zstandard
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

import rows as table

LETTERS = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ"
           "-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
PATTERNS = ["[\r\n]", r"\s?[" + LETTERS + "]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", "[一-龥ࠀ-一가-퟿]+"]


def byte_alphabet():
    plain = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    chars = {chr(b): b for b in plain}
    rest = [b for b in range(256) if b not in plain]
    chars.update({chr(256 + i): b for i, b in enumerate(rest)})
    return chars


def read_vocabulary(path):
    fields = gguf.GGUFReader(path).fields
    return [fields["tokenizer.ggml." + k].contents() for k in ("tokens", "token_type", "merges")]


def hf_tokenizer(tokens, types, merges):
    vocab = {t: i for i, t in enumerate(tokens) if types[i] == 1}
    tok = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges]))
    tok.normalizer = normalizers.Sequence([])
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(p), "isolated") for p in PATTERNS]
        + [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    for i, t in enumerate(tokens):
        if types[i] == 3:
            tok.add_special_tokens([AddedToken(t, normalized=False, special=True)])
        elif types[i] == 4 and not t.startswith("[PAD"):
            tok.add_tokens([AddedToken(t, normalized=False)])
    return tok


def tiktoken_encoding(tokens, types, merges):
    alphabet = byte_alphabet()
    ranks = {bytes(alphabet[c] for c in t): i for i, t in enumerate(tokens) if types[i] == 1}
    for b in range(256):
        ranks.setdefault(bytes([b]), len(tokens) + b)
    pattern = "|".join(PATTERNS + [r"\p{N}", r"[^\r\n]"])
    return tiktoken.Encoding("deepseek-llm", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def documents(text, size=4096):
    out, part, n = [], [], 0
    for line in text.splitlines(keepends=True):
        part.append(line)
        n += len(line)
        if n >= size:
            out.append("".join(part))
            part, n = [], 0
    return out + ["".join(part)]


def seconds(work):
    start = time.process_time()
    n = work()
    return time.process_time() - start, n


def read_text(path, limit):
    if path.endswith(".zst"):
        raw = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"))
        text = "\n".join(json.loads(line)["text"] for line in io.TextIOWrapper(raw, encoding="utf-8"))
    else:
        text = open(path, encoding="utf-8", newline="").read()
    return text.encode()[:limit].decode(errors="ignore")


def ours(bench, model, file):
    out = subprocess.run([bench, model, file], check=True, capture_output=True, text=True).stdout.splitlines()
    return json.loads(out[0])["open_ms"], json.loads(out[1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--bench", default="build/bench/tokenizer")
    ap.add_argument("--csv", default="bench/results/tokenizer.csv")
    ap.add_argument("--limit", type=int, default=1200000, help="bytes of each text")
    ap.add_argument("--rounds", type=int, default=3)
    args = ap.parse_args()
    model = args.data + "/tokenizer_deepseek/ggml-vocab-deepseek-llm.gguf"
    vocabulary = read_vocabulary(model)
    hf, tk = hf_tokenizer(*vocabulary), tiktoken_encoding(*vocabulary)
    texts = {"english (en_tinyshakespeare)": "/en_tinyshakespeare/input.txt", "chinese (zh_classics)": "/zh_classics/classics_zh.jsonl.zst",
             "chinese and code (zh_javaguide)": "/zh_javaguide/javaguide_zh.jsonl.zst"}
    rows = []
    with tempfile.TemporaryDirectory() as tmp:
        hf.save(tmp + "/tokenizer.json", pretty=False)
        for name, path in texts.items():
            text = read_text(args.data + path, args.limit)
            n, docs = len(text.encode()), documents(text)
            with open(tmp + "/text", "w", encoding="utf-8", newline="") as f:
                f.write(text)
            ways = {"tokenizers": [lambda: len(hf.encode(text).ids), lambda: sum(len(e.ids) for e in hf.encode_batch_fast(docs))],
                    "tiktoken": [lambda: len(tk.encode_ordinary(text)), lambda: sum(len(tk.encode_ordinary(d)) for d in docs)]}
            speed, mine, count = {k: [[] for _ in w] for k, w in ways.items()}, [], {}
            for _ in range(args.rounds):
                open_ms, row = ours(args.bench, model, tmp + "/text")
                mine.append(row["encode_median"])
                for peer, list_of_ways in ways.items():
                    for i, way in enumerate(list_of_ways):
                        s, c = seconds(way)
                        speed[peer][i].append(n / s / 1e6)
                        count.setdefault(peer, c)
            json_ms, _ = ours(args.bench, tmp + "/tokenizer.json", tmp + "/text")
            for peer in ways:
                theirs, own = max(statistics.median(s) for s in speed[peer]), statistics.median(mine)
                rows.append([datetime.date.today().isoformat(), table.commit(), table.processor(), peer, importlib.metadata.version(peer), name, n,
                             row["tokens"], count[peer], round(own, 1), round(theirs, 2), round(own / theirs, 1), open_ms, json_ms])
                print(*rows[-1], sep=", ", flush=True)
    table.append(args.csv, ["date", "commit", "cpu", "peer", "peer_version", "text", "bytes", "tokens", "peer_tokens", "encode_MB_s",
                            "peer_encode_MB_s", "ratio", "open_gguf_ms", "open_json_ms"], rows)


main()
