"""Mixed load with faults: clients that go, send garbage, read slowly or ask for nonsense, beside others whose answers must be right.

    load.py [--seconds 4] [--clients 24] [--rate 0] [--seed 1] [--model deepseek/nano]

--rate bounds what all clients do a second (0: no bound), so that the long form can run beside other work; --log N prints memory every
N seconds. Afterwards nothing runs or waits, and memory is where it was half-way."""
import argparse
import json
import os
import random
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import Server

PROMPTS = ["床前明月光", "It was a dark night", "话说天下大势", "The old man looked at"]
GARBAGE = [b"\x00\xff\xfe" * 50, b"GET /\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
           b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{\"a\":", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 100,
           b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 200]


class Load:
    def __init__(self, server, model, seconds, seed, rate):
        self.s, self.model, self.seed, self.rate = server, model, seed, rate
        self.end = time.monotonic() + seconds
        self.counts, self.failures, self.lock = {}, [], threading.Lock()
        self.expected = {p: self.greedy(p) for p in PROMPTS}

    def greedy(self, prompt):
        return self.s.post("/v1/completions", model=self.model, prompt=prompt, temperature=0, max_tokens=24)["choices"][0]["text"]

    def raw(self, body, path="/v1/chat/completions"):
        c = socket.create_connection(("127.0.0.1", self.s.port), timeout=60)
        data = body if isinstance(body, bytes) else json.dumps(dict(body, model=self.model)).encode()
        c.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(data)) + data)
        return c

    # what a client may do

    def right(self, r):
        p = r.choice(PROMPTS)
        if r.random() < 0.5:
            got = self.greedy(p)
        else:
            got = "".join(e["choices"][0]["text"] for e in self.s.events("/v1/completions", model=self.model, prompt=p, temperature=0, max_tokens=24))
        assert got == self.expected[p], (p, got, self.expected[p])

    def chat(self, r):
        self.s.post("/v1/chat/completions", model=self.model, messages=[{"role": "user", "content": f"{r.random()}" * r.randrange(1, 5)}],
                    max_tokens=r.randrange(1, 30), n=r.choice([1, 1, 3]), logprobs=r.random() < 0.3)

    def form(self, r):
        schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": r.randrange(100)}}, "required": ["a"],
                  "additionalProperties": False}
        got = self.s.post("/v1/chat/completions", model=self.model, messages=[{"role": "user", "content": "x"}], max_tokens=60, 
                          response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})["choices"][0]
        if got["finish_reason"] == "stop":
            assert isinstance(json.loads(got["message"]["content"])["a"], int)

    def vanish(self, r):
        c = self.raw({"messages": [{"role": "user", "content": "Go on"}], "max_tokens": 400, "stream": r.random() < 0.7, "n": r.choice([1, 2])})
        if r.random() < 0.7:
            c.settimeout(r.random() / 5)
            try:
                c.recv(r.randrange(1, 2000))
            except TimeoutError:
                pass
        c.close()

    def garbage(self, r):
        c = socket.create_connection(("127.0.0.1", self.s.port), timeout=60)
        c.sendall(r.choice(GARBAGE))
        c.settimeout(0.05)
        try:
            c.recv(1000)
        except (TimeoutError, ConnectionError):
            pass
        c.close()

    def slow(self, r):
        c = self.raw({"messages": [{"role": "user", "content": "Slowly"}], "max_tokens": 60, "stream": True, "logprobs": True, "top_logprobs": 20})
        seen = b""
        while b"[DONE]" not in seen[-40:] and time.monotonic() < self.end:
            time.sleep(0.005)
            piece = c.recv(700)
            assert piece, "the server ended a slow reader's stream"
            seen = seen[-40:] + piece
        c.close()

    def nonsense(self, r):
        body = r.choice([b"{", b"\xff\xff", b"[]", {"messages": 5}, {"messages": [{"role": "user", "content": "w " * 3000}]}, {"temperature": "x"},
                         {"messages": [{"role": "user", "content": "x"}], "grammar": "root ::= root"},
                         {"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 1}}}}])
        c = self.raw(body)
        assert c.recv(12) == b"HTTP/1.1 400", "nonsense was not refused"
        c.close()

    def others(self, r):
        self.s.post("/v1/embeddings", model=self.model, input=[r.choice(PROMPTS)] * r.randrange(1, 4))
        self.s.post("/tokenize", model=self.model, content="x" * r.randrange(1000))
        self.s.get("/v1/models")

    def pace(self, r, clients):
        """Waits so long that all clients together keep to the rate on average."""
        if self.rate:
            time.sleep(max(0, min(r.expovariate(self.rate / clients), self.end - time.monotonic())))

    def client(self, number, clients):
        r = random.Random(f"{self.seed}/{number}")
        kinds = [self.right] * 4 + [self.chat] * 2 + [self.form, self.vanish, self.vanish, self.garbage, self.slow, self.nonsense, self.others]
        while time.monotonic() < self.end and not self.failures:
            self.pace(r, clients)
            kind = r.choice(kinds)
            try:
                kind(r)
            except Exception as e:
                with self.lock:
                    self.failures.append(f"{kind.__name__}: {type(e).__name__}: {e}")
            with self.lock:
                self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1

    def run(self, clients):
        threads = [threading.Thread(target=self.client, args=(i, clients)) for i in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


class MemoryLog:
    """Prints the server's memory, what runs and waits, and what the keys and values take, every so many seconds."""

    def __init__(self, server, seconds):
        self.server, self.seconds, self.done, self.start = server, seconds, threading.Event(), time.monotonic()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.wait(self.seconds):
            running, waiting, pages, cache = (self.server.metric("deepseek_" + name) for name in
                                              ("requests_running", "requests_waiting", "kv_pages", "prefix_cache_bytes"))
            print(f"{time.monotonic() - self.start:7.0f} s  {self.server.memory() / 2**20:7.1f} MiB  running {running:.0f}  waiting {waiting:.0f}  "
                  f"pages {pages:.0f}  cache {cache / 2**20:.1f} MiB", flush=True)

    def __enter__(self):
        if self.seconds:
            self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        if self.seconds:
            self.thread.join()


def half(server, a, seed):
    load = Load(server, a.model, a.seconds / 2, seed, a.rate)
    with MemoryLog(server, a.log):
        load.run(a.clients)
    server.wait_idle()
    if load.failures:
        sys.exit("\n".join(load.failures))
    return load.counts, server.memory()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--clients", type=int, default=24)
    p.add_argument("--rate", type=float, default=0, help="most operations a second, of all clients together; 0: no bound")
    p.add_argument("--log", type=float, default=0, help="seconds between lines of the server's memory; 0: none")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--model", default="deepseek/nano")
    p.add_argument("--growth", type=float, default=64, help="most MiB that the second half may add to memory")
    a = p.parse_args()
    with Server("-m", a.model, "--quiet", "--cache-memory", "16MiB", "--parallel", "8") as s:
        first, middle = half(s, a, a.seed)
        second, end = half(s, a, a.seed + 1)
        assert s.metric("deepseek_requests_running") == s.metric("deepseek_requests_waiting") == 0
        print({k: first.get(k, 0) + second.get(k, 0) for k in sorted({*first, *second})})
        print(f"memory: {middle / 2**20:.1f} MiB half-way, {end / 2**20:.1f} MiB at the end")
        assert end - middle < a.growth * 2**20, "memory grows"
        assert s.stop() == 0, s.log


if __name__ == "__main__":
    main()
