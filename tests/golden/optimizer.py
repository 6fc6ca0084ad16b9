"""Weights after ten steps of torch.optim.AdamW and of Muon (Moonlight's form, in float32), for tests/train/optimizer.c. Weights and
gradients are made by the same small formula there. Usage: optimizer.py >optimizer.h; needs torch."""
import torch

shapes = [(6, 10), (12, 5), (1, 7)]
lr, betas, eps, decay, mu = 0.02, (0.9, 0.95), 1e-8, 0.1, 0.95


def values(n, salt):
    return torch.tensor([((i * 7919 + salt * 104729) % 2003) / 1001.0 - 1 for i in range(n)], dtype=torch.float32)


def weights():
    return [values(r * c, k).reshape(r, c) for k, (r, c) in enumerate(shapes)]


def gradient(k, step):
    r, c = shapes[k]
    return values(r * c, 10 * step + k + 50).reshape(r, c) * 0.5


def adamw():
    ps = [torch.nn.Parameter(w) for w in weights()]
    opt = torch.optim.AdamW([dict(params=ps[:2], weight_decay=decay), dict(params=ps[2:], weight_decay=0)], lr=lr, betas=betas, eps=eps)
    for step in range(1, 11):
        for k, p in enumerate(ps):
            p.grad = gradient(k, step)
        opt.step()
    return [p.detach() for p in ps]


def orthogonalize(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    if g.shape[0] > g.shape[1]:
        x = x.T
    for _ in range(5):
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if g.shape[0] > g.shape[1] else x


def muon():
    ws = weights()[:2]
    momentum = [torch.zeros_like(w) for w in ws]
    for step in range(1, 11):
        for k, w in enumerate(ws):
            g = gradient(k, step)
            momentum[k] = mu * momentum[k] + g
            u = orthogonalize(g + mu * momentum[k])
            ws[k] = w * (1 - lr * decay) - lr * 0.2 * max(w.shape) ** 0.5 * u
    return ws


print("/* Made by optimizer.py with PyTorch", torch.__version__.split("+")[0] + ". */")
for name, result in (("adamw", adamw()), ("muon", muon())):
    print(f"static const float golden_{name}[] = {{")
    flat = [f"{v:.9g}f" if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f"{v:.9g}.0f" for w in result for v in w.flatten().tolist()]
    for i in range(0, len(flat), 8):
        print("    " + ", ".join(flat[i:i + 8]) + ",")
    print("};")
