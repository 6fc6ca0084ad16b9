#!/usr/bin/env python3
"""Forward and backward beside PyTorch (transformers' Llama, its faster attention), at the same shape, precision and data.

Run: bench/train_torch.py BUILD [SHAPE [f32|bf16 [SEQUENCES [eager|compiled]]]] (needs torch and transformers); BUILD holds bench/train_step.
Each program runs in its own process, one after the other, twice around; the best step of each counts. Losses must agree first. Appends
rows to bench/results/train.csv: date, commit, cpu, shape, precision, sequences, peer and version, tokens/s of both and ratio, peak
resident MiB of both and ratio, the same memory with recomputation. Weights and gradients are in both figures, optimizers in none."""
import csv
import datetime
import os
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = {
    "124m": (dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, vocab_size=50257, max_position_embeddings=1024), 1024),
    "nano": (dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=8, num_attention_heads=6, vocab_size=12288, max_position_embeddings=512), 512),
}
STEPS = 2


def child(shape, precision, sequences, mode):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    config, length = SHAPES[shape]
    v = config["vocab_size"]
    torch.manual_seed(1)
    m = LlamaForCausalLM(LlamaConfig(**config, tie_word_embeddings=True, rms_norm_eps=1e-5, attn_implementation="sdpa"))
    ids = torch.tensor([(i + 1) * 2654435761 % v for i in range(sequences * length + 1)])
    x, y = ids[:-1].view(sequences, length), ids[1:].view(-1)
    run = torch.compile(m) if mode == "compiled" else m

    def step():
        m.zero_grad(set_to_none=False)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(run(x).logits.view(-1, v).float(), y)
        loss.backward()
        return loss.item()

    best = 1e9
    for i in range(STEPS + 1):
        start = time.perf_counter()
        loss = step()
        if i:
            best = min(best, time.perf_counter() - start)
    print(sequences * length / best, loss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, torch.__version__)


def ours(build, shape, precision, sequences, keep="keep"):
    out = subprocess.run([f"{build}/bench/train_step", shape, precision, str(STEPS), str(sequences), keep], check=True, capture_output=True, text=True).stdout
    f = out.strip().split(",")
    return float(f[4]), float(f[5]), float(f[6])


def main(build, shape="124m", precision="f32", sequences="1", mode="eager"):
    rounds = []
    for _ in range(2):
        a = ours(build, shape, precision, sequences)
        text = subprocess.run([sys.executable, __file__, "--child", shape, precision, sequences, mode], check=True, capture_output=True, text=True).stdout.split()
        rounds.append((a, (float(text[0]), float(text[1]), float(text[2])), text[3]))
    again = ours(build, shape, precision, sequences, "recompute")
    mine, peer = max(r[0][0] for r in rounds), max(r[1][0] for r in rounds)
    memory, peer_memory = max(r[0][2] for r in rounds), max(r[1][2] for r in rounds)
    # both start from random weights of deviation 0.02: losses near ln V, not equal
    assert abs(rounds[0][0][1] - rounds[0][1][1]) < 0.3, rounds
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    row = [datetime.date.today(), commit, f"{cpu} x{len(os.sched_getaffinity(0))}", shape, precision, sequences, f"PyTorch {mode} {rounds[0][2]}", f"{mine:.1f}", f"{peer:.1f}",
           f"{mine / peer:.2f}", f"{memory:.0f}", f"{peer_memory:.0f}", f"{memory / peer_memory:.2f}", f"{again[0]:.1f}", f"{again[2]:.0f}", f"{again[2] / peer_memory:.2f}"]
    path = f"{HERE}/results/train.csv"
    new = not os.path.exists(path)
    with open(path, "a", newline="") as f:
        w = csv.writer(f, lineterminator="\n")
        if new:
            w.writerow("date commit cpu shape precision sequences peer tokens_s peer_tokens_s ratio mib peer_mib mib_ratio recompute_tokens_s recompute_mib recompute_mib_ratio".split())
        w.writerow(row)
    print(",".join(map(str, row)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif len(sys.argv) < 2:
        print(__doc__)
    else:
        main(*sys.argv[1:])
