#!/usr/bin/env python3
"""A stand-in for `deepseek serve` that does what it is told, for the browser test: answers, faults and metrics on order.

The last user message says what happens: "fault:401", "fault:429", "fault:500", "fault:cut" (the connection breaks in mid-answer),
"fault:event" (an error in the stream), "fault:text" (a reply that is no stream), "fault:template" (a model that does not chat),
"slow" (an answer that never ends); anything else is answered with ANSWER. GET /__log tells the requests, POST /__set sets
{"key": ..., "down": ...}.
    mock.py WEB_DIRECTORY [PORT]"""
import http.server
import json
import os
import socket
import sys
import time

ANSWER = """Three things about **bold** text, `code` and [a link](https://example.org/page):

1. The first, with 中文 mixed in.
2. The second:
   - nested one
   - nested two
3. The third.

```python
def greet(name):
    return f"Hello, {name}!"
```

| Word | 词 |
|---|---:|
| water | 水 |
| fire | 火 |

> A quotation. <script>alert(1)</script> [bad](javascript:alert(1))
"""
CHINESE = """床前明月光，疑是地上霜。举头望明月，低头思故乡。

这首诗是**李白**的《静夜思》，用 `20` 个字写出了游子的思乡之情：

- **月光**：像霜一样铺在地上；
- **明月**：抬头所见，引出思念；
- **故乡**：低头所想，点明主题。
"""
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
STATE = {"key": "", "down": False, "log": [], "start": time.time(), "tokens": 0}


def metrics():
    t = time.time() - STATE["start"]
    seen = int(40 * t)
    rows = ["deepseek_requests_running 3", "deepseek_requests_waiting 1", f"deepseek_generated_tokens_total {seen}",
            f"deepseek_prompt_tokens_total {6 * seen}", f"deepseek_cached_tokens_total {4 * seen}", "deepseek_kv_pages 120", "deepseek_kv_pages_max 400"]
    for name, bounds in (("time_to_first_token_seconds", (0.1, 0.5, 1, 5)), ("inter_token_latency_seconds", (0.01, 0.025, 0.05, 0.1))):
        for share, bound in zip((0.2, 0.7, 0.9, 1), bounds):
            rows.append(f'deepseek_{name}_bucket{{model="m",le="{bound}"}} {int(seen * share)}')
        rows.append(f'deepseek_{name}_bucket{{model="m",le="+Inf"}} {seen}')
    return "# HELP x y\n" + "\n".join(rows) + "\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message, code=None, **headers):
        self.reply(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, **headers)

    def admitted(self):
        if STATE["down"]:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        if STATE["key"] and self.headers.get("Authorization") != "Bearer " + STATE["key"]:
            self.refuse(401, "Incorrect API key provided.", "invalid_api_key")
            return False
        return True

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/__log":
            return self.reply(200, STATE["log"])
        if path in ("/v1/models", "/metrics") and not self.admitted():
            return None
        if path == "/v1/models":
            return self.reply(200, {"object": "list", "data": [
                {"id": "deepseek/7b-chat", "object": "model", "chat": True}, {"id": "deepseek/nano", "object": "model", "chat": False}]})
        if path == "/metrics":
            return self.reply(200, metrics(), "text/plain; version=0.0.4")
        return self.file(path)

    def file(self, path):
        name = "index.html" if path == "/" else path[1:]
        full = os.path.join(sys.argv[1], os.path.basename(name))
        if not os.path.isfile(full):
            return self.refuse(404, "not here")
        with open(full, "rb") as f:
            return self.reply(200, f.read(), TYPES[os.path.splitext(full)[1]], Content_Security_Policy="default-src 'self'")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        if self.path == "/__set":
            STATE.update(body)
            return self.reply(200, {})
        STATE["log"].append({"path": self.path, "key": self.headers.get("Authorization"), "body": body})
        if not self.admitted():
            return None
        chat = self.path.endswith("/chat/completions")
        said = body["messages"][-1]["content"] if chat else body["prompt"]
        said = said.split("\n\n")[-1]  # what follows a refused message is joined to it
        return self.fault(said, chat) or self.stream(said, chat, body)

    def fault(self, said, chat):
        faults = {"fault:401": (401, "Wrong key.", None), "fault:429": (429, "The queue is full.", "queue_full"),
                  "fault:500": (500, "The model file has gone.", None), "fault:template": (400, "No template.", "no_chat_template")}
        if said in faults and (chat or said != "fault:template"):
            status, message, code = faults[said]
            self.refuse(status, message, code, **({"Retry_After": "2"} if status == 429 else {}))
            return True
        if said == "fault:text":
            self.reply(200, "<html>a proxy says hello</html>", "text/html")
            return True
        return False

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, value):
        self.chunk(("data: " + (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) + "\n\n").encode())

    def piece(self, text, chat, finish=None):
        choice = {"index": 0, "delta": {"content": text}} if chat else {"index": 0, "text": text}
        self.event({"id": "x", "choices": [{**choice, "finish_reason": finish}], "usage": None})

    def stream(self, said, chat, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.pieces(said, chat, body)
        except OSError:  # the browser has left
            self.close_connection = True

    def pieces(self, said, chat, body):
        text = CHINESE if "诗" in said else ANSWER if chat else ", and the river went on to the sea. 江水东流。"
        if "json" in said:
            text = '{"ok": true}'
        limit = body.get("max_tokens", 10000)
        sent = 0
        while said == "slow":
            self.piece(f"word{sent} ", chat)
            sent += 1
            time.sleep(0.02)
        for at in range(0, len(text), 4):
            if sent == limit:
                break
            self.piece(text[at:at + 4], chat)
            sent += 1
            time.sleep(0.004)
            if said == "fault:cut" and sent == 12:
                time.sleep(0.5)  # a browser may throw away what it has not yet read
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if said == "fault:event" and sent == 12:
                self.event({"error": {"message": "The memory ran out.", "type": "server_error"}})
                break
        self.piece("", chat, "length" if sent == limit else "stop")
        usage = {"prompt_tokens": 20, "completion_tokens": sent, "total_tokens": 20 + sent, "prompt_tokens_details": {"cached_tokens": 12}}
        self.event({"id": "x", "choices": [], "usage": usage})
        self.event("[DONE]")
        self.chunk(b"")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
