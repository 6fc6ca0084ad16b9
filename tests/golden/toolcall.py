#!/usr/bin/env python3
"""Answers with tool calls, and what SGLang's parsers (function_call/*_detector.py) find in them: toolcall.json.

    pip download --no-deps -d W sglang==0.5.23 && unzip -d W/sglang-src W/sglang-*.whl
    toolcall.py LIBDEEPSEEK.so W/sglang-src > toolcall.json      # needs pydantic, partial-json-parser, orjson, jsonschema

Half of the answers are walks through the grammars of ds_tools_grammar: their arguments must be valid by Python's jsonschema, else
the script fails. The other half is written here, by each format's documentation. tests/text/toolcall.c parses them all, cut at
every byte."""
import ctypes
import json
import os
import random
import sys
import types

import jsonschema
from pydantic import BaseModel

LIB, SGLANG = sys.argv[1:]
sys.path.insert(0, SGLANG)


def stub(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)


class Function(BaseModel):
    name: str
    description: str = ""
    parameters: dict | None = None
    strict: bool = False


class Tool(BaseModel):
    type: str = "function"
    function: Function


class Anything:
    def __getattr__(self, name):
        return Anything()

    def get(self):
        return False


for package in ["sglang", "sglang.srt", "sglang.srt.function_call", "sglang.srt.entrypoints", "sglang.srt.entrypoints.openai"]:
    stub(package, __path__=[os.path.join(SGLANG, *package.split("."))])
stub("sglang.srt.entrypoints.openai.protocol", Tool=Tool, ToolChoice=object)
stub("sglang.srt.environ", envs=Anything(), ToolStrictLevel=Anything())

from sglang.srt.function_call.deepseekv3_detector import DeepSeekV3Detector
from sglang.srt.function_call.deepseekv31_detector import DeepSeekV31Detector
from sglang.srt.function_call.llama32_detector import Llama32Detector
from sglang.srt.function_call.mistral_detector import MistralDetector
from sglang.srt.function_call.qwen25_detector import Qwen25Detector

DETECTORS = {"deepseek-v3": DeepSeekV3Detector, "deepseek-v3.1": DeepSeekV31Detector, "hermes": Qwen25Detector, "generic": Qwen25Detector,
             "llama3": Llama32Detector, "mistral": MistralDetector, "mistral-args": MistralDetector}


def tool(name, **parameters):
    return {"type": "function", "function": {"name": name, "description": "about " + name, "parameters": parameters}}


