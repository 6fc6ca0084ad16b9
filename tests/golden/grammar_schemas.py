#!/usr/bin/env python3
"""Random JSON schemas, what the command makes of them, and what Python's jsonschema says: grammar_schemas.json.

    grammar_schemas.py DEEPSEEK MODEL > grammar_schemas.json

DEEPSEEK is the command, MODEL any model: one of random weights tries everything. Every finished text must be valid; the script
fails where one is not. The file holds each schema with its texts and with damaged copies of them, each with jsonschema's word:
tests/text/grammar_schema.c expects that the first are taken, and that nothing is taken that is not valid."""
import json
import random
import subprocess
import sys
import tempfile

import jsonschema

rng = random.Random(5)
PATTERNS = ["^[a-z]{2,5}$", "ab?c", "^(foo|bar)-\\d+$", "^[^a-y]{0,3}$", "\\d{3}", "^\\w+@\\w+\\.(com|org)$", "^[A-Z][a-z]*( [A-Z][a-z]*)*$", "x$",
            "^\"\\\\?", "^.{3}$", "[\\u4e00-\\u4e10]", "^\\S+$|^$"]
FORMATS = ["date", "time", "date-time", "uuid", "email", "ipv4", "ipv6", "duration", "hostname", "uri"]
VALUES = [None, True, 0, 1, -7, 2.5, "a", "b", "\"q\\", "\u4f60", [], [1, "x"], {"k": 1}]


def string():
    s = {"type": "string"}
    kind = rng.random()
    if kind < 0.25:
        s["pattern"] = rng.choice(PATTERNS)
    elif kind < 0.4:
        s["format"] = rng.choice(FORMATS)
    elif kind < 0.8:
        low = rng.randint(0, 12)
        if rng.random() < 0.7:
            s["minLength"] = low
        s["maxLength"] = low + rng.randint(0, 20)
    return s


def number():
    s = {"type": rng.choice(["number", "integer"])}
    scale = rng.choice([1, 10, 1000, 10 ** 9])
    low, high = sorted([rng.randint(-scale, scale), rng.randint(-scale, scale)])
    if s["type"] == "number" and rng.random() < 0.4:
        low, high = round(low + rng.choice([0.25, 0.5, 0.1]), 2), round(high + 0.75, 2)
    if rng.random() < 0.4:
        s[rng.choice(["minimum", "exclusiveMinimum"])] = low - 1
    if rng.random() < 0.5:
        s[rng.choice(["maximum", "exclusiveMaximum"])] = high + 1
    return s


def array(depth):
    s = {"type": "array"}
    if rng.random() < 0.3:
        s["prefixItems"] = [schema(depth - 1) for _ in range(rng.randint(1, 3))]
        if rng.random() < 0.5:
            s["items"] = rng.choice([False, schema(depth - 1)])
    else:
        s["items"] = schema(depth - 1)
    low = rng.randint(0, 2)
    if rng.random() < 0.5:
        s["minItems"] = low
        if "items" in s and s["items"] is False:
            s["minItems"] = min(low, len(s["prefixItems"]))
        elif "items" not in s:
            s["minItems"] = min(low, len(s["prefixItems"]))
    s["maxItems"] = low + rng.randint(1, 3)
    return s


def obj(depth):
    s = {"type": "object"}
    names = rng.sample(["a", "ab", "name", "\u540d", "x y", "q\"", "type", "nam"], rng.randint(0, 4))
    if names:
        s["properties"] = {n: schema(depth - 1) for n in names}
        s["required"] = [n for n in names if rng.random() < 0.5]
    if rng.random() < 0.4:
        s["additionalProperties"] = rng.choice([False, True, {"type": "integer"}, {"type": "boolean"}])
    if not names and rng.random() < 0.5:
        s["minProperties"] = rng.randint(0, 2)
        s["maxProperties"] = 2 + rng.randint(0, 2)
        s.pop("additionalProperties", None)
    return s


def schema(depth):
    kind = rng.random()
    if depth <= 0 or kind < 0.3:
        return rng.choice([string, number, lambda: {"type": "boolean"}, lambda: {"type": "null"}, lambda: {"const": rng.choice(VALUES)},
                           lambda: {"enum": rng.sample(VALUES, 3)}, lambda: {"type": ["string", "null"]}])()
    if kind < 0.6:
        return obj(depth)
    if kind < 0.75:
        return array(depth)
    if kind < 0.83:
        return {"anyOf": [schema(depth - 1) for _ in range(rng.randint(1, 3))]}
    if kind < 0.88:
        return {"oneOf": [{"type": "null"}, dict(obj(depth - 1), type="object"), string()]}
    if kind < 0.93:
        low = rng.randint(-5, 5)
        return {"allOf": [{"type": "integer", "minimum": low}, {"type": "number", "maximum": low + rng.randint(0, 30)}]}
    if kind < 0.97:
        return {"allOf": [{"type": "object", "properties": {"a": schema(depth - 1)}, "required": ["a"]},
                          {"properties": {"b": schema(depth - 1)}, "required": ["b"]}]}
    return {"$ref": "#/$defs/tree"}


def whole(depth):
    s = schema(depth)
    if "#/$defs/tree" in json.dumps(s):
        s = dict(s) if "$ref" not in s else {"anyOf": [s]}
        s["$defs"] = {"tree": {"type": "object", "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"},
                               "maxItems": 2}}, "required": ["v"], "additionalProperties": False}}
    return s


def damaged(text):
    i = rng.randrange(len(text))
    kind = rng.random()
    if kind < 0.3:
        return text[:i] + text[i + 1:]
    if kind < 0.6:
        return text[:i] + rng.choice("0123456789abz\"{}[],:-.\\ \u4f60") + text[i:]
    if kind < 0.8:
        return text[:i] + rng.choice("0159abz\"{}[],-") + text[i + 1:]
    return text.replace("\":", "x\":", 1) if "\":" in text else text + text


def valid(checker, text):
    try:
        return checker.is_valid(json.loads(text, parse_constant=lambda c: 1 / 0))
    except (ValueError, ZeroDivisionError):
        return False


def main():
    command, model = sys.argv[1:3]
    out, made = [], 0
    while len(out) < 300:
        s = whole(rng.randint(1, 3))
        checker = jsonschema.Draft202012Validator(s, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(s, f)
            f.flush()
            run = subprocess.run([command, "generate", "-q", "-m", model, "-p", "x", "--json-schema", f.name, "-n", "120", "--temp", "1.2", "--seed",
                                  str(len(out)), "--choices", "8", "--json"], capture_output=True, text=True)
        if run.returncode:
            word = run.stderr.strip().removeprefix("deepseek: ")
            if "nothing can be written" not in word:
                sys.exit(f"{json.dumps(s)}\n{word}")
            continue
        texts = [g["text"] for g in json.loads(run.stdout)["generations"] if g["finish"] == "stop" or valid(checker, g["text"])]
        for t in texts:
            if not valid(checker, t):
                sys.exit(f"not valid: {t}\nby {json.dumps(s, ensure_ascii=False)}\n{list(checker.iter_errors(json.loads(t)))[:1]}")
        texts = sorted(set(texts), key=len)[:3]
        made += len(texts)
        wrong = [d for d in (damaged(t) for t in texts for _ in range(2)) if not valid(checker, d)]
        out.append({"schema": s, "valid": [t for t in texts if len(t) < 300], "invalid": [w for w in wrong if len(w) < 300]})
    print(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('{"schema"', '\n{"schema"'))
    print(f"{len(out)} schemas, {made} texts", file=sys.stderr)


main()
