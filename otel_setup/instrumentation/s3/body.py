# SPDX-License-Identifier: Apache-2.0
"""
The body of an answer that the program reads as it comes, measured to its last byte.

The stream below botocore's body gets a class that tells what becomes of it, so that both stay
what they were for whoever reads them, in whichever way. Nothing is copied, and nothing is kept
alive: a body that nobody reads tells so when it is forgotten.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from functools import lru_cache, partial
from threading import get_ident
from timeit import default_timer
from typing import TYPE_CHECKING, Any, cast

from otel_setup._guard import quiet
from otel_setup.instrumentation.s3 import measures
from otel_setup.instrumentation.s3.attempt import STEP

if TYPE_CHECKING:
    from otel_setup.instrumentation.s3.call import Call

_NAME = "_otel_setup_body"
#: What botocore makes of exceptions of the stream, which it wraps.
_WRAPPED = {"ProtocolError": "ResponseStreamingError", "IncompleteRead": "ResponseStreamingError"}

#: Bodies that the garbage collector found, and what became of them. It may run while this thread
#: holds a lock of the SDK: measuring them then would wait for that lock for ever.
_left: deque[Callable[[], None]] = deque(maxlen=10_000)
#: The thread that it runs in now.
_collecting = 0
#: Bodies of another generation are those of a parent, which measures them.
_generation = 0


def _on_collection(phase: str, _info: dict[str, int]) -> None:
    global _collecting  # noqa: PLW0603 - of the whole process
    _collecting = get_ident() if phase == "start" else 0


def forget() -> None:
    """Begin anew: what there is now is measured by nobody."""
    global _generation  # noqa: PLW0603 - of the whole process
    _generation += 1
    _left.clear()


def begin() -> None:
    """Learn when the garbage collector runs."""
    if _on_collection not in gc.callbacks:
        gc.callbacks.append(_on_collection)


def end() -> None:
    """Be told no more."""
    if _on_collection in gc.callbacks:
        gc.callbacks.remove(_on_collection)


def measure_left() -> None:
    """Measure the bodies that the garbage collector found."""
    while _left:
        try:
            measure = _left.popleft()
        except IndexError:  # another thread took it
            return
        measure()


class Body:
    """What is known of one body; it ends once: read, broken, closed or forgotten."""

    __slots__ = (
        "_call",
        "_checked",
        "_counted",
        "_ended",
        "_generation",
        "_last",
        "_length",
        "beside",
    )

    def __init__(self, call: Call, length: int | None, *, checked: bool) -> None:
        self._call = call
        self._length = length
        self._checked = checked
        self._counted = 0
        self._ended = False
        self._generation = _generation
        self._last = default_timer()
        #: Bytes that came, but that the stream does not tell of.
        self.beside = 0

    def came(self, stream: Any, *, last: bool) -> None:
        """Note that some of it was read; *last* says that no more will come."""
        self._last = default_timer()
        size = self.beside + stream.tell()
        if size - self._counted >= STEP:
            self._count(size)
        whole = self._length is not None and size >= self._length
        if whole or last:
            self._at_end(size)

    def _at_end(self, size: int) -> None:
        if self._length is not None and size < self._length:
            self._end(size, "failed", "IncompleteReadError")
        elif not self._checked:
            self._end(size, "completed")

    def was_checked(self, stream: Any, error: BaseException | None) -> None:
        """Note that its checksum is right, or the *error* that says it is not."""
        size = self.beside + stream.tell()
        if error is None:
            self._end(size, "completed")
        else:
            self._end(size, "failed", type(error).__name__)

    def broke(self, stream: Any, error: BaseException) -> None:
        """Note that reading it raised *error*."""
        # urllib3 has what came before the end under the error, and does not count it.
        rest = getattr(error.args[-1] if error.args else None, "partial", b"")
        self.beside += len(rest) if isinstance(rest, bytes) else 0
        self._last = default_timer()
        name = type(error).__name__
        self._end(self.beside + stream.tell(), "failed", _WRAPPED.get(name, name))

    def closed(self, stream: Any) -> None:
        """Note that nobody will read more of it."""
        if self._ended:
            return
        size = self.beside + stream.tell()
        if self._length is not None and size >= self._length:
            self._end(size, "completed")
        else:
            self._end(size, "abandoned" if size else "unread")

    def _count(self, size: int) -> None:
        if size > self._counted:
            measures.IO.add(size - self._counted, self._call.bucket, self._call.method, "receive")
            self._counted = size

    def _end(self, size: int, outcome: str, error: str = "") -> None:
        if self._ended:
            return
        self._ended = True
        if self._generation != _generation:
            return
        if _collecting and _collecting == get_ident():
            _left.append(partial(self._measure, size, outcome, error))
        else:
            self._measure(size, outcome, error)

    def _measure(self, size: int, outcome: str, error: str) -> None:
        self._count(size)
        self._call.end(outcome, error, received=size, until=self._last)


def received(stream: Any) -> int:
    """Return how many bytes were read from a *stream* that nobody watches."""
    try:
        return int(stream.tell())
    except (AttributeError, OSError, ValueError):
        return 0


def watch(stream: Any, body: Body) -> bool:
    """Have *stream* tell *body* what becomes of it; False if it cannot."""
    try:
        stream.tell()
        stream.__class__ = _watched(cast("Hashable", type(stream)))
        setattr(stream, _NAME, body)
    except (AttributeError, TypeError, OSError, ValueError):
        return False
    return True


def of(stream: Any) -> Body | None:
    """Return what is known of *stream*."""
    found: Body | None = getattr(stream, _NAME, None)
    return found


def _reading(name: str, kind: type[Any]) -> Callable[..., Any]:
    original = getattr(kind, name)

    def read(self: Any, amt: int | None = None, *args: Any, **kwargs: Any) -> Any:
        try:
            data = original(self, amt, *args, **kwargs)
        except Exception as error:
            with quiet("measuring a body that broke"):
                self.__dict__[_NAME].broke(self, error)
            raise
        try:
            last = (not data and amt != 0) or (name == "read" and (amt is None or amt < 0))
            self.__dict__[_NAME].came(self, last=last)
        except Exception:
            with quiet("measuring a body"):
                raise
        return data

    return read


def _read_chunked(kind: type[Any]) -> Callable[..., Any]:
    def read_chunked(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        body: Body = self.__dict__[_NAME]
        try:
            for chunk in kind.read_chunked(self, *args, **kwargs):
                body.beside += len(chunk)
                with quiet("measuring a body"):
                    body.came(self, last=False)
                yield chunk
        except Exception as error:
            with quiet("measuring a body that broke"):
                body.broke(self, error)
            raise
        with quiet("measuring a body"):
            body.came(self, last=True)

    return read_chunked


def _leave(stream: Any) -> None:
    if sys.is_finalizing():
        return
    try:
        stream.__dict__[_NAME].closed(stream)
    except Exception:
        with quiet("measuring a body that nobody reads any more"):
            raise


def _close(kind: Any) -> Callable[..., Any]:
    def close(self: Any) -> Any:
        _leave(self)
        return kind.close(self)

    return close


def _forget(kind: Any) -> Callable[..., Any]:
    def forget(self: Any) -> None:
        # Python closes it then, but not when what is below it was closed before.
        _leave(self)
        if hasattr(kind, "__del__"):
            kind.__del__(self)

    return forget


@lru_cache(16)
def _watched(kind: Any) -> type[Any]:
    """Return *kind* with methods that tell what becomes of a stream."""
    methods: dict[str, Any] = {"close": _close(kind), "__del__": _forget(kind)}
    for name in ("read", "read1"):
        if hasattr(kind, name):
            methods[name] = _reading(name, kind)
    if hasattr(kind, "read_chunked"):
        methods["read_chunked"] = _read_chunked(kind)
    same = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
    }
    return type(kind.__name__, (kind,), {**methods, **same})
