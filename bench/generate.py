#!/usr/bin/env python3
"""Speed of reading prompts and writing tokens beside llama-bench (of llama.cpp or ik_llama.cpp), interleaved run by run.

    bench/generate.py --peer PATH/llama-bench --peer-version NAME@COMMIT --prompt 512 --gen 32 MODEL.gguf ... >>bench/results/generate.csv

Both read the same files with the same number of threads (--peer-model gives the peer another one, such as a format that only it has).
Each round runs ours, then the peer once for each --peer-flags; the medians go into one CSV row a model, test and set of flags, with
the read bandwidth that `deepseek bench` measured before and after the run that is our median. --batch B writes B sequences at a
time, and one, and gives their ratio instead of the peer's. Where neighbours make memory fast and slow by turns, --read 65,90 leaves out
the rounds in which a bandwidth that was measured before, between or after the runs was not from 65 to 90 GB/s; what was measured goes
to standard error."""
import argparse, datetime, json, os, statistics, subprocess, sys

import rows

FIELDS = "date,commit,cpu,threads,model,test,depth,deepseek,peer,ratio,peer_version,peer_flags,read_GBps,of_read,of_int8".split(",")


def ours(a, model, test, n, batch=1):
    command = [a.deepseek, "bench", "-m", model, "--json", "-q", "-t", str(a.threads), "--repeat", str(a.repeat), "--depth", str(a.depth),
               "--prompt", str(n if test == "prompt" else 0), "--gen", str(n if test == "gen" else 0), "--batch", str(batch)]
    command += ["--kv-dtype", a.kv_dtype] if a.kv_dtype else []
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    t = out["tests"][0]
    reads = [b["read_bytes_per_second"] for b in out["bounds"]]
    return dict(rate=t["tokens_per_second"], cpu=out["processor"], of_read=t.get("of_read"), of_peak=t["of_peak"], read=max(reads), reads=reads)


def read_now(a):
    out = subprocess.run([a.deepseek, "doctor", "--json", "-t", str(a.threads)], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["measured"]["read_bytes_per_second"]


def peer(a, model, test, n, flags):
    command = [a.peer, "-m", a.peer_model or model, "-t", str(a.threads), "-r", str(a.repeat), "-o", "json",
               "-p", str(n if test == "prompt" else 0), "-n", str(n if test == "gen" else 0)] + flags.split()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(text[text.index("["):])[0]["avg_ts"]


def print_row(a, model, test, mine, theirs, version, flags):
    rate, other = statistics.median(m["rate"] for m in mine), statistics.median(theirs)
    middle = min(mine, key=lambda m: abs(m["rate"] - rate))
    values = [datetime.date.today().isoformat(), rows.commit(), mine[0]["cpu"], a.threads, os.path.basename(model), test, a.depth,
              f"{rate:.2f}", f"{other:.2f}", f"{rate / other:.2f}", version, flags, f"{middle['read'] / 1e9:.1f}",
              "" if middle["of_read"] is None else f"{middle['of_read']:.3f}", f"{middle['of_peak']:.3f}"]
    print(",".join(str(v) for v in values), flush=True)


def beside_peer(a, model, test, n):
    mine, theirs = [], {flags: [] for flags in a.peer_flags or [""]}
    for _ in range(a.rounds):
        run, reads, others = ours(a, model, test, n), [], {}
        for flags in theirs:
            others[flags] = peer(a, model, test, n, flags) if a.peer else float("nan")
            reads += [read_now(a)] if a.read else []
        reads = [r / 1e9 for r in run["reads"] + reads]
        print(f"{test} {n}: {run['rate']:.2f}, {others}, read {[round(r, 1) for r in reads]}", file=sys.stderr)
        if a.read and not a.read[0] <= min(reads) <= max(reads) <= a.read[1]:
            continue
        mine.append(run)
        for flags in theirs:
            theirs[flags].append(others[flags])
    for flags in theirs if mine else []:
        named = [f"with {os.path.basename(a.peer_model)}"] if a.peer_model else []
        print_row(a, model, f"{test} {n}", mine, theirs[flags], a.peer_version, " ".join(filter(None, [flags] + named)))


def beside_one(a, model, n):
    many, one = [], []
    for _ in range(a.rounds):
        many.append(ours(a, model, "gen", n, a.batch))
        one.append(ours(a, model, "gen", n)["rate"])
    print_row(a, model, f"gen {n} x {a.batch}", many, one, "deepseek", "one sequence")


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
