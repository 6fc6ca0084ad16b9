#!/usr/bin/env python3
"""F and speed of `deepseek data segment` beside jieba and pkuseg, one scorer for all. Appends to bench/results/segment.csv.

usage: segment_peers.py DEEPSEEK BUILD DATA [PKUSEG_MODEL]
DATA has zh_seg_ud_gsd, zh_seg_sighan2005_RESTRICTED, align_pud_en_zh. PKUSEG_MODEL is the folder pkuseg/models/default of
pkuseg's source package (pip download --no-binary :all: pkuseg); without it pkuseg is left out. Peers: pip install jieba
spacy-pkuseg. A word is right when both its ends are where the gold has them (bakeoff 2005). The PKU test is used to
measure only; the word list of its training text (rows "+ PKU word list") is given to a model at run time."""
import datetime, importlib.metadata, os, subprocess, sys, tempfile, time

import rows as table

deepseek, build, data = sys.argv[1:4]
pkuseg_model = sys.argv[4] if len(sys.argv) > 4 else None
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def unzstd(path):
    return subprocess.run(["zstd", "-dqc", path], check=True, stdout=subprocess.PIPE).stdout.decode("utf-8-sig")


def spans(words):
    at, out = 0, set()
    for w in words:
        out.add((at, at + len(w)))
        at += len(w)
    return out


def score(gold, got):
    g = sum(len(x) for x in gold)
    p = sum(len(x) for x in got)
    right = sum(len(spans(a) & spans(b)) for a, b in zip(gold, got))
    return right / p, right / g, 2 * right / (p + g)


sighan = f"{data}/zh_seg_sighan2005_RESTRICTED"
sets = {
    "UD GSD dev": [l.split() for l in open(f"{data}/zh_seg_ud_gsd/gsdsimp_dev.seg.txt", encoding="utf-8")],
    "SIGHAN PKU test": [l.split() for l in unzstd(f"{sighan}/pku_test_gold.utf8.zst").splitlines() if l.strip()],
    "UD PUD (traditional)": [l.rstrip("\n").split("\t")[3].split() for l in open(f"{data}/align_pud_en_zh/pud_en_zh_1.tsv", encoding="utf-8")
                             if l.count("\t") == 3 and not l.startswith("sent_id")],
}
tmp = tempfile.mkdtemp()
with open(f"{tmp}/pku_words", "w", encoding="utf-8") as f:
    f.write(unzstd(f"{sighan}/pku_training_words.utf8.zst"))


def ours(*options):
    def run(lines):
        with open(f"{tmp}/in", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        out = subprocess.run([deepseek, "data", "segment", f"{tmp}/in", *options], check=True, stdout=subprocess.PIPE).stdout
        return [l.split(" ") for l in out.decode("utf-8").splitlines()], None
    return run


def timed(cut):
    def run(lines):
        start = time.perf_counter()
        out = [[w for w in cut(l) if w.strip()] for l in lines]
        return out, time.perf_counter() - start
    return run


import jieba
jieba.setLogLevel(60)
jieba.lcut("初始化")
systems = [("deepseek gsd", "", ours()), ("deepseek lexicon", "", ours("-m", "lexicon")),
           ("deepseek lexicon + PKU word list", "", ours("-m", "lexicon", "--lexicon", f"{tmp}/pku_words")),
           ("jieba", jieba.__version__, timed(jieba.lcut)),
           ("jieba without HMM", jieba.__version__, timed(lambda s: jieba.lcut(s, HMM=False)))]
if pkuseg_model:
    import spacy_pkuseg
    systems.append(("pkuseg default", "model 0.0.25, code spacy-pkuseg " + importlib.metadata.version("spacy-pkuseg"),
                    timed(spacy_pkuseg.pkuseg(pkuseg_model, user_dict="default").cut)))

path = f"{root}/bench/results/segment.csv"
columns = ["date", "commit", "cpu", "set", "system", "version", "precision", "recall", "f1", "MB_per_s_one_thread", "command"]
for name, gold in sets.items():
    raw = ["".join(words) for words in gold]
    size = sum(len(l.encode()) + 1 for l in raw) / 1e6
    for system, version, run in systems:
        got, took = run(raw)
        if took is None:
            with open(f"{tmp}/speed", "w", encoding="utf-8") as t:
                t.write(("\n".join(raw) + "\n") * max(1, int(4 / size)))
            model = "lexicon" if "lexicon" in system else "gsd"
            rate = float(subprocess.run([f"{build}/bench/segment", f"{tmp}/speed", model], check=True, stdout=subprocess.PIPE,
                                        text=True).stdout.split(" MB/s")[0].split()[-1])
        else:
            rate = size / took
        p, r, f1 = score(gold, got)
        row = [datetime.date.today(), table.commit(), table.processor(), name, system, version, f"{p:.4f}", f"{r:.4f}", f"{f1:.4f}", f"{rate:.2f}", "bench/segment.sh"]
        table.append(path, columns, [row])
        print(f"{name:22} {system:34} P {p:.4f} R {r:.4f} F {f1:.4f}  {rate:7.2f} MB/s", flush=True)
