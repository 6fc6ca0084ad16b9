"""Near-duplicate removal beside datatrove and text-dedup: the same corpus and machine, one process and one thread each.
Usage: dedup_speed.py DEEPSEEK CORPUS.jsonl [--peer-documents N] [--out results.csv]    (dedup_corpus.py makes the corpus)

All use word 5-grams, 14 bands of 8 rows, and write the documents that stay. Peers that take minutes get the first N documents, and so
does ours once; ours also takes the whole corpus. Ratios are of processor seconds on the same documents, which other programs on the
machine disturb least. What differs: ours verifies candidates by their true similarity unless told not to; ours and datatrove part
Chinese into characters or words, text-dedup only at what is no letter, so that it has far fewer 5-grams of Chinese to hash.
Needs datatrove and text-dedup (pip); one that is missing is left out."""
import argparse, datetime, importlib.metadata, json, os, pathlib, resource, shutil, subprocess, sys, tempfile, time

import rows as table

args = argparse.ArgumentParser()
args.add_argument("deepseek")
args.add_argument("corpus", type=pathlib.Path)
args.add_argument("--peer-documents", type=int, default=20000)
args.add_argument("--out")
args = args.parse_args()
tmp = pathlib.Path(tempfile.mkdtemp())


def measured(command):
    """Seconds and processor seconds of a program."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, HF_HOME=str(tmp / "hf")))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.time() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(corpus, verify):
    out = tmp / "ours"
    used = measured([args.deepseek, "data", "dedup", str(corpus), "-o", str(out), "-t", "1", "--verify", verify, "--format", "jsonl"])
    left = json.load(open(out / "report.json"))["out"]["documents"]
    shutil.rmtree(out)
    return *used, left


datatrove_program = """
import os, pathlib, sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig
corpus, base = sys.argv[1:]
folder = pathlib.Path(base) / "in"
folder.mkdir(parents=True)
os.symlink(corpus, folder / "corpus.jsonl")
config = MinhashConfig(hash_config=HashConfig(hash_fc="xxhash", precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)
for i, (steps, tasks) in enumerate((
        ([JsonlReader(str(folder)), MinhashDedupSignature(output_folder=base + "/sig", config=config)], 1),
        ([MinhashDedupBuckets(input_folder=base + "/sig", output_folder=base + "/buckets", config=config)], config.num_buckets),
        ([MinhashDedupCluster(input_folder=base + "/buckets", output_folder=base + "/remove", config=config)], 1),
        ([JsonlReader(str(folder)), MinhashDedupFilter(input_folder=base + "/remove"), JsonlWriter(base + "/out", compression=None)], 1))):
    LocalPipelineExecutor(pipeline=steps, tasks=tasks, workers=1, logging_dir=f"{base}/logs{i}").run()
"""


def datatrove(corpus):
    used = measured([sys.executable, "-c", datatrove_program, str(corpus.resolve()), str(tmp / "dt")])
    return *used, sum(1 for p in (tmp / "dt/out").glob("*") for _ in open(p, "rb"))


def text_dedup(corpus):
    used = measured([sys.executable, "-m", "text_dedup.minhash", "--path", "json", "--data_files", str(corpus.resolve()), "--split", "train",
                     "--column", "text", "--ngram", "5", "--num_perm", "112", "--b", "14", "--r", "8", "--num_proc", "1",
                     "--cache_dir", str(tmp / "cache"), "--output", str(tmp / "td")])
    from datasets import load_from_disk
    return *used, len(load_from_disk(str(tmp / "td")))


part = tmp / "part.jsonl"
with open(args.corpus, "rb") as f, open(part, "wb") as o:
    whole = 0
    for whole, line in enumerate(f, 1):
        if whole <= args.peer_documents:
            o.write(line)
commit, cpu = table.commit(), table.processor()
rows, best = [], None
for name, package, run, corpus in (
        ("ours, verified", None, lambda c: ours(c, "jaccard"), part), ("ours, not verified", None, lambda c: ours(c, "none"), part),
        ("datatrove", "datatrove", datatrove, part), ("text-dedup", "text-dedup", text_dedup, part),
        ("ours, verified", None, lambda c: ours(c, "jaccard"), args.corpus)):
    try:
        version = importlib.metadata.version(package) if package else commit
    except importlib.metadata.PackageNotFoundError:
        print(name, "is not installed")
        continue
    seconds, used, left = run(corpus)
    size, documents = corpus.stat().st_size / 1e6, min(whole, args.peer_documents) if corpus == part else whole
    best = best or used
    rows.append([datetime.date.today().isoformat(), commit, cpu, documents, f"{size:.1f}", name, version, f"{seconds:.2f}", f"{used:.2f}",
                 f"{size / used:.2f}", left, f"{used / best:.1f}" if corpus == part else ""])
    print(*rows[-1][3:], sep="\t", flush=True)
shutil.rmtree(tmp)
if args.out:
    table.append(args.out, ["date", "commit", "cpu", "documents", "corpus_mb", "method", "version", "seconds", "cpu_seconds", "mb_per_cpu_s",
                            "documents_left", "cpu_seconds_to_ours_verified"], rows)