TOOLS = [
    tool("get_weather", type="object", required=["city"],
         properties={"city": {"type": "string", "minLength": 1, "maxLength": 12}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}),
    tool("search-2", type="object", required=["query", "filters"],
         properties={"query": {"type": "string"}, "filters": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/filter"}}},
         **{"$defs": {"filter": {"type": "object", "properties": {"key": {"type": "string"}, "value": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
                                 "required": ["key", "value"], "additionalProperties": False}}}),
    tool("now", type="object", properties={}),
]
SCHEMA = {t["function"]["name"]: t["function"]["parameters"] for t in TOOLS}

# ---- the library ----

lib = ctypes.CDLL(LIB)
lib.ds_error.restype = ctypes.c_char_p
lib.ds_grammar_done.restype = ctypes.c_bool
lib.ds_grammar_over.restype = ctypes.c_bool


class Choice(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("none", ctypes.c_bool), ("required", ctypes.c_bool), ("parallel", ctypes.c_bool),
                ("reasoning", ctypes.c_bool), ("function", ctypes.c_char * 65)]


def check(status):
    if status:
        raise SystemExit(lib.ds_error().decode())


def grammar(format, **choice):
    tools, g = ctypes.c_void_p(), ctypes.c_void_p()
    check(lib.ds_tools_open(ctypes.byref(tools), json.dumps(TOOLS).encode(), format.encode()))
    c = Choice(size=ctypes.sizeof(Choice), **choice)
    check(lib.ds_tools_grammar(ctypes.byref(g), tools, None, ctypes.byref(c)))
    return g


rng = random.Random(11)
FAVOURED = b'"}]:, abcxyz019.\xe4\xb8\xad'


def walk(g, begin=b"", most=400):
    """A text of the grammar, byte by byte."""
    s = ctypes.c_void_p()
    check(lib.ds_grammar_state_create(ctypes.byref(s), g))
    text = bytearray(begin)
    check(lib.ds_grammar_accept_text(s, bytes(text), ctypes.c_size_t(len(text))))
    while not lib.ds_grammar_over(s) and not (lib.ds_grammar_done(s) and rng.random() < 0.6):
        hurry = len(text) > most
        order = list(b'"}]') if hurry else []
        order += rng.sample(FAVOURED, len(FAVOURED)) + rng.sample(range(256), 256)
        for byte in order:
            if lib.ds_grammar_accept_text(s, bytes([byte]), ctypes.c_size_t(1)) == 0:
                text.append(byte)
                break
        else:
            raise SystemExit("no byte goes on after %r" % bytes(text))
    lib.ds_grammar_state_free(ctypes.byref(s))
    return text.decode()


# ---- answers by each format's documentation ----

CB, CE, SB, SE, SEP = ("<｜tool▁%s｜>" % s for s in ["calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep"])


def write(format, calls, compact):
    dump = lambda v: json.dumps(v, ensure_ascii=False, separators=(",", ":") if compact else None)
    both = lambda n, a, word="arguments": dump({"name": n, word: a})
    if format == "deepseek-v3":
        return CB + "\n".join(f"{SB}function{SEP}{n}\n```json\n{dump(a)}\n```{SE}" for n, a in calls) + CE
    if format == "deepseek-v3.1":
        return CB + "".join(f"{SB}{n}{SEP}{dump(a)}{SE}" for n, a in calls) + CE
    if format == "llama3":
        return ";".join(both(n, a, "parameters") for n, a in calls)
    if format == "mistral":
        return "[TOOL_CALLS] [" + ", ".join(both(n, a) for n, a in calls) + "]"
    if format == "mistral-args":
        return "".join(f"[TOOL_CALLS]{n}[ARGS]{dump(a)}" for n, a in calls)
    return "\n".join(f"<tool_call>\n{both(n, a)}\n</tool_call>" for n, a in calls)


CALLS = [
    [("now", {})],
    [("get_weather", {"city": "Paris"})],
    [("get_weather", {"city": "北京", "unit": "c"}), ("now", {}), ("get_weather", {"city": "São Paulo", "days": 3})],
    [("search-2", {"query": "a \"quoted\" {brace} and a \\ <tag>\n", "filters": [{"key": "k", "value": None}, {"key": "[]", "value": -1.5e3}]})],
]
BEFORE = ["", "I will look that up.", "先看看天气：a < b [1]\n\n"]
PLAIN = ["No tools are needed: 1 < 2, [x], {y} 😀.", "{\"answer\": 42}", "<tool", "[TOOL", "a\n\n", " "]


def reference(format, text):
    d = DETECTORS[format]()
    if format == "mistral":  # SGLang knows the older models' space only
        text = text.replace("[TOOL_CALLS][{", "[TOOL_CALLS] [{")
    r = d.detect_and_parse(text, [Tool(**t) for t in TOOLS])
    if format == "llama3" and not r.calls:  # SGLang drops JSON that is no call; here it is an answer
        return text, []
    return r.normal_text or "", [[c.name, json.loads(c.parameters)] for c in r.calls]


def case(format, text, choice=None):
    content, calls = reference(format, text)
    for name, arguments in calls if choice else []:
        jsonschema.validate(arguments, SCHEMA[name])
    if choice and choice.get("required") and not calls:
        raise SystemExit("no call in %r" % text)
    return {"format": format, "text": text, "content": content.strip(), "calls": calls, "choice": choice}


def main():
    out, walked = [], 0
    for format in DETECTORS:
        for before in BEFORE:
            if before and format == "llama3":
                continue
            for calls in CALLS:
                for compact in [False, True]:
                    out.append(case(format, before + write(format, calls, compact)))
        out += [case(format, text) for text in PLAIN]
        for choice in [{"required": True, "parallel": True}, {"required": True, "parallel": False}, {"required": True, "parallel": True, "function": "search-2"},
                       {"required": False, "parallel": True}]:
            g = grammar(format, **{k: v.encode() if isinstance(v, str) else v for k, v in choice.items()})
            for i in range(6):
                begin = "" if choice["required"] or i % 2 else write(format, CALLS[1], False)[:5 if format == "llama3" else 17]
                text = walk(g, begin.encode())
                out.append(case(format, text, choice))
                walked += len(out[-1]["calls"])
    print(f"{len(out)} answers, {walked} calls from walks, all valid", file=sys.stderr)
    print(json.dumps({"tools": TOOLS}, ensure_ascii=False)[:-1] + ', "answers": [')
    print(",\n".join(json.dumps(c, ensure_ascii=False) for c in out) + "\n]}")


main()
