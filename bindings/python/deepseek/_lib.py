"""The C library through ctypes: finding it, its structs and functions (include/deepseek/*.h), its errors."""

import ctypes
import math
import os
import signal
import threading
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t,
                    c_uint64, c_uint, c_void_p, sizeof)
from typing import Any

from ._errors import error

_HERE = os.path.dirname(os.path.abspath(__file__))


def _load() -> ctypes.CDLL:
    """$DEEPSEEK_LIBRARY, else the library that is bundled with this package, else the system's."""
    named = os.environ.get("DEEPSEEK_LIBRARY")
    bundled = os.path.join(_HERE, "lib", "libdeepseek.so.0")
    try:
        return ctypes.CDLL(named or (bundled if os.path.exists(bundled) else "libdeepseek.so.0"))
    except OSError as e:
        raise ImportError(f"libdeepseek cannot be loaded: {e}. Install the wheel, or set DEEPSEEK_LIBRARY to libdeepseek.so") from None


lib = _load()

ProgressFn = CFUNCTYPE(c_int, c_void_p, c_char_p, c_uint64, c_uint64)


class TextEvent(Structure):
    _fields_ = [("prompt", c_int64), ("choice", c_int64), ("text", c_void_p), ("n", c_size_t), ("n_token", c_int64), ("finish", c_int)]


TextFn = CFUNCTYPE(c_int, c_void_p, POINTER(TextEvent))


class ModelOptions(Structure):
    _fields_ = [("size", c_size_t), ("threads", c_int), ("dtype", c_int), ("kv_dtype", c_int), ("memory", c_uint64), ("context", c_int64),
                ("isa", c_char_p), ("progress", ProgressFn), ("user", c_void_p), ("device", c_char_p)]

    def __init__(self) -> None:
        super().__init__(size=sizeof(ModelOptions), dtype=-1, kv_dtype=-1)


class ModelInfo(Structure):
    _fields_ = [("size", c_size_t), ("architecture", c_char_p), ("isa", c_char_p), ("threads", c_int), ("n_layer", c_int64),
                ("d_model", c_int64), ("n_head", c_int64), ("n_kv_head", c_int64), ("head_dim", c_int64), ("d_ff", c_int64),
                ("n_vocab", c_int64), ("max_position", c_int64), ("parameters", c_int64), ("context", c_int64), ("dtype", c_int),
                ("kv_dtype", c_int), ("weight_bytes", c_uint64), ("resident_bytes", c_uint64), ("token_bytes", c_uint64),
                ("kv_token_bytes", c_uint64), ("streamed_layers", c_int64)]


class Sampling(Structure):
    _fields_ = [("size", c_size_t), ("temperature", c_double), ("top_k", c_int64), ("top_p", c_double), ("min_p", c_double),
                ("repetition_penalty", c_double), ("presence_penalty", c_double), ("frequency_penalty", c_double), ("bias", c_void_p),
                ("n_bias", c_int64), ("seed", c_uint64), ("stream", c_uint64), ("grammar", c_void_p)]

    def __init__(self) -> None:
        nan = math.nan
        super().__init__(size=sizeof(Sampling), temperature=nan, top_k=-1, top_p=nan, min_p=nan, repetition_penalty=nan,
                         presence_penalty=nan, frequency_penalty=nan)


class Prompt(Structure):
    _fields_ = [("text", c_char_p), ("n", c_size_t), ("token", POINTER(c_int32)), ("n_token", c_int64)]


class GenerateOptions(Structure):
    _fields_ = [("size", c_size_t), ("sampling", POINTER(Sampling)), ("max_new_tokens", c_int64), ("max_length", c_int64),
                ("stop", POINTER(c_char_p)), ("n_stop", c_int64), ("n_choice", c_int64), ("logprobs", c_int), ("echo", c_bool),
                ("no_special", c_bool), ("no_bos", c_bool), ("ignore_eos", c_bool), ("batch", c_int64), ("on_text", TextFn),
                ("progress", ProgressFn), ("user", c_void_p), ("show_special", c_bool)]

    def __init__(self) -> None:
        super().__init__(size=sizeof(GenerateOptions), max_new_tokens=-1, max_length=-1, n_choice=1, logprobs=-1)


