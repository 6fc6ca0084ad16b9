"""A `deepseek serve` for tests, and a plain HTTP client for it."""
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

DEEPSEEK = os.environ.get("DEEPSEEK", "build/deepseek")
SOURCE = os.environ.get("DS_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
STORIES = os.path.join(SOURCE, "../shared/data/stories260k_llama/stories260Ktok512.gguf")


def make_tiny(path, seed=1):
    subprocess.run([DEEPSEEK, "init", "--config", "tiny", "--dtype", "f32", "--seed", str(seed), path], check=True, capture_output=True)
    return path


@contextlib.contextmanager
def edited(path):
    """A JSON file's value, which is written back."""
    with open(path, encoding="utf-8") as f:
        value = json.load(f)
    yield value
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def make_with_tokens(path, names, special=True):
    """The tiny model as a Hugging Face directory whose vocabulary has these tokens in place of its last ones."""
    make_tiny(path)
    with edited(os.path.join(path, "tokenizer.json")) as tokenizer:
        vocab = tokenizer["model"]["vocab"]
        for old, token in zip(list(vocab)[-len(names):], names):
            vocab[token] = vocab.pop(old)
            tokenizer["added_tokens"].append(dict(tokenizer["added_tokens"][0], id=vocab[token], content=token, special=special))
    return path


def make_thinking(path, opens):
    """The tiny model as a Hugging Face directory with a template of thoughts; `opens`: its prompts end inside one."""
    make_with_tokens(path, ["</think>"], special=False)
    with edited(os.path.join(path, "config.json")) as config:
        config["max_position_embeddings"] = 1024
    begin = "<think>\n" if opens else ""
    with edited(os.path.join(path, "tokenizer_config.json")) as config:
        config["chat_template"] = ("{% for m in messages %}{{ m.role }}: {{ m.content.split('</think>')[-1] }}\n{% endfor %}"
                                   "{% if add_generation_prompt %}assistant: " + begin + "{% endif %}")
    return path


class Server:
    """with Server("-m", model) as s: s.post("/v1/completions", prompt="x")"""

    def __init__(self, *args):
        self.process = subprocess.Popen([DEEPSEEK, "serve", "--port", "0", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log, self.port = [], None
        for line in self.process.stdout:
            self.log.append(line)
            found = re.search(r"http://[^ ]*:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        if self.port is None:
            raise RuntimeError("the server did not start:\n" + "".join(self.log))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.log.append(line)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("the server's status:", self.process.poll(), "its last lines:", *self.log[-20:], file=sys.stderr)
        self.stop()

    def stop(self):
        """Ends it, as a supervisor would; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(60)
        self.reader.join(10)
        self.process.stdout.close()
        return status

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def request(self, method, path, body=None, headers=None):
        """(status, headers, JSON or text)"""
        with contextlib.closing(self.connect()) as c:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            c.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            r = c.getresponse()
            text = r.read().decode()
            return r.status, r.headers, json.loads(text) if "json" in r.headers.get("Content-Type", "") else text

    def get(self, path):
        return self.request("GET", path)[2]

    def post(self, path, **fields):
        status, _, answer = self.request("POST", path, fields)
        if status != 200:
            raise AssertionError(f"{path}: {status} {answer}")
        return answer

    def events(self, path, **fields):
        """The data of a stream's events, as they come; ends at [DONE]."""
        with contextlib.closing(self.connect()) as c:
            c.request("POST", path, json.dumps(dict(fields, stream=True)), {"Content-Type": "application/json"})
            r = c.getresponse()
            if r.status != 200:
                raise AssertionError(f"{path}: {r.status} {r.read()}")
            assert r.headers["Content-Type"].startswith("text/event-stream"), r.headers
            for line in r:
                line = line.decode().rstrip("\n")  # strict: no character is cut
                if line == "data: [DONE]":
                    assert r.read() == b"\n"
                    return
                if line and not line.startswith(":"):  # a comment is a sign of life
                    assert line.startswith("data: "), line
                    yield json.loads(line[6:])
            raise AssertionError("the stream ended without [DONE]")

    def metric(self, name):
        """The sum of a metric over its labels."""
        found = [float(line.split()[-1]) for line in self.get("/metrics").splitlines() if re.match(re.escape(name) + r"(\{|\s)", line)]
        if not found:
            raise AssertionError(f"no metric {name}")
        return sum(found)

    def wait_idle(self, seconds=30):
        """Until no request runs or waits."""
        end = time.monotonic() + seconds
        while self.metric("deepseek_requests_running") + self.metric("deepseek_requests_waiting"):
            if time.monotonic() > end:
                raise AssertionError("requests are still running")
            time.sleep(0.02)

    def memory(self):
        """Resident bytes of the server."""
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def scratch():
    return tempfile.TemporaryDirectory(prefix="deepseek-serve-")
