#!/usr/bin/env python3
"""Writes tests/golden/logits.h: float32 logits and mean-pooled hidden states of transformers for tiny random checkpoints of every family.

Run: python3 logits.py > logits.h   (needs numpy, torch and transformers; made with transformers 5.24.0, torch 2.15.0, on a CPU)
The weights are a formula of name and index that tests/infer/logits.c repeats exactly: splitmix64 of FNV-1a(name) + index, its top
24 bits as a number in [-1, 1), times 1/4 for matrices and biases, and 1 + 1/4 of it for norms."""
import json
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

V, TOKENS, POSITIONS = 48, 24, (0, 7, 23)
TOKEN = [(7 * i * i + 3 * i + 1) % V for i in range(TOKENS)]
BASE = dict(model_type="llama", hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=V, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False,
            attention_bias=False, mlp_bias=False, hidden_act="silu", bos_token_id=1, eos_token_id=2)
SMALL = dict(BASE, max_position_embeddings=16)
CASES = dict(
    gqa=BASE,
    mha=dict(BASE, num_key_value_heads=4, rms_norm_eps=1e-6),
    head_dim=dict(BASE, head_dim=20),
    theta=dict(BASE, rope_theta=100000.0),
    parameters=dict({k: v for k, v in BASE.items() if k != "rope_theta"}, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 50000.0}),
    linear=dict(BASE, rope_scaling={"type": "linear", "factor": 4.0}),
    dynamic=dict(SMALL, rope_scaling={"type": "dynamic", "factor": 2.0}),
    yarn=dict(BASE, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}),
    yarn_mscale=dict(BASE, rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 0.707,
                                         "mscale_all_dim": 1.0, "beta_fast": 16, "beta_slow": 2}),
    yarn_attention=dict(BASE, rope_scaling={"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8, "attention_factor": 1.25}),
    llama3=dict(BASE, head_dim=32, rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                    "original_max_position_embeddings": 32}),
    tied=dict(BASE, tie_word_embeddings=True),
    biased=dict(BASE, attention_bias=True, mlp_bias=True),
    qwen2=dict({k: v for k, v in BASE.items() if k not in ("attention_bias", "mlp_bias")}, model_type="qwen2", use_sliding_window=False),
    mistral=dict({k: v for k, v in BASE.items() if k not in ("attention_bias", "mlp_bias")}, model_type="mistral", sliding_window=None),
)
CLASSES = dict(llama=(LlamaConfig, LlamaForCausalLM), qwen2=(Qwen2Config, Qwen2ForCausalLM), mistral=(MistralConfig, MistralForCausalLM))


def unit(name, n):
    h = 0xcbf29ce484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001b3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(n, dtype=np.uint64) + np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def weight(name, shape):
    u = unit(name, int(np.prod(shape))).reshape(shape) * np.float32(0.25)
    return torch.from_numpy(np.float32(1) + u if "norm" in name else u)


def logits(config):
    kind, model = CLASSES[config["model_type"]]
    m = model(kind.from_dict(json.loads(json.dumps(config)))).float().eval()
    state = {k: weight(k, tuple(v.shape)) for k, v in m.state_dict().items()}
    if config["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    m.load_state_dict(state)
    with torch.no_grad():
        rows = [m(torch.tensor([TOKEN[: p + 1]])).logits[0, -1].tolist() for p in POSITIONS]
        return rows, m.model(torch.tensor([TOKEN])).last_hidden_state[0].mean(0).tolist()


def number(v):
    text = f"{float(np.float32(v)):.9g}"
    return text + "f" if "." in text or "e" in text else f"{float(v):.1f}f"


def numbers(row):
    return "{ " + ", ".join(map(number, row)) + " }"


print("/* Made by tests/golden/logits.py with transformers. */")
print(f"enum {{ GOLDEN_V = {V}, GOLDEN_TOKENS = {TOKENS}, GOLDEN_POSITIONS = {len(POSITIONS)}, GOLDEN_D = {BASE['hidden_size']} }};")
print(f"static const int32_t golden_token[] = {{ {', '.join(map(str, TOKEN))} }};")
print(f"static const int golden_position[] = {{ {', '.join(map(str, POSITIONS))} }};")
print("typedef struct golden_model {\n    const char *name, *config;\n    float logits[GOLDEN_POSITIONS][GOLDEN_V], embedding[GOLDEN_D];\n} golden_model;")
print("static const golden_model golden_models[] = {")
for name, config in CASES.items():
    text = json.dumps(config).replace("\\", "\\\\").replace('"', '\\"')
    rows, embedding = logits(config)
    rows = ",\n        ".join(map(numbers, rows))
    print(f'    {{ "{name}",\n      "{text}",\n      {{ {rows} }},\n      {numbers(embedding)} }},')
print("};")
