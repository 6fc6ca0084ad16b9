"""AutoModel: a checkpoint in memory, and all that can be asked of it."""

import asyncio
import codecs
import ctypes
import json
import math
import os
import secrets
import threading
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_uint64, c_void_p, sizeof
from typing import Any, Awaitable, Callable, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from ._errors import DeepseekError, DeviceError, UnsupportedError
from ._lib import (CGenerated, GenerateOptions, Interruptible, ModelInfo, ModelOptions, ProgressFn, Prompt, Sampling, TextFn, check, dtype_number, hub_resolve,
                   id_array, lib, take_ids)
from ._stream import AsyncStream, NativeStream, Stream
from ._tokenizer import AutoTokenizer, Messages, render

Ids = Sequence[int]
Input = Union[str, Ids]


class Generation(NamedTuple):
    """One continuation in full; generate(..., return_dict_in_generate=True)."""

    text: str  # the continuation
    ids: List[int]  # every token drawn, an end-of-text token included
    n_prompt: int  # tokens of the prompt
    finish: str  # "stop", "length" or "cancelled"
    prompt: int  # which prompt of a batch
    choice: int  # which of its num_return_sequences
    seed: int
    logprobs: Optional[List[float]] = None  # of every token drawn, when output_logprobs


class Score(NamedTuple):
    ids: List[int]
    logprobs: List[float]  # natural; that of the first token is 0, for nothing comes before it

    @property
    def perplexity(self) -> float:
        n = len(self.logprobs) - 1
        return math.exp(-sum(self.logprobs) / n) if n else math.nan


