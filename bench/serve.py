#!/usr/bin/env python3
"""Serving beside llama-server (of llama.cpp or ik_llama.cpp): clients that stream at once, and prompts that begin alike.

    bench/serve.py --peer PATH/llama-server --peer-version NAME@COMMIT >>bench/results/serve.csv

Both serve the same file with the same number of threads, one after the other, round by round; medians go into the rows. All prompts are
random tokens, different for each client and round, and answers go on after end-of-text tokens, so that both write equally much. Without
--model it is the 0.24B shape with random weights in Q4_0. The client is one thread that only looks for events in what arrives."""
import argparse, contextlib, datetime, json, os, random, re, selectors, socket, statistics, subprocess, sys, tempfile, time

import rows

FIELDS = "date,commit,cpu,threads,model,test,clients,prompt,answer,unit,deepseek,peer,ratio,peer_version,peer_flags".split(",")


class Server:
    """A server as a process, until it answers."""

    def __init__(self, command, port, log):
        self.port, self.log = port, log
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=os.path.dirname(log.name))  # llama-server writes a log of its own
        end = time.monotonic() + 120
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{command[0]} did not start: see {log.name}")
            time.sleep(0.05)

    def healthy(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return s.recv(100).startswith(b"HTTP/1.1 200")
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ours:
    path = "/v1/completions"

    def __init__(self, a):
        self.a = a

    def start(self, clients, context, *more):
        port = free_port()
        return Server([self.a.deepseek, "serve", "-m", "m=" + self.a.model, "--port", str(port), "-t", str(self.a.threads), "-q", *more], port, self.a.log)

    @staticmethod
    def body(prompt, answer):
        return dict(prompt=prompt, max_tokens=answer, temperature=0, stream=True, ignore_eos=True)


class Peer:
    path = "/completion"

    def __init__(self, a):
        self.a = a

    def start(self, clients, context, *_):
        port = free_port()
        return Server([self.a.peer, "-m", self.a.model, "--port", str(port), "-t", str(self.a.threads), "-np", str(clients), "-c", str(clients * context),
                       *self.a.peer_flags.split()], port, self.a.log)

    @staticmethod
    def body(prompt, answer):
        return dict(prompt=prompt, n_predict=answer, temperature=0, stream=True, ignore_eos=True, cache_prompt=True)


class Client:
    """One stream: when each of its events came."""

    def __init__(self, kind, port, prompt, answer):
        self.times, self.rest, self.answer = [], b"", answer
        body = json.dumps(kind.body(prompt, answer)).encode()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                            % (kind.path.encode(), len(body)) + body)
        self.start = time.perf_counter()

    def read(self):
        """False when the stream is over."""
        piece = self.socket.recv(1 << 16)
        now = time.perf_counter()
        text = self.rest + piece
        self.times += [now] * len(re.findall(rb"data: \{", text))
        self.rest = text[-6:]  # may be the beginning of another
        return bool(piece)


def stream(kind, port, prompts, answer):
    """All prompts at once: the clients, after their streams are over."""
    clients = [Client(kind, port, p, answer) for p in prompts]
    with selectors.DefaultSelector() as s:
        for c in clients:
            s.register(c.socket, selectors.EVENT_READ, c)
        while s.get_map():
            for key, _ in s.select():
                if not key.data.read():
                    s.unregister(key.data.socket)
                    key.data.socket.close()
    for c in clients:
        if len(c.times) < answer * 0.9:  # some tokens complete no character and come with the next
            sys.exit(f"{kind.path}: a stream had {len(c.times)} events for {answer} tokens, the last bytes {c.rest!r}")
    return clients


def figures(clients, answer):
    first, last = min(c.start for c in clients), max(c.times[-1] for c in clients)
    gaps = sorted(b - a for c in clients for a, b in zip(c.times, c.times[1:]))
    waits = sorted(c.times[0] - c.start for c in clients)
    first_end = min(c.times[-1] for c in clients)
    at_first_end = sorted(sum(t <= first_end for t in c.times) for c in clients)
    return {"tokens/s": len(clients) * answer / (last - first), "p95 inter-token ms": gaps[int(len(gaps) * 0.95)] * 1e3,
            "longest inter-token ms": gaps[-1] * 1e3, "median first-token ms": statistics.median(waits) * 1e3, "longest first-token ms": waits[-1] * 1e3,
            "fewest tokens when the first client ends": at_first_end[0], "longest stream s": max(c.times[-1] - c.start for c in clients)}


def tokens(a, n, *seed):
    r = random.Random(repr(seed))
    return [r.randrange(a.first_id, a.last_id) for _ in range(n)]


