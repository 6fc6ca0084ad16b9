#!/usr/bin/env python3
"""Writes tests/golden/sdk.jsonl: prompts, options and the texts that every binding must give.

Run: DEEPSEEK=build/deepseek python3 sdk.py > sdk.jsonl   (needs torch and transformers; made with transformers 5.24.0)
The model "tiny" is `deepseek init --config tiny --dtype f32 --seed 1`, "stories" is stories260Ktok512.gguf of shared data.
Greedy ids of the tiny model come from transformers, everything else from the command, whose own tests stand for it."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DEEPSEEK = os.environ["DEEPSEEK"]
STORIES = os.path.join(HERE, "../../../shared/data/stories260k_llama/stories260Ktok512.gguf")
FLAGS = dict(max_new_tokens="-n", max_length="--max-length", temperature="--temp", top_k="--top-k", top_p="--top-p", min_p="--min-p",
             repetition_penalty="--repeat-penalty", seed="--seed")
CASES = [
    ("tiny", "Hello, world", dict(max_new_tokens=16, temperature=0)),
    ("tiny", "你好，世界", dict(max_length=40, temperature=0)),
    ("tiny", "", dict(max_new_tokens=8, temperature=0)),
    ("tiny", "A text that is stopped:", dict(max_new_tokens=40, temperature=0.9, seed=11, stop=["zzzz", "be"])),
    ("tiny", "Sampled", dict(max_new_tokens=24, temperature=0.8, top_p=0.95, seed=7)),
    ("tiny", "Sampled", dict(max_new_tokens=24, temperature=1.2, top_k=20, repetition_penalty=1.3, seed=123456789012345)),
    ("tiny", "Sampled", dict(max_length=30, temperature=1, min_p=0.05, seed=3)),
    ("stories", "Once upon a time", dict(max_new_tokens=60, temperature=0)),
    ("stories", "The little dog", dict(max_new_tokens=60, temperature=0.7, top_k=40, top_p=0.9, seed=42, stop=["."])),
]


def run(path, prompt, options):
    args = [DEEPSEEK, "generate", "-m", path, "-p", prompt, "--json", "-q"]
    for name, value in options.items():
        for v in value if isinstance(value, list) else [value]:
            args += ["--stop" if name == "stop" else FLAGS[name], str(v)]
    g = json.loads(subprocess.run(args, check=True, capture_output=True).stdout)["generations"][0]
    return dict(text=g["text"], ids=g["ids"], n_prompt=g["prompt_tokens"], finish=g["finish"])


def transformers_greedy(directory, prompt, n):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    t, m = AutoTokenizer.from_pretrained(directory), AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    ids = torch.tensor([t.encode(prompt)])
    out = m.generate(ids, max_new_tokens=n, do_sample=False)
    return out[0, ids.shape[1]:].tolist()


with tempfile.TemporaryDirectory() as d:
    tiny = os.path.join(d, "tiny.gguf")
    subprocess.run([DEEPSEEK, "init", "--config", "tiny", "--dtype", "f32", "--seed", "1", tiny], check=True, stdout=sys.stderr)
    subprocess.run([DEEPSEEK, "convert", tiny, os.path.join(d, "hf")], check=True, stdout=sys.stderr)
    for model, prompt, options in CASES:
        expected = run(tiny if model == "tiny" else STORIES, prompt, options)
        if model == "tiny" and options["temperature"] == 0 and prompt:
            reference = transformers_greedy(os.path.join(d, "hf"), prompt, len(expected["ids"]))
            assert reference == expected["ids"], (prompt, reference, expected["ids"])
        print(json.dumps(dict(model=model, prompt=prompt, options=options, **expected), ensure_ascii=False))
