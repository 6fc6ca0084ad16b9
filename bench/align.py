"""Strict and lax F1 of sentence alignment beside Gale-Church (NLTK) and hunalign, and the time of a long document.
Usage: align.py DEEPSEEK DATA_DIR [--hunalign PROGRAM] [--out results.csv]

DATA_DIR holds align_textberg_de_fr, align_bible_zh_en, align_pud_en_zh, align_tldr_en_zh. Scores as in Vecalign's score.py:
a bead is right strictly when it is a gold bead; 0-1 beads count in precision only; test articles are counted together.
The Bible is scored by its own rule: consecutive output beads that share a verse are merged first.
Needs nltk and zstandard. hunalign runs without a dictionary, with -utf -realign, on words parted by spaces (Chinese characters
and punctuation by themselves); it gets no more than it makes for itself."""
import argparse, datetime, json, os, pathlib, re, resource, subprocess, sys, tempfile, time

import rows as table
from collections import OrderedDict, defaultdict

args = argparse.ArgumentParser()
args.add_argument("deepseek")
args.add_argument("data", type=pathlib.Path)
args.add_argument("--hunalign")
args.add_argument("--out")
args = args.parse_args()
tmp = pathlib.Path(tempfile.mkdtemp())


# ---- scoring ----

def precision(gold, test):
    gold, test = ({b for b in x if b[0] or b[1]} for x in (gold, test))
    targets = defaultdict(set)
    for s, t in gold:
        for x in s:
            targets[x].update(t)
    strict = len(test & gold)
    lax = strict + sum(1 for s, t in test - gold if set(t) & set().union(*(targets[x] for x in s)))
    return strict, lax, len(test)


def f1(pairs):
    """(strict, lax) of [(gold, test), ...]."""
    p, r = [0, 0, 0], [0, 0, 0]
    for gold, test in pairs:
        p = [a + b for a, b in zip(p, precision(gold, test))]
        matched = [[b for b in x if b[0] and b[1]] for x in (gold, test)]
        r = [a + b for a, b in zip(r, precision(matched[1], matched[0]))]
    return tuple(2 * p[k] / p[2] * r[k] / r[2] / max(p[k] / p[2] + r[k] / r[2], 1e-9) for k in (0, 1))


def read_beads(path):
    out = []
    for line in open(path):
        if line.strip():
            a = line.split(":")
            out.append(tuple(tuple(int(x) for x in re.findall(r"\d+", s)) for s in a[:2]))
    return out


def merge_verses(beads, src_verse, tgt_verse):
    out, last = [], set()
    for s, t in beads:
        verses = {src_verse[x] for x in s} | {tgt_verse[x] for x in t}
        if out and last & verses:
            out[-1] = (out[-1][0] + s, out[-1][1] + t)
            last |= verses
        else:
            out.append((s, t))
            last = verses
    return out


# ---- aligners: lists of (source lines, target lines) to lists of beads ----

def write(name, lines):
    path = tmp / name
    path.write_text("".join(x + "\n" for x in lines), encoding="utf-8")
    return str(path)


def deepseek(docs, together=True):
    out = []
    for k, (src, tgt) in enumerate(docs):
        write(f"s{k}", src), write(f"t{k}", tgt)
    if together and len(docs) > 1:
        write("list", [f"{tmp}/s{k}\t{tmp}/t{k}" for k in range(len(docs))])
        subprocess.run([args.deepseek, "data", "align", "--pairs", f"{tmp}/list", "--format", "beads", "-o", f"{tmp}/o", "--force"],
                       check=True, stderr=subprocess.DEVNULL)
        beads = read_beads(f"{tmp}/o")
        for src, tgt in docs:
            i = j = k = 0
            while i < len(src) or j < len(tgt):
                i, j, k = i + len(beads[k][0]), j + len(beads[k][1]), k + 1
            out.append(beads[:k])
            beads = beads[k:]
        return out
    for k in range(len(docs)):
        subprocess.run([args.deepseek, "data", "align", f"{tmp}/s{k}", f"{tmp}/t{k}", "--format", "beads", "-o", f"{tmp}/o", "--force"],
                       check=True, stderr=subprocess.DEVNULL)
        out.append(read_beads(f"{tmp}/o"))
    return out


