# Learning rates by the schedules' definitions (docs/TRAINING.md), in double precision: writes schedule.h beside it.
import math, os

def rate(kind, lr, warmup, final, decay, step, total):
    if step < warmup:
        return lr * ((step + 1) / warmup)
    if kind == "multi-step":
        return lr * 0.1 if step >= 0.9 * total else lr * 0.316 if step >= 0.8 * total else lr
    if kind == "cosine":
        t = (step - warmup) / (total - warmup)
        return lr * (final + (1 - final) * (1 + math.cos(math.pi * t)) / 2)
    if kind == "wsd":
        n = round(decay * total)
        first = total - n
        return lr if step < first else lr * (1 - (1 - final) * ((step - first + 1) / n))
    return lr

kinds = ["multi-step", "cosine", "wsd", "constant"]
rows = []
for k, kind in enumerate(kinds):
    for lr, warmup, final, decay, total in [(4.2e-4, 2000, 0.1, 0.2, 200000), (1e-3, 10, 0.0, 0.5, 100), (3e-3, 0, 0.1, 0.1, 37)]:
        for step in sorted({0, 1, warmup - 1, warmup, total // 2, total * 8 // 10 - 1, total * 8 // 10 + 1, total * 9 // 10 - 1, total * 9 // 10 + 1, total - 1}):
            if 0 <= step < total:
                rows.append((k, lr, warmup, final, decay, step, total, rate(kind, lr, warmup, final, decay, step, total)))
with open(os.path.join(os.path.dirname(__file__), "schedule.h"), "w") as f:
    f.write("/* Made by schedule.py: kind, lr, warm-up, final, decay, step, total, rate. */\n")
    for k, lr, w, final, decay, step, total, r in rows:
        f.write(f"{{ {k}, {lr!r}, {w}, {final!r}, {decay!r}, {step}, {total}, {r.hex()} }},\n")
