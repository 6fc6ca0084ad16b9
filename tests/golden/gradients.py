#!/usr/bin/env python3
"""Writes tests/golden/gradients.h: losses and gradients of transformers in float32 for tiny checkpoints, two documents in a batch.

Run: python3 gradients.py > gradients.h   (needs numpy, torch and transformers, on a CPU)
Weights are logits.py's formula. For each parameter: the gradient's norm, its sum, and values at eight places spread over it. They come
from a float64 model, so that what is committed is exact to float32; float32 PyTorch's own largest relative error against it is kept
beside each (as a comment), for comparison."""
import contextlib
import io
import json
import numpy as np
import torch

with contextlib.redirect_stdout(io.StringIO()):  # that script prints when it is read
    from logits import BASE, CLASSES, weight

V = BASE["vocab_size"]
LENGTHS = (70, 1, 19)
CASES = dict(
    gqa=BASE,
    head_dim=dict(BASE, head_dim=20),
    tied=dict(BASE, tie_word_embeddings=True),
    biased=dict(BASE, attention_bias=True, mlp_bias=True),
    qwen2=dict({k: v for k, v in BASE.items() if k not in ("attention_bias", "mlp_bias")}, model_type="qwen2", use_sliding_window=False),
)
TOKEN = [(5 * i * i + 11 * i + 3) % V for i in range(sum(LENGTHS))]
TARGET = [-1 if i % 7 == 5 else (3 * i * i + i + 8) % V for i in range(sum(LENGTHS))]


def run(config, dtype):
    kind, model = CLASSES[config["model_type"]]
    m = model._from_config(kind.from_dict(json.loads(json.dumps(config))), attn_implementation="eager").to(dtype)
    state = {k: weight(k, tuple(v.shape)).to(dtype) for k, v in m.state_dict().items()}
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    m.load_state_dict(state)
    # rotary angles as float32, which is what the model is trained with
    total, at, counted = 0, 0, sum(t >= 0 for t in TARGET)
    for n in LENGTHS:
        logits = m(torch.tensor([TOKEN[at:at + n]])).logits[0]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(TARGET[at:at + n]), ignore_index=-1, reduction="sum")
        at += n
    loss = total / counted
    loss.backward()
    return loss.item(), {k: p.grad.double().numpy() for k, p in m.named_parameters()}


def number(v):
    s = f"{v:.10g}"
    return s if "." in s or "e" in s or "n" in s else s + ".0"


if __name__ == "__main__":
    print("/* Made by tests/golden/gradients.py with transformers. */")
    print(f"enum {{ GRADIENT_TOKENS = {len(TOKEN)}, GRADIENT_SPANS = {len(LENGTHS)} }};")
    print(f"static const int64_t gradient_length[] = {{ {', '.join(map(str, LENGTHS))} }};")
    print(f"static const int32_t gradient_token[] = {{ {', '.join(map(str, TOKEN))} }};")
    print(f"static const int32_t gradient_target[] = {{ {', '.join(map(str, TARGET))} }};")
    print("typedef struct golden_gradient {\n    const char *name;\n    double norm, sum, at[8]; /* at[i]: element i * (size - 1) / 7 */\n} golden_gradient;")
    names = []
    for name, config in CASES.items():
        loss, grad = run(config, torch.float64)
        loss32, grad32 = run(config, torch.float32)
        print(f"static const golden_gradient gradient_{name}[] = {{")
        for k, g in grad.items():
            error = np.abs(grad32[k] - g).max() / np.abs(g).max()
            flat = g.reshape(-1)
            at = ", ".join(number(flat[i * (flat.size - 1) // 7]) for i in range(8))
            print(f'    {{ "{k}", {number(np.linalg.norm(flat))}, {number(flat.sum())}, {{ {at} }} }}, /* PyTorch float32: {error:.1e} */')
        print("};")
        names.append((name, json.dumps(config).replace("\\", "\\\\").replace('"', '\\"'), loss, loss32, len(grad)))
    print("typedef struct golden_training {\n    const char *name, *config;\n    double loss; /* PyTorch float32's beside it */\n    int n;\n    const golden_gradient *gradient;\n} golden_training;")
    print("static const golden_training golden_trainings[] = {")
    for name, text, loss, loss32, n in names:
        print(f'    {{ "{name}",\n      "{text}",\n      {number(loss)} /* {loss32:.9g} */, {n}, gradient_{name} }},')
    print("};")
