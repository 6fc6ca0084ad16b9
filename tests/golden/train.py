# Ten training steps of a tiny Llama in PyTorch, float32: writes train.h (losses and gradient norms) and the starting weights,
# train_model/ (a Hugging Face directory). AdamW is torch.optim.AdamW; Muon is written here from its description. Needs torch, transformers.
import json, math, os, sys
import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(3)
torch.set_num_threads(1)
here = os.path.dirname(os.path.abspath(__file__))
T, ROWS, STEPS, V = 16, 4, 10, 64
LR, WARMUP, B1, B2, EPS, DECAY, CLIP, MU = 3e-3, 2, 0.9, 0.95, 1e-8, 0.1, 1.0, 0.95
config = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=V,
                     max_position_embeddings=32, rms_norm_eps=1e-6, rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="float32",
                     bos_token_id=None, eos_token_id=0, attn_implementation="eager")

# Row r of step s: two documents, of 10 and 6 tokens. tests/train/golden.c makes the same ones.
def row(s, r):
    return [(7 * s + 3 * r + i * i + 5 * (i >= 10)) % V for i in range(T)]

def loss_of(model, s):
    total = 0
    for r in range(ROWS):
        ids = row(s, r)
        for a, b in ((0, 10), (10, 16)):
            x = torch.tensor([ids[a:b]])
            logits = model(x).logits[0]
            total = total + torch.nn.functional.cross_entropy(logits[:-1], x[0, 1:], reduction="sum")
    return total / (ROWS * (T - 2))

def rate(s):
    return LR * ((s + 1) / WARMUP) if s < WARMUP else LR * 0.1 if s >= 0.9 * STEPS else LR * 0.316 if s >= 0.8 * STEPS else LR

def orthogonalize(g):
    x = g / (g.norm() + 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    a, b, c = 3.4445, -4.7750, 2.0315
    for _ in range(5):
        m = x @ x.T
        x = a * x + (b * m + c * m @ m) @ x
    return x.T if g.shape[0] > g.shape[1] else x

def train(muon):
    model = LlamaForCausalLM.from_pretrained(os.path.join(here, "train_model"), torch_dtype=torch.float32, attn_implementation="eager")
    matrices = [p for n, p in model.named_parameters() if muon and p.dim() == 2 and "layers." in n]
    rest = [p for p in model.parameters() if not any(p is q for q in matrices)]
    opt = torch.optim.AdamW([{"params": [p for p in rest if p.dim() == 2], "weight_decay": DECAY},
                             {"params": [p for p in rest if p.dim() == 1], "weight_decay": 0.0}], lr=LR, betas=(B1, B2), eps=EPS)
    momentum = [torch.zeros_like(p) for p in matrices]
    rows = []
    for s in range(STEPS):
        model.zero_grad()
        loss = loss_of(model, s)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        for group in opt.param_groups:
            group["lr"] = rate(s)
        opt.step()
        with torch.no_grad():
            for p, m in zip(matrices, momentum):
                m.mul_(MU).add_(p.grad)
                update = orthogonalize(p.grad + MU * m)
                p.mul_(1 - rate(s) * DECAY).add_(update, alpha=-rate(s) * 0.2 * math.sqrt(max(p.shape)))
        rows.append((loss.item(), norm.item()))
    return rows

model = LlamaForCausalLM(config)
for n, p in model.named_parameters():
    if p.dim() == 1:
        torch.nn.init.uniform_(p, 0.5, 1.5)
    else:
        torch.nn.init.normal_(p, std=0.15)
model.save_pretrained(os.path.join(here, "train_model"))
with open(os.path.join(here, "train.h"), "w") as f:
    f.write(f"/* Made by train.py with torch {torch.__version__}: loss and gradient norm of ten steps; AdamW, then Muon. */\n")
    for muon in (False, True):
        f.write("{\n" + "".join(f"    {{ {l!r}, {n!r} }},\n" for l, n in train(muon)) + "},\n")
