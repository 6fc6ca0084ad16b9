"""Precision and recall of near-duplicate pairs on dedup_doc_versions, whose labels are exact Jaccard similarities over
character 5-grams. Usage: dedup_quality.py DEEPSEEK DATA_DIR [results.csv]

The pairs file lists every same-document pair and every pair with similarity >= 0.2, so a pair at or over a threshold
that is not listed there does not exist."""
import csv, datetime, shutil, subprocess, sys, tempfile, pathlib, json

import rows as table

deepseek, data = sys.argv[1], pathlib.Path(sys.argv[2])
truth = {}
for row in csv.DictReader(open(data / "pairs.tsv"), delimiter="\t"):
    a, b = int(row["id_a"]), int(row["id_b"])
    truth[min(a, b), max(a, b)] = float(row["jaccard_char5"])
import zstandard
ids = [json.loads(l)["id"] for l in zstandard.open(data / "docs.jsonl.zst", "rt", encoding="utf-8")]
rows = []
for threshold in (0.7, 0.8):
    for label, options in (("14x8, verified", []), ("14x8, not verified", ["--verify", "none"]),
                           ("bands and rows chosen for recall .98, verified", ["--recall", "0.98"])):
        with tempfile.TemporaryDirectory() as tmp:
            pairs = pathlib.Path(tmp) / "pairs.tsv"
            subprocess.run([deepseek, "data", "dedup", str(data / "docs.jsonl.zst"), "-o", tmp + "/out", "--shingle", "char", "--no-fold",
                            "--threshold", str(threshold), "--pairs", str(pairs), *options], check=True, stdout=subprocess.DEVNULL)
            found = set()
            for line in open(pairs):
                a, b = (ids[int(x)] for x in line.split("\t")[:2])
                found.add((min(a, b), max(a, b)))
        want = {p for p, s in truth.items() if s >= threshold}
        hit = len(found & want)
        p, r = hit / len(found) if found else 0, hit / len(want)
        rows.append([threshold, label, len(want), len(found), f"{p:.4f}", f"{r:.4f}"])
        print(*rows[-1], sep="\t")
if len(sys.argv) > 3:
    table.append(sys.argv[3], ["date", "commit", "cpu", "set", "threshold", "method", "true_pairs", "found_pairs", "precision", "recall"],
                 [[datetime.date.today().isoformat(), table.commit(), table.processor(), "dedup_doc_versions", *row] for row in rows])