def crowd(a, kinds, clients, prompt, answer):
    """Medians over rounds, of each kind."""
    out = [[] for _ in kinds]
    for r in range(a.rounds):
        for k, kind in enumerate(kinds):
            with kind.start(clients, prompt + answer + 64) as s:
                stream(kind, s.port, [tokens(a, 32, "warm")], 8)
                out[k].append(figures(stream(kind, s.port, [tokens(a, prompt, clients, r, i) for i in range(clients)], answer), answer))
    return [{name: statistics.median(f[name] for f in one) for name in one[0]} for one in out]


def first_token(kind, port, prompt):
    c = stream(kind, port, [prompt], 2)[0]
    return (c.times[0] - c.start) * 1e3


def prefixes(a, kind, length, extra, *more):
    """Milliseconds until the first token: cold, with a prefix that was read before, and after a restart."""
    prompt = lambda r, part: tokens(a, length, "prefix", r) + tokens(a, extra, "end", r, part)
    times = {"cold": [], "warm": [], "restarted": []}
    with kind.start(1, length + extra + 64, *more) as s:
        stream(kind, s.port, [tokens(a, 32, "warm")], 8)
        for r in range(a.rounds + 2):
            times["cold"].append(first_token(kind, s.port, prompt(r, 0)))
            times["warm"].append(first_token(kind, s.port, prompt(r, 1)))
    if more:
        with kind.start(1, length + extra + 64, *more) as s:
            stream(kind, s.port, [tokens(a, 32, "warm")], 8)
            times["restarted"] = [first_token(kind, s.port, prompt(r, 2)) for r in range(a.rounds + 2)]
    return {k: statistics.median(v) for k, v in times.items() if v}


def row(a, test, clients, prompt, answer, unit, ours, peer):
    values = [datetime.date.today().isoformat(), a.commit, a.cpu, a.threads, os.path.basename(a.model), test, clients, prompt, answer, unit, f"{ours:.2f}",
              "" if peer is None else f"{peer:.2f}", "" if not peer else f"{ours / peer:.3f}", a.peer_version, a.peer_flags]
    print(",".join(str(v) for v in values), flush=True)


def run(a, folder):
    if not a.model:
        a.model = os.path.join(folder, "0.24b-q4_0.gguf")
        subprocess.run([a.deepseek, "init", "--config", "0.24b", "--dtype", "q4_0", "--seed", "1", a.model], check=True, stdout=sys.stderr)
    kinds = [Ours(a)] + ([Peer(a)] if a.peer else [])
    for clients in a.clients:
        got = crowd(a, kinds, clients, a.prompt, a.answer)
        for name in got[0]:
            row(a, "streams", clients, a.prompt, a.answer, name, got[0][name], got[1][name] if a.peer else None)
    if a.prefix:
        ours = prefixes(a, kinds[0], a.prefix, 16, "--cache-dir", os.path.join(folder, "cache"))
        peer = prefixes(a, kinds[1], a.prefix, 16) if a.peer else {}
        for name in ours:
            row(a, f"prefix {name}", 1, a.prefix, 2, "first-token ms", ours[name], peer.get(name))
            if name != "cold":
                row(a, f"prefix {name}", 1, a.prefix, 2, "% of cold", 100 * ours[name] / ours["cold"], 100 * peer[name] / peer["cold"] if name in peer else None)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--deepseek", default="build/deepseek")
    p.add_argument("--peer", help="path of llama-server; without it only our own figures")
    p.add_argument("--peer-version", default="")
    p.add_argument("--peer-flags", default="", help="such as '-fa'")
    p.add_argument("--model", help="a .gguf file (default: the 0.24B shape, random, Q4_0)")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--clients", type=int, nargs="*", default=[8, 64])
    p.add_argument("--prompt", type=int, default=256)
    p.add_argument("--answer", type=int, default=128)
    p.add_argument("--prefix", type=int, default=2000, help="length of the repeated prefix; 0 = leave that out")
    p.add_argument("--first-id", type=int, default=300)
    p.add_argument("--last-id", type=int, default=30000)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--header", action="store_true", help="print the CSV header first")
    a = p.parse_args()
    a.deepseek = os.path.abspath(a.deepseek)
    a.model, a.peer = (x and os.path.abspath(x) for x in (a.model, a.peer))
    a.commit = rows.commit()
    a.cpu = json.loads(subprocess.run([a.deepseek, "doctor", "--json"], check=True, capture_output=True, text=True).stdout)["processor"]
    if a.header:
        print(",".join(FIELDS))
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w") as a.log:
        run(a, folder)


if __name__ == "__main__":
    sys.exit(main())
