"""Megabytes of text a processor second of the whole pipeline, over the open text (recipes/data/open-text.yaml).
Usage: data_speed.py DEEPSEEK [--corpus CORPUS.jsonl] [--out results.csv], from the root of the repository with ../shared/data beside it.
Processor seconds, so that other programs disturb little; peak memory as the system reports it (with mapped files). With a corpus
(dedup_corpus.py makes one) the whole pipeline also runs over a thirtieth, a tenth and all of it, to see whether memory grows."""
import argparse, datetime, json, os, subprocess, tempfile

import rows as table

args = argparse.ArgumentParser()
args.add_argument("deepseek")
args.add_argument("--corpus")
args.add_argument("--out")
args = args.parse_args()
recipe = open("recipes/data/open-text.yaml").read()
no_pack = recipe[:recipe.index("pack:")]
words = "segment: true\n"
language = lambda y: y.replace("stages:\n", "stages:\n  - language: { annotate: true }\n")
shards_only = lambda y: y.replace("  dir: open-text\n", "  dir: open-text\n  documents: none\n")
whole = words + language(recipe)
runs = [("clean, filter, dedup", no_pack, 1), ("clean, filter, dedup, tokenize, pack", recipe, 1),
        ("identify languages, clean, filter, dedup", language(no_pack), 1),
        ("identify, segment, clean, filter, dedup, tokenize, pack", whole, 1),
        ("the same without writing the documents beside the shards", shards_only(whole), 1),
        ("the same, two threads", shards_only(whole), 2)]
tmp = tempfile.mkdtemp()
if args.corpus:
    for part in (30, 10, 1):
        path = f"{tmp}/{part}.jsonl"
        with open(args.corpus, "rb") as f, open(path, "wb") as out:
            for line in f:
                if out.tell() * part > os.path.getsize(args.corpus):
                    break
                out.write(line)
        runs.append(("the same over a perturbed corpus, two threads", shards_only(whole[:whole.index("input:")] + f"input: [{path}]\nmemory: 32MiB\n"
                                                                         + whole[whole.index("stages:"):]), 2))
rows = []
for name, yaml, threads in runs:
    open(tmp + "/p.yaml", "w").write(yaml.replace("dir: open-text", f"dir: {tmp}/out"))
    silent = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_WRONLY, 0) for fd in (1, 2)]
    pid = os.posix_spawn(args.deepseek, [args.deepseek, "data", "run", tmp + "/p.yaml", "-t", str(threads), "--force"], os.environ, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, name
    mb = json.load(open(tmp + "/out/report.json"))["in"]["bytes"] / 1e6
    cpu = usage.ru_utime + usage.ru_stime
    rows.append([name, threads, f"{mb:.1f}", f"{cpu:.2f}", f"{mb / cpu:.1f}", usage.ru_maxrss // 1024])
    print(*rows[-1], sep="\t", flush=True)
subprocess.run(["rm", "-rf", tmp])
if args.out:
    table.append(args.out, ["date", "commit", "cpu", "stages", "threads", "mb_of_text", "cpu_seconds", "mb_per_cpu_s", "peak_mib"],
                 [[datetime.date.today().isoformat(), table.commit(), table.processor(), *r] for r in rows])
