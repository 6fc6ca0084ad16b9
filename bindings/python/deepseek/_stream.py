"""Text while it is made: an iterator, and one for asyncio."""

import asyncio
import threading
from ctypes import byref, c_bool, c_size_t, c_void_p, string_at
from typing import Any, AsyncIterator, Callable, Iterator, Optional, Set

from ._lib import check, lib


class Stream(Iterator[str]):
    """Pieces of one text, each made when it is asked for. Iterate over it; close() (or leaving a `with` block, or dropping it) cancels
    what is left. `result` is the whole Generation once the iteration has ended."""

    def __init__(self, source: "NativeStream") -> None:
        self._source = source

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        piece = self._source.next()
        if piece is None:
            raise StopIteration
        return piece

    @property
    def result(self) -> Any:
        return self._source.result

    def close(self) -> None:
        """Ends the text within a token. May be called from another thread."""
        self._source.close()

    cancel = close

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        source = getattr(self, "_source", None)
        if source is not None:
            source.close()


class NativeStream:
    """A ds_text_stream. The model's set of `open` ones holds it, not the Stream that may be dropped, and closes what is left before the
    model goes. `kept` is what the text needs, such as the model."""

    def __init__(self, handle: c_void_p, kept: Any, stopped: Callable[[], bool], finish: Callable[[Any], Any], open_: Set["NativeStream"]) -> None:
        self._handle, self._kept, self._stopped, self._finish, self._open = handle, kept, stopped, finish, open_
        self._lock = threading.RLock()  # of whoever makes pieces
        self._gate = threading.Lock()  # of the handle: held for a moment only
        self._text, self._n, self._over = c_void_p(), c_size_t(), c_bool()
        self._out = byref(self._text), byref(self._n), byref(self._over)
        self.result: Any = None
        open_.add(self)

    def next(self) -> Optional[str]:
        """The next piece. Passes are separate calls, so that Ctrl-C is noticed between them."""
        with self._lock:
            while self._handle:
                if self._stopped():
                    lib.ds_text_stream_cancel(self._handle)
                if lib.ds_text_stream_step(self._handle, *self._out):
                    self._fail()
                n = self._n.value
                if n:
                    return string_at(self._text.value, n).decode("utf-8", "replace")  # a piece never ends inside a character
                if self._over.value:
                    self.close()
            return None

    def _fail(self) -> None:
        try:
            check(lib.ds_text_stream_step(self._handle, *self._out))  # says it again
        finally:
            self._release()

    def close(self) -> None:
        with self._gate:
            if self._handle:
                lib.ds_text_stream_cancel(self._handle)  # another thread may be in next()
        with self._lock:
            if not self._handle:
                return
            while not lib.ds_text_stream_step(self._handle, *self._out) and not self._over.value:
                pass  # what was held back
            self.result = self._finish(lib.ds_text_stream_so_far(self._handle).contents)
            self._release()

    def _release(self) -> None:
        with self._gate:
            lib.ds_text_stream_close(byref(self._handle))
            self._handle, self._kept = c_void_p(), None
        self._open.discard(self)


def _work(run: Callable[..., Any], out: "_Relay", stop: threading.Event) -> None:
    try:
        out.put((run(out.put, stop), None))
    except BaseException as e:  # handed to whoever iterates
        out.put((None, e))


class AsyncStream(AsyncIterator[str]):
    """Pieces of one text, for `async for`. aclose() or leaving an `async with` block cancels what is left."""

    def __init__(self, run: Callable[[Callable[[str], Any], threading.Event], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: "asyncio.Queue[Any]" = asyncio.Queue()
        self._stop = threading.Event()
        self._ended = False
        self.result: Any = None
        self._thread = threading.Thread(target=_work, args=(run, _Relay(self._loop, self._queue), self._stop), daemon=True,
                                        name="deepseek-stream")
        self._thread.start()

    def __aiter__(self) -> "AsyncStream":
        return self

    async def __anext__(self) -> str:
        if self._ended:
            raise StopAsyncIteration
        piece = await self._queue.get()
        if isinstance(piece, str):
            return piece
        self._ended = True
        self.result, error = piece
        if error is not None:
            raise error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self._stop.set()
        while not self._ended:
            piece = await self._queue.get()
            if not isinstance(piece, str):
                self.result, self._ended = piece[0], True

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._stop.set()


class _Relay:
    """Puts into an asyncio queue from another thread; a loop that has gone away is no error."""

    def __init__(self, loop: asyncio.AbstractEventLoop, out: "asyncio.Queue[Any]") -> None:
        self._loop, self._out = loop, out

    def put(self, item: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._out.put_nowait, item)
        except RuntimeError:
            pass
