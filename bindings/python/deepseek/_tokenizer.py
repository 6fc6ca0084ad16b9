"""AutoTokenizer: text to ids and back, and chat templates."""

import ctypes
import json
import os
from ctypes import byref, c_int32, c_int64, c_size_t, c_void_p, POINTER
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from ._lib import ChatOpts, check, hub_resolve, id_array, lib, take_bytes, take_ids

_TEMPLATE, _SPECIAL, _SKIP_SPECIAL, _CONTINUE = 1, 2, 1, 2
Messages = Sequence[Dict[str, Any]]


class Encoding(dict):
    """What calling a tokenizer returns: input_ids and attention_mask, also as attributes."""

    @property
    def input_ids(self) -> Any:
        return self["input_ids"]

    @property
    def attention_mask(self) -> Any:
        return self["attention_mask"]


def render(path: str, messages: Union[str, Messages], tools: Any = None, add_generation_prompt: bool = True,
           continue_final_message: bool = False, chat_template: Optional[str] = None, bos: Optional[str] = None,
           eos: Optional[str] = None, **variables: Any) -> "tuple[str, bool]":
    """The text of messages, and whether it already begins with the begin-of-text token."""
    template, text, n, o = c_void_p(), c_void_p(), c_size_t(), ChatOpts()
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    o.tools = json.dumps(tools).encode() if tools else None
    o.variables = json.dumps(variables).encode() if variables else None
    o.add_generation_prompt, o.continue_final = add_generation_prompt, continue_final_message
    if chat_template is None:
        check(lib.ds_chat_template_open(byref(template), os.fsencode(path), None))
    else:
        raw = chat_template.encode()
        check(lib.ds_chat_template_parse(byref(template), raw, len(raw), bos and bos.encode(), eos and eos.encode()))
    try:
        check(lib.ds_chat_render(template, json.dumps(list(messages)).encode(), byref(o), byref(text), byref(n)))
        return take_bytes(text, n).decode("utf-8", "replace"), lib.ds_chat_template_writes_bos(template)
    finally:
        lib.ds_chat_template_close(byref(template))


