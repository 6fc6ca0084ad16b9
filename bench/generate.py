#!/usr/bin/env python3
"""Speed of reading prompts and writing tokens beside llama-bench (of llama.cpp or ik_llama.cpp), interleaved run by run.

    bench/generate.py --peer PATH/llama-bench --peer-version NAME@COMMIT --prompt 512 --gen 32 MODEL.gguf ... >>bench/results/generate.csv

Both read the same files with the same number of threads (--peer-model gives the peer another one, such as a format that only it has).
Each round runs ours, then the peer once for each --peer-flags, --repeat runs each; the medians of all runs go into one CSV row a model,
test and set of flags, with the median of the read bandwidths measured before, between and after them. --batch B writes B sequences at a
time, and one, and gives their ratio instead of the peer's.

Where neighbours make memory fast and slow by turns, --read 48,66 leaves out the rounds in which a bandwidth that was measured before,
between or after the runs was not from 48 to 66 GB/s. --quantile .5,.9 also compares the fast runs of both programs, and the fast ones of
the reads between them. Every run goes to standard error."""
import argparse, datetime, json, os, subprocess, sys

import rows

FIELDS = "date,commit,cpu,threads,model,test,depth,deepseek,peer,ratio,peer_version,peer_flags,read_GBps,of_read,of_int8,quantile".split(",")


class Runs:
    """Tokens a second of every run, and what was measured around them."""

    def __init__(self):
        self.rates, self.reads, self.int8, self.cpu, self.bytes, self.ops = [], [], [], "", None, 0

    def add(self, other):
        self.rates, self.reads, self.int8 = self.rates + other.rates, self.reads + other.reads, self.int8 + other.int8
        self.cpu, self.bytes, self.ops = other.cpu, other.bytes, other.ops


def ours(a, model, test, n, runs, batch=1):
    command = [a.deepseek, "bench", "-m", model, "--json", "-q", "-t", str(a.threads), "--repeat", str(a.repeat), "--depth", str(a.depth),
               "--prompt", str(n if test == "prompt" else 0), "--gen", str(n if test == "gen" else 0), "--batch", str(batch)]
    command += ["--kv-dtype", a.kv_dtype] if a.kv_dtype else []
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    t = out["tests"][0]
    runs.cpu = out["processor"]
    runs.rates += t["runs"]
    runs.reads += [b["read_bytes_per_second"] for b in out["bounds"]]
    runs.int8 += [b["int8_ops_per_second"] for b in out["bounds"]]
    runs.bytes = t["bytes_per_second"] / t["tokens_per_second"] if "of_read" in t else None
    runs.ops = t["ops_per_second"] / t["tokens_per_second"]
    return t["runs"]


def read_now(a):
    out = subprocess.run([a.deepseek, "doctor", "--json", "-t", str(a.threads)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["measured"]["read_bytes_per_second"]


def peer(a, model, test, n, flags):
    command = [a.peer, "-m", a.peer_model or model, "-t", str(a.threads), "-r", str(a.repeat), "-o", "json",
               "-p", str(n if test == "prompt" else 0), "-n", str(n if test == "gen" else 0)] + flags.split()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(text[text.index("["):])[0]["samples_ts"]


def print_row(a, model, test, runs, others, version, flags, q):
    rate, other, read = (sorted(values)[round(q * (len(values) - 1))] for values in (runs.rates, others, runs.reads))
    of_read = f"{rate * runs.bytes / read:.3f}" if runs.bytes else ""
    values = [datetime.date.today().isoformat(), rows.commit(), runs.cpu, a.threads, os.path.basename(model), test, a.depth,
              f"{rate:.2f}", f"{other:.2f}", f"{rate / other:.2f}", version, flags, f"{read / 1e9:.1f}", of_read,
              f"{rate * runs.ops / max(runs.int8):.3f}", q]
    print(",".join(str(v) for v in values), flush=True)


def beside_peer(a, model, test, n):
    runs, theirs = Runs(), {flags: [] for flags in a.peer_flags or [""]}
    for _ in range(a.rounds):
        mine, others = Runs(), {}
        print(f"{test} {n}:", *(f"{r:.2f}" for r in ours(a, model, test, n, mine)), file=sys.stderr)
        for flags in theirs:
            others[flags] = peer(a, model, test, n, flags) if a.peer else [float("nan")]
            mine.reads.append(read_now(a))
            print(f"    {flags}:", *(f"{r:.2f}" for r in others[flags]), file=sys.stderr)
        print("    read", *(f"{r / 1e9:.1f}" for r in mine.reads), "GB/s", file=sys.stderr)
        if a.read and not a.read[0] <= min(mine.reads) / 1e9 <= max(mine.reads) / 1e9 <= a.read[1]:
            continue
        runs.add(mine)
        for flags in theirs:
            theirs[flags] += others[flags]
    if not runs.rates:
        print(f"{model}: no round of {a.rounds} had memory at {a.read[0]} to {a.read[1]} GB/s throughout", file=sys.stderr)
        return
    for flags in theirs:
        named = [f"with {os.path.basename(a.peer_model)}"] if a.peer_model else []
        for q in a.quantile:
            print_row(a, model, f"{test} {n}", runs, theirs[flags], a.peer_version, " ".join(filter(None, [flags] + named)), q)


def beside_one(a, model, n):
    many, one = Runs(), Runs()
    for _ in range(a.rounds):
        ours(a, model, "gen", n, many, a.batch)
        ours(a, model, "gen", n, one)
    for q in a.quantile:
        print_row(a, model, f"gen {n} x {a.batch}", many, one.rates, "deepseek", "one sequence", q)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+")
    p.add_argument("--deepseek", default="build/deepseek")
    p.add_argument("--peer", help="path of llama-bench; without it only our own figures")
    p.add_argument("--peer-version", default="")
    p.add_argument("--peer-flags", action="append", help="such as '-rtr 1'; several times: each is measured")
    p.add_argument("--peer-model", help="the file that the peer reads instead")
    p.add_argument("--batch", type=int, help="compare so many sequences at a time with one, instead of with the peer")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--prompt", type=int, default=512)
    p.add_argument("--gen", type=int, default=32)
    p.add_argument("--depth", type=int, default=0)
    p.add_argument("--kv-dtype")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--quantile", type=lambda s: [float(v) for v in s.split(",")], default=[.5],
                   help="of all runs' speeds, a row each: .9 is a speed that a tenth of the runs exceed")
    p.add_argument("--read", type=lambda s: [float(v) for v in s.split(",")], help="least and most bandwidth of a round that counts, GB/s")
    p.add_argument("--repeat", type=int, default=1, help="runs within a round")
    p.add_argument("--header", action="store_true", help="print the CSV header first")
    a = p.parse_args()
    if a.header:
        print(",".join(FIELDS))
    for model in a.models:
        if a.batch:
            beside_one(a, model, a.gen)
            continue
        for test, n in (("prompt", a.prompt), ("gen", a.gen)):
            if n:
                beside_peer(a, model, test, n)


if __name__ == "__main__":
    sys.exit(main())
