#!/usr/bin/env python3
"""Training steps beside PyTorch (transformers' Llama, its fused attention and fused AdamW), at the same shape, precision and tokens.

Run: bench/train_torch.py BUILD [SHAPE [f32|bf16 [SEQUENCES [ROUNDS]]]] (needs torch and transformers); BUILD holds bench/train_step, which says
what the shapes are. A step is forward, backward, clipping of the gradient's norm and AdamW; bf16 is autocast over float32 weights there and
`precision: { weights: bf16 }` here. PyTorch runs eager and compiled, each in a process of its own, in turns with this project's, ROUNDS
(2) times around; the best step of each counts, and the faster of PyTorch's two is compared. First losses must agree. Appends a row to
bench/results/train_torch.csv: date, commit, cpu, shape, precision, sequences, PyTorch's version, tokens/s here, eager and compiled, ratio to
the faster; peak resident MiB here, of that peer, ratio; with recomputation: tokens/s, how much more time, MiB, ratio to the same peer; GFLOP/s
and the share of the processor's peak in that precision, measured beside it. PREFIX in the environment is put before each measured command
(for example "taskset -c 0,1")."""
import datetime
import os
import resource
import subprocess
import sys
import time

import rows

SHAPES = {
    "124m": (dict(hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, vocab_size=50257, max_position_embeddings=1024), 1024),
    "19m": (dict(hidden_size=384, intermediate_size=1024, num_hidden_layers=8, num_attention_heads=6, vocab_size=12288, max_position_embeddings=512), 512),
    "nano": (dict(hidden_size=192, intermediate_size=512, num_hidden_layers=6, num_attention_heads=3, vocab_size=8192, max_position_embeddings=512), 512),
}
COLUMNS = ("date commit cpu shape precision sequences torch tokens_s eager_tokens_s compiled_tokens_s ratio mib peer_mib mib_ratio "
           "recompute_tokens_s recompute_more_time recompute_mib recompute_mib_ratio gflops share_of_peak").split()
STEPS = 2
PREFIX = os.environ.get("PREFIX", "").split()


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
    optimizer = torch.optim.AdamW(m.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(run(x).logits.view(-1, v).float(), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        return loss.item()

    best, first = 1e9, None
    for i in range(STEPS + 1):
        start = time.perf_counter()
        loss = step()
        if i:
            best = min(best, time.perf_counter() - start)
        else:
            first = loss
    print(sequences * length / best, first, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, torch.__version__)


def ours(build, shape, precision, sequences, keep="keep"):
    out = subprocess.run(PREFIX + [f"{build}/bench/train_step", shape, precision, str(STEPS), sequences, keep], check=True, capture_output=True, text=True).stdout
    f = out.strip().split(",")
    return dict(speed=float(f[4]), loss=float(f[5]), mib=float(f[6]), gflops=float(f[8]), share=float(f[11]))


def torch(shape, precision, sequences, mode):
    out = subprocess.run(PREFIX + [sys.executable, __file__, "--child", shape, precision, sequences, mode], check=True, capture_output=True, text=True).stdout.split()
    return dict(speed=float(out[0]), loss=float(out[1]), mib=float(out[2]), version=out[3])


def fastest(rounds):
    return max(rounds, key=lambda r: r["speed"])


def main(build, shape="124m", precision="f32", sequences="1", rounds="2"):
    mine, peers, again = [], {"eager": [], "compiled": []}, []
    for _ in range(int(rounds)):
        mine.append(ours(build, shape, precision, sequences))
        for mode in peers:
            peers[mode].append(torch(shape, precision, sequences, mode))
        again.append(ours(build, shape, precision, sequences, "recompute"))
    # both start from random weights of deviation 0.02: losses near ln V, not equal
    assert abs(mine[0]["loss"] - peers["eager"][0]["loss"]) < 0.3, (mine, peers)
    a, r, eager, compiled = fastest(mine), fastest(again), fastest(peers["eager"]), fastest(peers["compiled"])
    peer = fastest([eager, compiled])
    row = [datetime.date.today(), rows.commit(), f"{rows.processor()} x{len(os.sched_getaffinity(0))}", shape, precision, sequences, peer["version"], f"{a['speed']:.1f}", f"{eager['speed']:.1f}",
           f"{compiled['speed']:.1f}", f"{a['speed'] / peer['speed']:.2f}", f"{a['mib']:.0f}", f"{peer['mib']:.0f}", f"{a['mib'] / peer['mib']:.2f}", f"{r['speed']:.1f}",
           f"{a['speed'] / r['speed'] - 1:.2f}", f"{r['mib']:.0f}", f"{r['mib'] / peer['mib']:.2f}", f"{a['gflops']:.0f}", f"{a['share']:.2f}"]
    rows.append(f"{rows.HERE}/results/train_torch.csv", COLUMNS, [row])
    print(",".join(map(str, row)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif len(sys.argv) < 2:
        print(__doc__)
    else:
        main(*sys.argv[1:])