class CGeneration(Structure):
    _fields_ = [("prompt", c_int64), ("choice", c_int64), ("n_prompt_token", c_int64), ("token", POINTER(c_int32)), ("n_token", c_int64),
                ("text", c_void_p), ("n_text", c_size_t), ("finish", c_int), ("stop_token", c_int32), ("stop_string", c_char_p),
                ("logprob", POINTER(c_float)), ("top", c_void_p)]


class CGenerated(Structure):
    _fields_ = [("n", c_int64), ("item", POINTER(CGeneration)), ("prompt_tokens", c_int64), ("generated_tokens", c_int64),
                ("prompt_seconds", c_double), ("decode_seconds", c_double), ("decoded_tokens", c_int64), ("seed", c_uint64)]


class HubOpts(Structure):
    _fields_ = [("size", c_size_t), ("source", c_char_p), ("revision", c_char_p), ("include", c_void_p), ("n_include", c_int),
                ("cache_dir", c_char_p), ("endpoint", c_char_p), ("token", c_char_p), ("connections", c_int), ("no_weights", c_bool),
                ("download", c_bool), ("dry_run", c_bool), ("progress", ProgressFn), ("user", c_void_p)]

    def __init__(self) -> None:
        super().__init__(size=sizeof(HubOpts))


class ChatOpts(Structure):
    _fields_ = [("size", c_size_t), ("tools", c_char_p), ("variables", c_char_p), ("add_generation_prompt", c_bool),
                ("continue_final", c_bool), ("now", c_double)]

    def __init__(self) -> None:
        super().__init__(size=sizeof(ChatOpts), add_generation_prompt=True)


_STATUS = {  # functions that return a ds_status: their arguments
    "ds_model_open": [POINTER(c_void_p), c_char_p, POINTER(ModelOptions)],
    "ds_generate": [c_void_p, POINTER(Prompt), c_int64, POINTER(GenerateOptions), POINTER(POINTER(CGenerated))],
    "ds_text_stream_open": [POINTER(c_void_p), c_void_p, POINTER(Prompt), POINTER(GenerateOptions)],
    "ds_text_stream_step": [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_bool)],
    "ds_prompt_encode": [c_void_p, c_char_p, c_size_t, POINTER(GenerateOptions), POINTER(POINTER(c_int32)), POINTER(c_int64)],
    "ds_model_score": [c_void_p, POINTER(c_int32), c_int64, POINTER(c_float), ProgressFn, c_void_p],
    "ds_model_embed": [c_void_p, POINTER(c_int32), c_int64, POINTER(c_float), ProgressFn, c_void_p],
    "ds_tokenizer_open": [POINTER(c_void_p), c_char_p],
    "ds_tokenizer_encode": [c_void_p, c_char_p, c_size_t, c_uint, POINTER(POINTER(c_int32)), POINTER(c_int64)],
    "ds_tokenizer_decode": [c_void_p, POINTER(c_int32), c_int64, c_uint, POINTER(c_void_p), POINTER(c_size_t)],
    "ds_chat_template_open": [POINTER(c_void_p), c_char_p, c_char_p],
    "ds_chat_template_parse": [POINTER(c_void_p), c_char_p, c_size_t, c_char_p, c_char_p],
    "ds_chat_render": [c_void_p, c_char_p, POINTER(ChatOpts), POINTER(c_void_p), POINTER(c_size_t)],
    "ds_grammar_from_gbnf": [POINTER(c_void_p), c_void_p, c_char_p, c_size_t],
    "ds_grammar_from_json_schema": [POINTER(c_void_p), c_void_p, c_char_p, c_size_t],
    "ds_grammar_json_object": [POINTER(c_void_p), c_void_p],
    "ds_hub_resolve": [c_char_p, POINTER(HubOpts), POINTER(c_void_p)],
    "ds_dtype_parse": [c_char_p, POINTER(c_int)],
    "ds_parse_bytes": [c_char_p, POINTER(c_uint64)],
}
_OTHERS = {  # the others: result, arguments
    "ds_error": (c_char_p, []),
    "ds_version": (c_char_p, []),
    "ds_status_name": (c_char_p, [c_int]),
    "ds_free": (None, [c_void_p]),
    "ds_model_close": (None, [POINTER(c_void_p)]),
    "ds_model_about": (None, [c_void_p, POINTER(ModelInfo)]),
    "ds_model_tokenizer": (c_void_p, [c_void_p]),
    "ds_generated_free": (None, [POINTER(POINTER(CGenerated))]),
    "ds_text_stream_cancel": (None, [c_void_p]),
    "ds_text_stream_so_far": (POINTER(CGeneration), [c_void_p]),
    "ds_text_stream_close": (None, [POINTER(c_void_p)]),
    "ds_finish_name": (c_char_p, [c_int]),
    "ds_dtype_name": (c_char_p, [c_int]),
    "ds_tokenizer_close": (None, [POINTER(c_void_p)]),
    "ds_tokenizer_size": (c_int32, [c_void_p]),
    "ds_tokenizer_piece": (c_void_p, [c_void_p, c_int32, POINTER(c_size_t)]),
    "ds_tokenizer_id": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "ds_tokenizer_is_special": (c_bool, [c_void_p, c_int32]),
    "ds_tokenizer_bos": (c_int32, [c_void_p]),
    "ds_tokenizer_eos": (c_int32, [c_void_p]),
    "ds_tokenizer_pad": (c_int32, [c_void_p]),
    "ds_tokenizer_unk": (c_int32, [c_void_p]),
    "ds_tokenizer_adds_bos": (c_bool, [c_void_p]),
    "ds_chat_template_writes_bos": (c_bool, [c_void_p]),
    "ds_grammar_free": (None, [POINTER(c_void_p)]),
    "ds_chat_template_close": (None, [POINTER(c_void_p)]),
}
for _name, _args in _STATUS.items():
    _f = getattr(lib, _name)
    _f.restype, _f.argtypes = c_int, _args
