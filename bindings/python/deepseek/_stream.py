"""Text while it is made: an iterator, and one for asyncio."""

import asyncio
import queue
import threading
from typing import Any, AsyncIterator, Callable, Iterator, Optional


class Stream(Iterator[str]):
    """Pieces of one text. Iterate over it; close() (or leaving a `with` block, or dropping it) cancels what is left.
    `result` is the whole Generation once the iteration has ended."""

    def __init__(self, run: Callable[[Callable[[str], Any], threading.Event], Any]) -> None:
        self._queue: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._stop = threading.Event()
        self._error: Optional[BaseException] = None
        self._ended = False
        self.result: Any = None
        self._thread = threading.Thread(target=_work, args=(run, self._queue, self._stop), daemon=True, name="deepseek-stream")
        self._thread.start()

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        if self._ended:
            raise StopIteration
        piece = self._queue.get()
        if isinstance(piece, str):
            return piece
        self._ended = True
        self._thread.join()
        self.result, error = piece
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Cancels the generation and waits until it has ended, within a token."""
        self._stop.set()
        while not self._ended:
            piece = self._queue.get()
            if not isinstance(piece, str):
                self.result = piece[0]
                self._ended = True
        self._thread.join()

    cancel = close

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        self._stop.set()  # the thread holds no reference to this object: it ends by itself


def _work(run: Callable[..., Any], out: "queue.SimpleQueue[Any]", stop: threading.Event) -> None:
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