def gale_church(docs):
    from nltk.translate.gale_church import align_blocks, LanguageIndependent
    out = []
    for src, tgt in docs:
        length = [[len(x) for x in src], [len(x) for x in tgt]]

        class Parameters(LanguageIndependent):
            AVERAGE_CHARACTERS = sum(length[1]) / max(sum(length[0]), 1)
        i = j = 0
        beads = []
        links = align_blocks(length[0], length[1], Parameters)
        bysrc, bytgt = defaultdict(set), defaultdict(set)
        for s, t in links:
            bysrc[s].add(t), bytgt[t].add(s)
        while i < len(src) or j < len(tgt):  # links to beads: connected runs; what has no link stands alone
            if i < len(src) and not bysrc[i]:
                beads.append(((i,), ())); i += 1
            elif j < len(tgt) and not bytgt[j]:
                beads.append(((), (j,))); j += 1
            else:
                s, t = {i}, set(bysrc[i])
                s |= {x for y in t for x in bytgt[y]}
                t |= {y for x in s for y in bysrc[x]}
                beads.append((tuple(sorted(s)), tuple(sorted(t))))
                i, j = max(s) + 1, max(t) + 1
        out.append(beads)
    return out


def hunalign(docs):
    part = lambda s: re.sub(r"([\u3000-\u9fff\uff00-\uffef])", r" \1 ", s) or " "
    out = []
    for src, tgt in docs:
        write("hs", map(part, src)), write("ht", map(part, tgt)), write("null.dic", [])
        ladder = subprocess.run([args.hunalign, "-utf", "-realign", f"{tmp}/null.dic", f"{tmp}/hs", f"{tmp}/ht"], capture_output=True,
                                text=True, check=True, cwd=tmp).stdout
        rungs = [tuple(int(x) for x in line.split("\t")[:2]) for line in ladder.splitlines()]
        out.append([(tuple(range(a, c)), tuple(range(b, d))) for (a, b), (c, d) in zip(rungs, rungs[1:])])
    return out


# ---- data ----

