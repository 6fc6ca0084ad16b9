"""A small JSON Schema validator, for the keywords of tests/golden/grammar_schemas.json without "format"."""
import re

KINDS = {"null": lambda v: v is None, "boolean": lambda v: isinstance(v, bool), "string": lambda v: isinstance(v, str),
         "integer": lambda v: isinstance(v, int) and not isinstance(v, bool) or isinstance(v, float) and v.is_integer(),
         "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool), "array": lambda v: isinstance(v, list),
         "object": lambda v: isinstance(v, dict)}


def same(a, b):
    """Equal as JSON has it: true is not 1, but 1.0 is."""
    if isinstance(a, bool) != isinstance(b, bool) or isinstance(a, list) != isinstance(b, list) or isinstance(a, dict) != isinstance(b, dict):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def size(n, s, what):
    return s.get("min" + what, 0) <= n <= s.get("max" + what, n)


def number(v, s):
    return (v >= s.get("minimum", v) and v <= s.get("maximum", v) and ("exclusiveMinimum" not in s or v > s["exclusiveMinimum"])
            and ("exclusiveMaximum" not in s or v < s["exclusiveMaximum"]))


def array(v, s, root):
    first = s.get("prefixItems", [])
    return (size(len(v), s, "Items") and all(valid(x, p, root) for x, p in zip(v, first))
            and all(valid(x, s.get("items", True), root) for x in v[len(first):]))


def members(v, s, root):
    known = s.get("properties", {})
    return (size(len(v), s, "Properties") and all(k in v for k in s.get("required", []))
            and all(valid(x, known[k] if k in known else s.get("additionalProperties", True), root) for k, x in v.items()))


def valid(v, s, root=None):
    root = s if root is None else root
    if isinstance(s, bool):
        return s
    if "$ref" in s:
        target = root
        for part in s["$ref"].split("/")[1:]:
            target = target[part]
        if not valid(v, target, root):
            return False
    types = s.get("type", list(KINDS))
    return (any(KINDS[t](v) for t in ([types] if isinstance(types, str) else types))
            and ("enum" not in s or any(same(v, e) for e in s["enum"])) and ("const" not in s or same(v, s["const"]))
            and all(valid(v, p, root) for p in s.get("allOf", [])) and ("anyOf" not in s or any(valid(v, p, root) for p in s["anyOf"]))
            and ("oneOf" not in s or sum(valid(v, p, root) for p in s["oneOf"]) == 1)
            and (not isinstance(v, str) or size(len(v), s, "Length") and re.search(s.get("pattern", ""), v, re.ASCII) is not None)
            and (not KINDS["number"](v) or number(v, s)) and (not isinstance(v, list) or array(v, s, root))
            and (not isinstance(v, dict) or members(v, s, root)))