class AutoModel:
    """A language model. Make one with from_pretrained; it may be used from several threads, and closes itself when it is dropped or
    at the end of a `with` block."""

    def __init__(self, handle: c_void_p, path: str, name: str) -> None:
        self._handle, self._path, self.name_or_path = handle, path, name
        self._using, self._closing = 0, False
        self._streams: Set[NativeStream] = set()  # that are open
        self._idle = threading.Condition()

    @classmethod
    def from_pretrained(cls, name_or_path: Union[str, "os.PathLike[str]"], *, device: str = "auto", dtype: Any = None,
                        kv_dtype: Any = None, threads: int = 0, context: int = 0, memory: Union[int, str] = 0,
                        revision: Optional[str] = None, cache_dir: Optional[str] = None, token: Optional[str] = None,
                        local_files_only: bool = False, source: Optional[str] = None,
                        progress: Optional[Callable[[str, int, int], Any]] = None) -> "AutoModel":
        """Opens a model: a Hugging Face directory, a .gguf file, or a name such as "deepseek/7b" or "org/name@revision", which is
        found in the caches of this machine or downloaded.

        device: "auto", "cpu", or "cuda" (an error that lists the devices where there is none). dtype: weights become this type on
        load ("bf16", "q8_0", "q4_k", ...; None = as stored). threads: 0 = one per processor. context: longest sequence in tokens,
        0 = the model's own. memory: most bytes for weights and cache, or a text such as "12GiB"; what does not fit streams from
        disk. progress: called with (what, done, total); returning False stops."""
        o, handle = ModelOptions(), c_void_p()
        caught: List[BaseException] = []
        o.device = str(device).encode()
        o.dtype, o.kv_dtype = dtype_number(dtype), dtype_number(kv_dtype)
        o.threads, o.context, o.memory = threads, context, _bytes(memory)
        interruptible = Interruptible()
        o.progress = ProgressFn(_guard_progress(progress, caught, interruptible.asked))
        if str(device).split(":")[0] not in ("auto", "cpu"):  # before anything is downloaded
            _check_device(o)
        try:
            with interruptible:
                path = hub_resolve(name_or_path, revision, cache_dir, token, local_files_only, source=source, progress=o.progress)
                check(lib.ds_model_open(byref(handle), os.fsencode(path), byref(o)))
        except DeepseekError:
            if caught:
                raise caught[0] from None
            raise
        return cls(handle, path, os.fspath(name_or_path))

    # ---- life ----

    def _enter(self) -> c_void_p:
        with self._idle:
            if self._closing or not self._handle:
                raise ValueError("this model is closed")
            self._using += 1
            return self._handle

    def _leave(self) -> None:
        with self._idle:
            self._using -= 1
            self._idle.notify_all()

    def close(self) -> None:
        """Stops what runs on it, then releases its memory."""
        with self._idle:
            self._closing = True
            self._idle.wait_for(lambda: self._using == 0)
            self._release()

    def _release(self) -> None:
        for s in list(self._streams):
            s.close()
        lib.ds_model_close(byref(self._handle))

    def __enter__(self) -> "AutoModel":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) and lib is not None:
            self._release()

    # ---- what it is ----

    @property
    def config(self) -> dict:
        """What the model is: architecture, sizes, types, memory."""
        info = ModelInfo(size=sizeof(ModelInfo))
        handle = self._enter()
        try:
            lib.ds_model_about(handle, byref(info))
            out = {name: getattr(info, name) for name, *_ in ModelInfo._fields_ if name != "size"}
            for name in ("architecture", "isa"):
                out[name] = out[name].decode()
            for name in ("dtype", "kv_dtype"):
                out[name] = lib.ds_dtype_name(out[name]).decode()
            return out
        finally:
            self._leave()

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def tokenizer(self) -> AutoTokenizer:
        handle = self._enter()
        try:
            t = lib.ds_model_tokenizer(handle)
            if not t:
                check(3)
            return AutoTokenizer(c_void_p(t), self._path, owner=self)
        finally:
            self._leave()

    # ---- generation ----

    def generate(self, inputs: Union[Input, Sequence[Input]], *, max_length: Optional[int] = None, max_new_tokens: Optional[int] = None,
                 do_sample: Optional[bool] = None, temperature: Optional[float] = None, top_k: Optional[int] = None,
                 top_p: Optional[float] = None, min_p: Optional[float] = None, repetition_penalty: Optional[float] = None,
                 presence_penalty: Optional[float] = None, frequency_penalty: Optional[float] = None, seed: Optional[int] = None,
                 stop: Union[str, Sequence[str], None] = None, num_return_sequences: int = 1, ignore_eos: bool = False,
                 add_special_tokens: bool = True, return_full_text: Optional[bool] = None, return_dict_in_generate: bool = False,
                 output_logprobs: bool = False, json_schema: Union[dict, bool, str, None] = None, json_object: bool = False,
                 grammar: Optional[str] = None, show_special: bool = False, stream: Union[bool, Callable[[str], Any]] = False,
                 cancel: Optional[threading.Event] = None) -> Any:
        """Continues a text, a list of ids, or a batch (list) of either.

        A text gives the continuation as a text; return_full_text=True puts the prompt before it. Ids give ids, the prompt's first;
        return_full_text=False leaves them out. A batch gives a list, num_return_sequences > 1 as well.
        max_length counts the prompt, max_new_tokens does not, and wins. Without either: what generation_config.json says, else
        until the context is full. do_sample=False is greedy; True samples, at temperature 1 unless told otherwise; None does what
        the other options and generation_config.json say. seed: the same one gives the same text; None = a new one.
        stream=True gives an iterator over pieces of text (a Stream); a function is called with each piece, and stops the text by
        returning False. json_schema (a dict, or its JSON), json_object=True or grammar (GBNF): only text of that form comes out.
        show_special: special tokens are part of the text, except one that ends it. cancel: an event that ends the work from another thread. return_dict_in_generate gives Generation
        objects, with logprobs if output_logprobs."""
        options = dict(locals())
        del options["self"], options["stream"], options["inputs"], options["cancel"]
        job = _Job(inputs, options)
        if stream is True:
            if job.several:
                raise ValueError("stream=True takes one prompt: use a function, or one Stream for each prompt")
            return Stream(job.open(self, cancel.is_set if cancel else _never))
        return job.run(self, stream or None, (cancel,), final=True)

    def generate_async(self, inputs: Union[Input, Sequence[Input]], *, stream: bool = False, **options: Any) -> Any:
        """generate for asyncio: `await` it, or with stream=True iterate over it with `async for`. Cancelling the task ends the text."""
        if stream:
            job = _Job(inputs, options)
            return AsyncStream(lambda put, stop: job.run(self, put, (stop,)))
        return self._awaitable(lambda event: self.generate(inputs, cancel=event, **options))

    async def _awaitable(self, work: Callable[[threading.Event], Any]) -> Any:
        event = threading.Event()
        future = asyncio.get_running_loop().run_in_executor(None, work, event)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            event.set()
            raise

    def chat(self, messages: Union[str, Messages], *, tools: Any = None, template_variables: Optional[dict] = None, **options: Any) -> Any:
        """The assistant's answer to messages ({"role", "content"} each, or just a question), in the model's own chat format. Options
        as for generate."""
        return self.generate(*self._chat_prompt(messages, tools, template_variables, options), **options)

    def chat_async(self, messages: Union[str, Messages], *, tools: Any = None, template_variables: Optional[dict] = None, **options: Any) -> Any:
        return self.generate_async(*self._chat_prompt(messages, tools, template_variables, options), **options)

    def _chat_prompt(self, messages: Any, tools: Any, variables: Optional[dict], options: dict) -> Tuple[str]:
        text, has_bos = render(self._path, messages, tools, **(variables or {}))
        options.setdefault("add_special_tokens", not has_bos)
        return (text,)

    # ---- numbers ----

    def _encode(self, handle: c_void_p, text: Input, add_special_tokens: bool) -> List[int]:
        if not isinstance(text, str):
            return _ids(text)
        o, ids, n, raw = GenerateOptions(), POINTER(c_int32)(), c_int64(), text.encode("utf-8", "surrogateescape")
        o.no_bos = not add_special_tokens
        check(lib.ds_prompt_encode(handle, raw, len(raw), byref(o), byref(ids), byref(n)))
        return take_ids(ids, n)

    def _numbers(self, call: Any, width: Optional[int], text: Input, add_special_tokens: bool) -> Tuple[List[int], List[float]]:
        handle = self._enter()
        try:
            ids = self._encode(handle, text, add_special_tokens)
            out = (c_float * max(1, width or len(ids)))()
            with Interruptible() as i:
                progress = ProgressFn(_guard_progress(None, [], lambda: self._closing or i.asked()))
                status = call(handle, id_array(ids), len(ids), out, progress, None)
            check(status)
            return ids, list(out)
        finally:
            self._leave()

    def score(self, text: Input, add_special_tokens: bool = True) -> Score:
        """The natural log-probability of each token of a text or of ids."""
        return Score(*self._numbers(lib.ds_model_score, None, text, add_special_tokens))

    def embed(self, text: Union[Input, Sequence[Input]], normalize: bool = False, add_special_tokens: bool = True) -> Any:
        """A vector for a text (or ids), or a list of them for several: the mean of the last hidden states; normalize scales it to
        length 1."""
        text = _plain(text)
        if _is_batch(text):
            return [self.embed(t, normalize, add_special_tokens) for t in text]
        _, v = self._numbers(lib.ds_model_embed, self.config["d_model"], text, add_special_tokens)  # type: ignore[arg-type]
        length = math.sqrt(sum(x * x for x in v)) if normalize else 1
        return [x / length for x in v] if normalize and length else v


