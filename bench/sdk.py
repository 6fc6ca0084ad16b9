#!/usr/bin/env python3
"""What the languages add to a token: the same greedy text of a very small model from C, Python and Java, in turns.

    bench/sdk.py [--rounds 100] [--build build] >>bench/results/sdk.csv

Each program makes the same text several times in each way (whole, with a callback, streamed) with one thread and prints the microseconds a
token of each; this repeats that with fresh processes, and takes the lower quartile of all of a kind: a text takes 2 ms, and on a shared machine
up to half of them are interrupted for longer than that. The overhead is the language's quartile less C's of the same way (the publisher
beside C's stream). Prints a row for each language and way."""
import argparse
import datetime
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import rows

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = "date,commit,cpu,language,way,tokens,us_per_token,c_us_per_token,overhead_us,lowest_overhead_us".split(",")
BESIDE = {"publisher": "stream"}
# So small that a token takes C a few microseconds: what is added to it shows.
CONFIG = {"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2,
          "intermediate_size": 64, "vocab_size": 512, "max_position_embeddings": 512, "rope_theta": 10000, "rms_norm_eps": 1e-5,
          "bos_token_id": 256, "eos_token_id": 257}


def in_python(model, tokens, rounds):
    sys.path.insert(0, os.path.join(HERE, "../bindings/python"))
    from deepseek import AutoModel
    m = AutoModel.from_pretrained(model, threads=1)
    o = dict(max_new_tokens=tokens, do_sample=False, ignore_eos=True)

    def text(how):
        if how == "whole":
            return m.generate("Once upon a time", **o)
        if how == "stream":
            return "".join(m.generate("Once upon a time", stream=True, **o))
        pieces = []
        m.generate("Once upon a time", stream=pieces.append, **o)
        return "".join(pieces)
    expected = text("whole")
    for _ in range(rounds):
        for how in ("whole", "callback", "stream"):
            start = time.perf_counter()
            found = text(how)
            us = (time.perf_counter() - start) / tokens * 1e6
            assert found == expected, f"the text of {how} differs"
            print(how, f"{us:.3f}")


def measure(command, env, found):
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    for line in out.splitlines():
        how, us = line.split()
        found.setdefault(how, []).append(float(us))


def programs(a, model, scratch):
    build = os.path.abspath(a.build)
    arguments = [model, str(a.tokens), str(a.rounds)]
    env = {**os.environ, "DEEPSEEK_LIBRARY": os.path.join(build, "libdeepseek.so")}
    out = {"C": ([os.path.join(build, "bench/sdk"), *arguments], env),
           "Python": ([sys.executable, os.path.abspath(__file__), "--in-python", *arguments], env)}
    jars = [j for j in glob.glob(os.path.join(build, "java/deepseek-*.jar")) if "linux" not in j]
    if jars:
        subprocess.run(["javac", "--release", "11", "-cp", jars[0], "-d", scratch, os.path.join(HERE, "SdkBench.java")], check=True)
        out["Java"] = (["java", f"-Ddeepseek.library.path={build}", "-cp", f"{jars[0]}:{scratch}", "SdkBench", *arguments], env)
    return out


def main():
    if sys.argv[1:2] == ["--in-python"]:
        return in_python(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--tokens", type=int, default=200)
    p.add_argument("--rounds", type=int, default=100, help="texts of each way in each process")
    p.add_argument("--processes", type=int, default=3, help="of each language, in turns")
    p.add_argument("--header", action="store_true", help="print the CSV header first")
    a = p.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        model, config = os.path.join(scratch, "small.gguf"), os.path.join(scratch, "config.json")
        with open(config, "w") as f:
            json.dump(CONFIG, f)
        subprocess.run([os.path.join(a.build, "deepseek"), "init", "--config", config, "--dtype", "f32", "--seed", "1", model], check=True,
                       capture_output=True)
        commands = programs(a, model, scratch)
        for _ in range(a.processes):
            for language, (command, env) in commands.items():
                measure(command, env, found.setdefault(language, {}))
    if a.header:
        print(",".join(FIELDS))
    commit, cpu = rows.commit(), rows.processor()
    for language, ways in found.items():
        for how, times in ways.items():
            c = found["C"][BESIDE.get(how, how)]
            quartile, base = statistics.quantiles(times, n=4)[0], statistics.quantiles(c, n=4)[0]
            print(",".join(str(x) for x in (datetime.date.today(), commit, cpu, language, how, a.tokens, f"{quartile:.2f}", f"{base:.2f}",
                                            f"{quartile - base:.2f}", f"{min(times) - min(c):.2f}")))


if __name__ == "__main__":
    main()