def lines(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def zst(path):
    import zstandard
    return zstandard.open(path, "rt", encoding="utf-8").read().split("\n")[:-1]


textberg = args.data / "align_textberg_de_fr"
names = sorted(p.stem for p in textberg.glob("test*.de")) + ["dev"]
tb_docs = [(lines(textberg / f"{n}.de"), lines(textberg / f"{n}.fr")) for n in names]
tb_gold = [read_beads(textberg / f"{n}.defr") for n in names]
n_test = len(names) - 1
bible = args.data / "align_bible_zh_en"
verses = {l: [x.split("\t", 1) for x in zst(bible / f"{l}.tsv.zst")] for l in ("en", "zh")}
whole = ([x[1] for x in verses["en"]], [x[1] for x in verses["zh"]])
item = (lines(bible / "bertalign_001.en"), lines(bible / "bertalign_001.zh"))
verse_of = [[x[0] for x in verses[l]] for l in ("en", "zh")]
pud = [x.split("\t") for x in lines(args.data / "align_pud_en_zh/pud_en_zh_1.tsv")]
if pud[0][0] == "sent_id":
    pud = pud[1:]
tldr = [json.loads(x) for x in zst(args.data / "align_tldr_en_zh/tldr_en_zh.jsonl.zst")]
tldr = [d for d in tldr if d["bullets_equal"]]


def whole_gold():
    g = [OrderedDict(), OrderedDict()]
    for side in (0, 1):
        for k, v in enumerate(verse_of[side]):
            g[side].setdefault(v, []).append(k)
    return [(tuple(g[0].get(v, ())), tuple(g[1].get(v, ()))) for v in list(g[0]) + [v for v in g[1] if v not in g[0]]]


def tldr_recall(docs, results):
    """Share of description lines (k-th with k-th) that stand in a 1-1 bead."""
    good = total = 0
    for (src, tgt), beads in zip(docs, results):
        found = {(b[0][0], b[1][0]) for b in beads if len(b[0]) == len(b[1]) == 1}
        pairs = list(zip([k for k, x in enumerate(src) if x.startswith("- ")], [k for k, x in enumerate(tgt) if x.startswith("- ")]))
        good += sum(p in found for p in pairs)
        total += len(pairs)
    return good / total


# ---- the table ----

commit, cpu = table.commit(), table.processor()
rows = []


def row(task, system, version, measure, value, lax=""):
    rows.append([datetime.date.today(), commit, cpu, task, system, version, measure, value, lax])
    print(*rows[-1][3:], sep="\t", flush=True)


import nltk
systems = [("deepseek", commit, deepseek), ("Gale-Church (nltk)", nltk.__version__, gale_church)]
if args.hunalign:
    systems.append(("hunalign -utf -realign", "1.2", hunalign))
fmt = "{:.3f}".format
result = deepseek([d for d in tb_docs])
row("textberg de-fr test", "deepseek, one run with dev", commit, "strict F1 | lax", *map(fmt, f1(list(zip(tb_gold, result))[:n_test])))
for name, version, run in systems:
    alone = {"together": False} if run is deepseek else {}
    result = run(tb_docs, **alone)
    label = name + ", one article at a time" if run is deepseek else name
    row("textberg de-fr test", label, version, "strict F1 | lax", *map(fmt, f1(list(zip(tb_gold, result))[:n_test])))
    row("textberg de-fr dev", label, version, "strict F1 | lax", *map(fmt, f1(list(zip(tb_gold, result))[n_test:])))
    if run is not gale_church:  # NLTK's keeps every cell in a dict: gigabytes for this item
        beads = run([item])[0]
        gold = read_beads(bible / "bertalign_001.gold.align")
        row("bible zh-en 001", name, version, "strict F1 | lax", *map(fmt, f1([(gold, merge_verses(beads, *verse_of))])))
    beads = run([([x[1] for x in pud], [x[2] for x in pud])])[0]
    row("PUD en-zh (news, traditional)", name, version, "strict F1 | lax", *map(fmt, f1([([((k,), (k,)) for k in range(len(pud))], beads)])))
docs = [(d["en"].split("\n"), d["zh"].split("\n")) for d in tldr]
docs = [([x for x in s if x], [x for x in t if x]) for s, t in docs]
row("tldr en-zh", "deepseek", commit, "share of description lines aligned 1-1", fmt(tldr_recall(docs, deepseek(docs))))
row("tldr en-zh", "Gale-Church (nltk)", nltk.__version__, "share of description lines aligned 1-1", fmt(tldr_recall(docs, gale_church(docs))))
write("s0", whole[0]), write("t0", whole[1])
cpu_before = resource.getrusage(resource.RUSAGE_CHILDREN)
start = time.time()
subprocess.run([args.deepseek, "data", "align", f"{tmp}/s0", f"{tmp}/t0", "--format", "beads", "-o", f"{tmp}/o", "--force"], check=True)
seconds, usage = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
cpu_seconds, memory = usage.ru_utime + usage.ru_stime - cpu_before.ru_utime - cpu_before.ru_stime, usage.ru_maxrss / 1024
task = f"bible zh-en, {len(whole[0])} and {len(whole[1])} sentences"
row(task, "deepseek", commit, "strict F1 | lax", *map(fmt, f1([(whole_gold(), merge_verses(read_beads(f"{tmp}/o"), *verse_of))])))
row(task, "deepseek", commit, "seconds | processor seconds", f"{seconds:.1f}", f"{cpu_seconds:.1f}")
row(task, "deepseek", commit, "peak MiB of any child", f"{memory:.0f}")
row(task, "deepseek", commit, "other processes wanting a core (load average) on how many cores", f"{os.getloadavg()[0]:.1f}", os.cpu_count())
if args.hunalign:
    part = lambda s: re.sub(r"([\u3000-\u9fff\uff00-\uffef])", r" \1 ", s) or " "
    write("hs", map(part, whole[0])), write("ht", map(part, whole[1])), write("null.dic", [])
    start = time.time()
    try:
        ran = subprocess.run([args.hunalign, "-utf", "-realign", f"{tmp}/null.dic", f"{tmp}/hs", f"{tmp}/ht"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, timeout=600, cwd=tmp).returncode
        row(task, "hunalign -utf -realign", "1.2", "seconds", f"{time.time() - start:.1f}" if ran == 0 else f"failed with status {ran}")
    except subprocess.TimeoutExpired:
        row(task, "hunalign -utf -realign", "1.2", "seconds", "over 600")
if args.out:
    table.append(args.out, ["date", "commit", "cpu", "task", "system", "version", "measure", "value", "second"], rows)
