#!/usr/bin/env python3
"""Speed of the training's matrix products beside torch.matmul (oneDNN), with the same threads, shapes and operand orders.

    bench/matmul.py [--build build] [--threads 1] [--rounds 3]

The two programs alternate; the best of all rounds goes into one row of bench/results/matmul.csv a shape, pass and type: GFLOP/s of both,
their ratio, and our share of the float32 peak, which build/bench/matmul measures in registers. One thread is timed by processor time, more
by the clock. bf16 is bf16 operands with float32 sums in both; ours writes float32, torch bf16."""
import argparse
import csv
import datetime
import os
import subprocess
import time

import rows

SHAPES = {"124M attention": (1024, 768, 768), "124M up": (1024, 768, 2048), "124M down": (1024, 2048, 768), "124M head block": (1024, 768, 8192),
          "nano attention": (2048, 384, 384), "nano up": (2048, 384, 1024), "nano down": (2048, 1024, 384)}
FIELDS = "date,commit,cpu,threads,shape,pass,type,deepseek_gflops,peer_gflops,ratio,of_f32_peak,peer,peer_version".split(",")


def ours(a):
    text = subprocess.run([os.path.join(a.build, "bench/matmul"), str(a.threads), "3"], check=True, capture_output=True, text=True).stdout
    return {(r["shape"], r["pass"], r["type"].lower()): (float(r["gflops"]), float(r["of_f32_peak"])) for r in csv.DictReader(text.splitlines())}


def best(clock, product, flops, times=4):
    fastest = 1e9
    for i in range(times):
        start = clock()
        product()
        if i:
            fastest = min(fastest, clock() - start)
    return flops / fastest / 1e9


def torchs(torch, clock):
    rates = {}
    for name, (tokens, width, out) in SHAPES.items():
        for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            x, w, dy = (torch.randn(s).to(dtype) for s in ((tokens, width), (out, width), (tokens, out)))
            y, dx, dw = (torch.empty(s, dtype=dtype) for s in ((tokens, out), (tokens, width), (out, width)))
            flops = 2 * tokens * width * out
            rates[name, "forward", kind] = best(clock, lambda: torch.matmul(x, w.t(), out=y), flops)
            rates[name, "input", kind] = best(clock, lambda: torch.matmul(dy, w, out=dx), flops)
            rates[name, "weight", kind] = best(clock, lambda: torch.matmul(dy.t(), x, out=dw), flops)
    return rates


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    import torch
    torch.set_num_threads(a.threads)
    clock = time.process_time if a.threads == 1 else time.perf_counter
    mine, peer, peak = {}, {}, 0
    for _ in range(a.rounds):
        for k, v in ours(a).items():
            mine[k] = max(mine.get(k, 0), v[0])
            peak = max(peak, v[0] / v[1])
        for k, v in torchs(torch, clock).items():
            peer[k] = max(peer.get(k, 0), v)
    about = [datetime.date.today().isoformat(), rows.commit(), rows.processor(), a.threads]
    rows.append(f"{rows.HERE}/results/matmul.csv", FIELDS, [[*about, *k, f"{rate:.1f}", f"{peer[k]:.1f}", f"{rate / peer[k]:.2f}", f"{rate / peak:.2f}",
                                                             "torch.matmul", torch.__version__] for k, rate in mine.items()])


main()
