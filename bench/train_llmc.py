#!/usr/bin/env python3
"""Training steps beside llm.c's CPU program (train_gpt2.c), float32, GPT-2 small's shape with random weights, at the same number of tokens.

Run: bench/train_llmc.py BUILD SOURCE [SEQUENCES [LENGTH]] (needs numpy, make and a C compiler, CC or gcc). SOURCE is a checkout of llm.c; it is
copied, the two numbers of its batch (4 sequences of 64 tokens) are replaced by SEQUENCES (4) and LENGTH (64), and that of the batches it
validates on before it trains, which are not timed, by one; it is built by its own Makefile. Weights, tokens and the folder it runs in are made
here. The best of its first three steps counts, or of two where they take more than a minute. Per FLOP: tokens/s times FLOPs a token, which
are nearly equal: 6 a weight of a matrix and token, and causal attention. Appends a row to bench/results/train_llmc.csv."""
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy

import rows

COLUMNS = "date commit cpu sequences length peer_commit tokens_s peer_tokens_s mflop_token peer_mflop_token gflops peer_gflops ratio_per_flop".split()
LAYERS, WIDTH, CONTEXT, VOCABULARY, PADDED = 12, 768, 1024, 50257, 50304
STEPS, LEAST_STEPS, LONG = 3, 2, 60  # LONG: seconds


def write_weights(path):
    """Its checkpoint: 256 int32 of header, then the tensors in the order of its ParameterTensors; norms are ones, biases zero."""
    c, n = WIDTH, LAYERS
    sizes = [("w", PADDED * c), ("w", CONTEXT * c), ("1", n * c), ("0", n * c), ("w", n * 3 * c * c), ("0", n * 3 * c), ("w", n * c * c), ("0", n * c), ("1", n * c),
             ("0", n * c), ("w", n * 4 * c * c), ("0", n * 4 * c), ("w", n * 4 * c * c), ("0", n * c), ("1", c), ("0", c)]
    header = numpy.zeros(256, numpy.int32)
    header[:8] = 20240326, 3, CONTEXT, VOCABULARY, n, 12, c, PADDED
    random = numpy.random.default_rng(1)
    with open(path, "wb") as f:
        header.tofile(f)
        for kind, size in sizes:
            values = random.standard_normal(size, numpy.float32) * numpy.float32(0.02) if kind == "w" else numpy.full(size, int(kind), numpy.float32)
            values.tofile(f)


def write_tokens(path, count):
    header = numpy.zeros(256, numpy.int32)
    header[:3] = 20240520, 1, count
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        header.tofile(f)
        (numpy.arange(1, count + 1, dtype=numpy.uint64) * 2654435761 % VOCABULARY).astype(numpy.uint16).tofile(f)


def peer_speed(source, sequences, length):
    with tempfile.TemporaryDirectory() as folder:
        tree = f"{folder}/tree"
        shutil.copytree(source, tree, ignore=shutil.ignore_patterns(".git"))
        text = open(f"{tree}/train_gpt2.c").read()
        for name, old, new in (("B", 4, sequences), ("T", 64, length), ("val_num_batches", 5, 1)):
            text, found = re.subn(rf"int {name} = {old};", f"int {name} = {new};", text)
            assert found == 1, name
        open(f"{tree}/train_gpt2.c", "w").write(text)
        subprocess.run(["make", "train_gpt2", "NO_MULTI_GPU=1", f"CC={os.environ.get('CC', 'gcc')}"], cwd=tree, check=True, capture_output=True)
        write_weights(f"{tree}/gpt2_124M.bin")
        for part in ("train", "val"):
            write_tokens(f"{tree}/dev/data/tinyshakespeare/tiny_shakespeare_{part}.bin", sequences * length * 64 + 1)
        program = subprocess.Popen(["stdbuf", "-oL", "./train_gpt2"], cwd=tree, stdout=subprocess.PIPE, text=True)
        times = []
        for line in program.stdout:
            took = re.match(r"step (\d+): train loss ([\d.]+) \(took ([\d.]+) ms\)", line)
            if took:
                print(line, end="", file=sys.stderr)
                times.append(float(took[3]) / 1000)
                if len(times) == STEPS or len(times) == LEAST_STEPS and sum(times) > LONG:
                    break
        program.terminate()
        program.wait()
        assert len(times) >= LEAST_STEPS, "it ended early"
        return sequences * length / min(times)


def main(build, source, sequences="4", length="64"):
    tokens = int(sequences) * int(length)
    out = subprocess.run([f"{build}/bench/train_step", "124m", "f32", "5", sequences, "keep", length], check=True, capture_output=True, text=True).stdout
    f = out.strip().split(",")
    speed, flops = float(f[4]), float(f[7])
    peer = peer_speed(source, int(sequences), int(length))
    peer_flops = (6 * (LAYERS * 12 * WIDTH * WIDTH + PADDED * WIDTH) + 6 * LAYERS * WIDTH * int(length)) / 1e6
    row = [datetime.date.today(), rows.commit(), f"{rows.processor()} x{len(os.sched_getaffinity(0))}", sequences, length, rows.commit(source), f"{speed:.1f}", f"{peer:.1f}", f"{flops:.1f}",
           f"{peer_flops:.1f}", f"{speed * flops / 1e3:.1f}", f"{peer * peer_flops / 1e3:.1f}", f"{speed * flops / peer / peer_flops:.2f}"]
    rows.append(f"{rows.HERE}/results/train_llmc.csv", COLUMNS, [row])
    print(",".join(map(str, row)), f"({tokens} tokens a step)")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print(__doc__)
    else:
        main(*sys.argv[1:])