for _name, (_result, _args) in _OTHERS.items():
    _f = getattr(lib, _name)
    _f.restype, _f.argtypes = _result, _args


def check(status: int) -> None:
    """Raises what a status stands for, with the calling thread's sentence."""
    if status:
        raise error(status, lib.ds_status_name(status).decode(), lib.ds_error().decode("utf-8", "replace"))


class Interruptible:
    """Around a call of the library that calls back. Python would raise KeyboardInterrupt at a callback's first instruction, before any
    `try`, where ctypes drops it; so Ctrl-C is only noted (callbacks end the call when it was `asked` for) and raised after the call."""

    def __init__(self) -> None:
        self._pending: Any = None
        self._handler: Any = None

    def _note(self, number: int, frame: Any) -> None:
        self._pending = (number, frame)

    def asked(self) -> bool:
        return self._pending is not None

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                signal.signal(signal.SIGINT, self._note)
                self._handler = handler
        return self

    def __exit__(self, *exc: Any) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            if self._pending:
                self._handler(*self._pending)


def version() -> str:
    return lib.ds_version().decode()


def take_bytes(text: c_void_p, n: c_size_t) -> bytes:
    """Bytes that the library handed over; they are released."""
    out = ctypes.string_at(text.value, n.value)
    lib.ds_free(text)
    return out


def take_ids(ids, n: c_int64) -> list:
    out = ids[: n.value] if n.value else []
    lib.ds_free(ctypes.cast(ids, c_void_p))
    return out


def id_array(ids) -> ctypes.Array:
    return (c_int32 * len(ids))(*ids)


def dtype_number(name) -> int:
    """"bf16", None, or something whose name ends that way, such as torch.bfloat16."""
    if name is None or name == "auto":
        return -1
    text = str(name).rsplit(".", 1)[-1]
    text = {"float32": "f32", "float16": "f16", "half": "f16", "bfloat16": "bf16", "float": "f32"}.get(text, text)
    out = c_int()
    check(lib.ds_dtype_parse(text.encode(), byref(out)))
    return out.value


def hub_resolve(name, revision=None, cache_dir=None, token=None, local_files_only=False, no_weights=False, source=None, progress=None) -> str:
    """The path of a model by name, downloading what is missing unless local_files_only."""
    o = HubOpts()
    o.revision, o.cache_dir, o.token, o.source = (None if s is None else os.fsencode(s) for s in (revision, cache_dir, token, source))
    o.download, o.no_weights = not local_files_only, no_weights
    path, interruptible = c_void_p(), Interruptible()
    o.progress = progress or ProgressFn(lambda *_: interruptible.asked())
    with interruptible:
        check(lib.ds_hub_resolve(os.fsencode(name), byref(o), byref(path)))
    out = ctypes.string_at(path.value)
    lib.ds_free(path)
    return os.fsdecode(out)