class AutoTokenizer:
    """A model's tokenizer. Make one with from_pretrained, or take a model's own: model.tokenizer. Safe to use from several threads."""

    def __init__(self, handle: c_void_p, path: str, owner: Any = None) -> None:
        self._handle, self._owner, self.name_or_path = handle, owner, path

    @classmethod
    def from_pretrained(cls, name_or_path: Union[str, "os.PathLike[str]"], *, revision: Optional[str] = None,
                        cache_dir: Optional[str] = None, token: Optional[str] = None, local_files_only: bool = False,
                        source: Optional[str] = None) -> "AutoTokenizer":
        """Opens the tokenizer of a model: a directory, a .gguf file, or a name, whose small files are downloaded if need be."""
        path = hub_resolve(name_or_path, revision, cache_dir, token, local_files_only, no_weights=True, source=source)
        handle = c_void_p()
        check(lib.ds_tokenizer_open(byref(handle), os.fsencode(path)))
        return cls(handle, path)

    def close(self) -> None:
        if self._owner is None and self._handle:
            lib.ds_tokenizer_close(byref(self._handle))
        self._handle = c_void_p()

    def __enter__(self) -> "AutoTokenizer":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) and lib is not None:
            self.close()

    def _open(self) -> c_void_p:
        if not self._handle:
            raise ValueError("this tokenizer is closed")
        return self._handle

    def encode(self, text: str, add_special_tokens: bool = True, split_special_tokens: bool = False) -> List[int]:
        """The ids of a text. add_special_tokens puts BOS where the model's configuration says so; split_special_tokens reads
        "<|EOT|>" and the like as ordinary text."""
        raw = text.encode("utf-8", "surrogateescape")
        ids, n = POINTER(c_int32)(), c_int64()
        flags = (_TEMPLATE if add_special_tokens else 0) | (0 if split_special_tokens else _SPECIAL)
        check(lib.ds_tokenizer_encode(self._open(), raw, len(raw), flags, byref(ids), byref(n)))
        return take_ids(ids, n)

    def decode(self, ids: Union[int, Iterable[int]], skip_special_tokens: bool = False) -> str:
        """The text of ids. Bytes that are not UTF-8 become U+FFFD."""
        ids = [ids] if isinstance(ids, int) else ids.tolist() if hasattr(ids, "tolist") else list(ids)
        text, n = c_void_p(), c_size_t()
        check(lib.ds_tokenizer_decode(self._open(), id_array(ids), len(ids), _SKIP_SPECIAL if skip_special_tokens else 0, byref(text), byref(n)))
        return take_bytes(text, n).decode("utf-8", "replace")

    def batch_decode(self, sequences: Iterable[Iterable[int]], skip_special_tokens: bool = False) -> List[str]:
        return [self.decode(s, skip_special_tokens) for s in sequences]

    def __call__(self, text: Union[str, Sequence[str]], add_special_tokens: bool = True, padding: bool = False,
                 truncation: bool = False, max_length: Optional[int] = None) -> Encoding:
        """input_ids and attention_mask of a text, or lists of them of several. Padding goes to the left, as generation needs it."""
        one = isinstance(text, str)
        rows = [self.encode(t, add_special_tokens) for t in ([text] if one else text)]
        if truncation and max_length is not None:
            rows = [r[:max_length] for r in rows]
        masks = [[1] * len(r) for r in rows]
        if padding:
            width, pad = max(map(len, rows), default=0), self.pad_token_id if self.pad_token_id is not None else self.eos_token_id or 0
            masks = [[0] * (width - len(r)) + m for r, m in zip(rows, masks)]
            rows = [[pad] * (width - len(r)) + r for r in rows]
        return Encoding(input_ids=rows[0] if one else rows, attention_mask=masks[0] if one else masks)

    def apply_chat_template(self, messages: Union[str, Messages], tools: Any = None, add_generation_prompt: bool = False,
                            continue_final_message: bool = False, tokenize: bool = True, chat_template: Optional[str] = None,
                            **variables: Any) -> Union[str, List[int]]:
        """The ids (or with tokenize=False the text) of messages in the model's own format."""
        text, _ = render(self.name_or_path, messages, tools, add_generation_prompt, continue_final_message, chat_template,
                         self.bos_token, self.eos_token, **variables)
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def __len__(self) -> int:
        return lib.ds_tokenizer_size(self._open())

    @property
    def vocab_size(self) -> int:
        return len(self)

    def convert_tokens_to_ids(self, token: str) -> Optional[int]:
        raw = token.encode()
        i = lib.ds_tokenizer_id(self._open(), raw, len(raw))
        return None if i < 0 else i

    def convert_ids_to_tokens(self, i: int) -> Optional[str]:
        n = c_size_t()
        p = lib.ds_tokenizer_piece(self._open(), i, byref(n))
        return ctypes.string_at(p, n.value).decode("utf-8", "replace") if p else None

    def _special(self, i: int) -> Optional[int]:
        return None if i < 0 else i

    @property
    def bos_token_id(self) -> Optional[int]:
        return self._special(lib.ds_tokenizer_bos(self._open()))

    @property
    def eos_token_id(self) -> Optional[int]:
        return self._special(lib.ds_tokenizer_eos(self._open()))

    @property
    def pad_token_id(self) -> Optional[int]:
        return self._special(lib.ds_tokenizer_pad(self._open()))

    @property
    def unk_token_id(self) -> Optional[int]:
        return self._special(lib.ds_tokenizer_unk(self._open()))

    @property
    def bos_token(self) -> Optional[str]:
        return None if self.bos_token_id is None else self.convert_ids_to_tokens(self.bos_token_id)

    @property
    def eos_token(self) -> Optional[str]:
        return None if self.eos_token_id is None else self.convert_ids_to_tokens(self.eos_token_id)