class _Grammar:
    """A ds_grammar for a model's tokenizer; None where no form is asked for."""

    def __init__(self, handle: c_void_p) -> None:
        self.handle = handle

    def __del__(self) -> None:
        lib.ds_grammar_free(byref(self.handle))

    @staticmethod
    def make(model: c_void_p, o: dict) -> "Optional[_Grammar]":
        forms = [k for k in ("json_schema", "grammar") if o[k] is not None] + ["json_object"] * bool(o["json_object"])
        if not forms:
            return None
        if len(forms) > 1:
            raise ValueError(f"{' and '.join(forms)} exclude each other")
        tokenizer, out, value = lib.ds_model_tokenizer(model), c_void_p(), o[forms[0]]
        if not tokenizer:
            raise ValueError(f"{forms[0]} needs a model with a tokenizer")
        if forms[0] == "json_object":
            check(lib.ds_grammar_json_object(byref(out), tokenizer))
        else:
            make = lib.ds_grammar_from_gbnf if forms[0] == "grammar" else lib.ds_grammar_from_json_schema
            text = (value if isinstance(value, str) else json.dumps(value)).encode()
            check(make(byref(out), tokenizer, text, len(text)))
        return _Grammar(out)


class _Job:
    """The arguments of one generate call, and what it gives back."""

    def __init__(self, inputs: Any, options: dict) -> None:
        unknown = set(options) - _OPTIONS
        if unknown:
            raise TypeError(f"generate() has no option {', '.join(sorted(unknown))}")
        self.o = {**_DEFAULTS, **options}
        inputs = _plain(inputs)
        batch = _is_batch(inputs)
        self.inputs = list(inputs) if batch else [inputs]
        self.several = batch or self.o["num_return_sequences"] > 1
        self.inputs = [i if isinstance(i, str) else _ids(i) for i in self.inputs]

    def _sampling(self, model: c_void_p) -> Sampling:
        s, o = Sampling(), self.o
        self.form = _Grammar.make(model, o)
        s.grammar = self.form.handle if self.form else None
        for name in ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"):
            if o[name] is not None:
                setattr(s, name, o[name])
        if o["do_sample"] is False:
            s.temperature = 0
        elif o["do_sample"] and o["temperature"] is None:
            s.temperature = 1
        s.seed = secrets.randbits(63) if o["seed"] is None else o["seed"] % 2**64
        return s

    def _options(self, sampling: Sampling) -> GenerateOptions:
        c, o = GenerateOptions(), self.o
        stop = [o["stop"]] if isinstance(o["stop"], str) else list(o["stop"] or [])
        c.sampling = ctypes.pointer(sampling)
        c.max_new_tokens = -1 if o["max_new_tokens"] is None else o["max_new_tokens"]
        c.max_length = -1 if o["max_length"] is None else o["max_length"]
        c.stop = (c_char_p * (len(stop) + 1))(*[s.encode() for s in stop])
        c.n_stop, c.n_choice, c.ignore_eos = len(stop), o["num_return_sequences"], o["ignore_eos"]
        c.show_special = o["show_special"]
        c.no_bos, c.logprobs = not o["add_special_tokens"], 0 if o["output_logprobs"] else -1
        return c

    def _prompts(self) -> Any:
        prompts = (Prompt * max(1, len(self.inputs)))()
        for p, i in zip(prompts, self.inputs):
            if isinstance(i, str):
                raw = i.encode("utf-8", "surrogateescape")
                p.text, p.n = raw, len(raw)
            else:
                p.token, p.n_token = id_array(i or [0]), len(i)
        return prompts

    def run(self, model: AutoModel, emit: Optional[Callable[[str], Any]], cancel: Sequence[Optional[threading.Event]], final: bool = False) -> Any:
        events = [e for e in cancel if e is not None]
        if emit is not None and not self.several:
            found = [self._one(model, emit, lambda: any(e.is_set() for e in events))]
        else:
            found = self._batch(model, emit, lambda: model._closing or any(e.is_set() for e in events))
        results = [self._result(g) for g in found] if final else found
        return results if self.several else results[0]

    def _one(self, model: AutoModel, emit: Callable[[str], Any], stopped: Callable[[], bool]) -> Generation:
        source = self.open(model, stopped)
        try:
            for piece in iter(source.next, None):
                if emit(piece) is False:
                    break
        finally:
            source.close()
        return source.result

    def _batch(self, model: AutoModel, emit: Optional[Callable[[str], Any]], stopped: Callable[[], bool]) -> List[Generation]:
        prompts, caught, out, interruptible = self._prompts(), [], POINTER(CGenerated)(), Interruptible()  # type: ignore[var-annotated]
        progress = _guard_progress(None, caught, lambda: interruptible.asked() or stopped())
        handle = model._enter()
        try:
            sampling = self._sampling(handle)
            c = self._options(sampling)
            c.on_text, c.progress = TextFn(_on_text(emit, caught)) if emit else TextFn(), ProgressFn(progress)
            with interruptible:
                status = lib.ds_generate(handle, prompts, len(self.inputs), byref(c), byref(out))
            if caught:
                raise caught[0]
            check(status)
            return [self._generation(g, sampling.seed) for g in out.contents.item[: out.contents.n]]
        finally:
            lib.ds_generated_free(byref(out))
            model._leave()

    def open(self, model: AutoModel, stopped: Callable[[], bool]) -> NativeStream:
        """The one text, piece by piece."""
        out = c_void_p()
        handle = model._enter()
        try:
            sampling = self._sampling(handle)
            check(lib.ds_text_stream_open(byref(out), handle, self._prompts(), byref(self._options(sampling))))
            return NativeStream(out, model, stopped, lambda g: self._generation(g, sampling.seed), model._streams)
        finally:
            model._leave()

    def _generation(self, g: Any, seed: int) -> Generation:
        text = ctypes.string_at(g.text, g.n_text).decode("utf-8", "replace")
        logprobs = g.logprob[: g.n_token] if self.o["output_logprobs"] and g.n_token else [] if self.o["output_logprobs"] else None
        return Generation(text, g.token[: g.n_token] if g.n_token else [], g.n_prompt_token, lib.ds_finish_name(g.finish).decode(), g.prompt,
                          g.choice, seed, logprobs)

    def _result(self, g: Generation) -> Any:
        given, full = self.inputs[g.prompt], self.o["return_full_text"]
        if self.o["return_dict_in_generate"]:
            return g
        if isinstance(given, str):
            return given + g.text if full else g.text
        return g.ids if full is False else given + g.ids


