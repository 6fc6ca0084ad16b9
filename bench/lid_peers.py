#!/usr/bin/env python3
"""Accuracy and speed of `deepseek data lid` beside lingua (high-accuracy mode). Appends to bench/results/lid.csv.

usage: lid_peers.py DEEPSEEK BUILD DATA [--speed-only | --accuracy-only] [--models DIR]
--models DIR: fold models DIR/cv0.bin ... made before by `data lid --train lingua.tsv more.tsv --fold K/5 -o DIR/cvK.bin`; folds
without one are left out, for both systems.
DATA has lid_lingua, lid_udhr and the zh sets of models/lid.py. Peer: pip install lingua-language-detector. lingua's models
saw none of these lines. Ours learn from them, so each fifth is judged by a model that was trained without it (five
trainings, a few minutes)."""
import collections, datetime, importlib.metadata, json, os, subprocess, sys, tempfile, time

import rows as table
from lingua import LanguageDetectorBuilder

deepseek, build, data = sys.argv[1:4]
models = sys.argv[sys.argv.index("--models") + 1] if "--models" in sys.argv else None
folds = [k for k in range(5) if not models or os.path.exists(f"{models}/cv{k}.bin")]
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
tmp = tempfile.mkdtemp()
subprocess.run([sys.executable, f"{root}/models/lid.py", data, tmp], check=True)
lines = [l.rstrip("\n").split("\t", 2) for l in open(f"{tmp}/lingua.tsv", encoding="utf-8")]


def ours():
    seen, right = collections.Counter(), collections.Counter()
    langs = collections.Counter(), collections.Counter()
    for k in folds:
        model, fold = f"{models or tmp}/cv{k}.bin", f"{k}/5"
        if not models:
            subprocess.run([deepseek, "data", "lid", "--train", f"{tmp}/lingua.tsv", f"{tmp}/more.tsv", "--fold", fold, "-o", model], check=True)
        out = subprocess.run([deepseek, "data", "lid", "--score", "--json", "-m", model, f"{tmp}/lingua.tsv", "--fold", fold], check=True,
                             stdout=subprocess.PIPE).stdout
        for d in map(json.loads, out.decode().splitlines()):
            if "kind" in d:
                seen[d["kind"]] += d["texts"]
                right[d["kind"]] += d["texts"] * d["accuracy"]
            elif "language" in d and d["texts"]:
                langs[0][d["language"]] += d["texts"]
                langs[1][d["language"]] += d["texts"] * d["accuracy"]
    return {k: right[k] / seen[k] for k in seen}, sum(langs[1][l] / langs[0][l] for l in langs[0]) / len(langs[0])


def theirs(detector):
    seen, right = collections.Counter(), collections.Counter()
    lseen, lright = collections.Counter(), collections.Counter()
    for i, (lang, kind, text) in enumerate(lines):
        if i % 5 not in folds:
            continue
        r = detector.detect_language_of(text)
        ok = r is not None and r.iso_code_639_1.name.lower() == lang
        seen[kind] += 1
        right[kind] += ok
        lseen[lang] += 1
        lright[lang] += ok
    return {k: right[k] / seen[k] for k in seen}, sum(lright[l] / lseen[l] for l in lseen) / len(lseen)


def speed(detector):
    part = [t for _, k, t in lines if k == "sentences"][::20]
    with open(f"{tmp}/speed", "w", encoding="utf-8") as f:
        f.write("\n".join(part) + "\n")
    size = os.path.getsize(f"{tmp}/speed") / 1e6
    start = time.perf_counter()
    for t in part:
        detector.detect_language_of(t)
    took = time.perf_counter() - start
    out = subprocess.run([f"{build}/bench/lid", f"{tmp}/speed"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(out.split(" MB/s")[0].split()[-1]), size / took


detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()
rows = []
if "--accuracy-only" not in sys.argv:
    fast, slow = speed(detector)
    rows.append(("MB/s on sentences, one thread", fast, slow))
if "--speed-only" not in sys.argv:
    mine, peer = ours(), theirs(detector)
    rows += [(f"accuracy {k}, folds {folds}", mine[0][k], peer[0][k]) for k in sorted(peer[0])]
    rows.append((f"mean over 75 languages, all kinds, folds {folds}", mine[1], peer[1]))
version = importlib.metadata.version("lingua-language-detector")
table.append(f"{root}/bench/results/lid.csv", ["date", "commit", "cpu", "measure", "deepseek", "lingua", "ratio", "lingua_version", "command"],
             [[datetime.date.today(), table.commit(), table.processor(), what, f"{a:.4f}", f"{b:.4f}", f"{a / b:.3f}", version, "bench/lid.sh"]
              for what, a, b in rows])
for what, a, b in rows:
    print(f"{what:52} deepseek {a:.4f}  lingua {b:.4f}  ratio {a / b:.3f}")