_DEFAULTS = dict.fromkeys(("max_length", "max_new_tokens", "do_sample", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
                           "presence_penalty", "frequency_penalty", "seed", "stop", "return_full_text"))
_DEFAULTS.update(num_return_sequences=1, ignore_eos=False, add_special_tokens=True, return_dict_in_generate=False,  # type: ignore[call-overload]
                 output_logprobs=False, json_schema=None, json_object=False, grammar=None, show_special=False)
_OPTIONS = set(_DEFAULTS)


def _on_text(emit: Callable[[str], Any], caught: list) -> Callable[..., int]:
    """The callback of ds_generate: pieces never end inside a UTF-8 character, so each decodes by itself."""
    string_at = ctypes.string_at
    ended: set = set()  # texts that are stopped: what was held back still comes

    def on_text(_user: Any, event: Any) -> int:
        try:
            e = event.contents
            which = e.prompt, e.choice
            if e.n and not caught and which not in ended and emit(string_at(e.text, e.n).decode("utf-8", "replace")) is False:
                ended.add(which)
            return 1 if caught or which in ended else 0
        except BaseException as e:  # raised again after the call
            caught.append(e)
            return 1

    return on_text


def _guard_progress(progress: Optional[Callable[[str, int, int], Any]], caught: list, stopped: Callable[[], Any]) -> Callable[..., int]:
    def on_progress(_user: Any, what: bytes, done: int, total: int) -> int:
        try:
            return 1 if caught or stopped() or (progress is not None and progress(what.decode(), done, total) is False) else 0
        except BaseException as e:
            caught.append(e)
            return 1

    return on_progress


def _never() -> bool:
    return False


def _check_device(o: ModelOptions) -> None:
    """Opening a model on a device that is not there fails before its path is looked at."""
    handle = c_void_p()
    try:
        check(lib.ds_model_open(byref(handle), b"", byref(o)))
    except UnsupportedError as e:
        raise DeviceError(str(e)) from None
    except DeepseekError:
        pass


def _bytes(size: Union[int, str]) -> int:
    if isinstance(size, int):
        return size
    out = c_uint64()
    check(lib.ds_parse_bytes(size.encode(), byref(out)))
    return out.value


def _plain(inputs: Any) -> Any:
    return inputs.tolist() if hasattr(inputs, "tolist") else inputs["input_ids"] if isinstance(inputs, dict) else inputs


def _is_batch(inputs: Any) -> bool:
    """Whether it is several texts or several lists of ids."""
    return not isinstance(inputs, str) and len(inputs) > 0 and (isinstance(inputs[0], str) or hasattr(inputs[0], "__len__"))


def _ids(ids: Any) -> List[int]:
    return [int(i) for i in _plain(ids)]
