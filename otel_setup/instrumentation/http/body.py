# SPDX-License-Identifier: Apache-2.0
"""
What goes through a WSGI request: the input that is read, the answer that is produced.

Servers look at what an application returns: its length, whether it is their own file
wrapper. Both are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import thread_time_ns
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context

from otel_setup._guard import quiet
from otel_setup.instrumentation.http.exchange import Exchange
from otel_setup.instrumentation.queries import current

_NO_BODY = frozenset({204, 304})
#: An answer of known length that the kernel takes at once has its last byte when that is
#: produced. The server comes back for more after the client has it all: a process that is
#: stopped then would lose the request.
_AT_ONCE = 65_536


class Input:
    """``wsgi.input``, whose bytes are counted as they are read."""

    __slots__ = ("_exchange", "_stream")

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def read(self, *size: int) -> bytes:
        """Read, as the server's stream does."""
        return self._count(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        """Read one line, as the server's stream does."""
        return self._count(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        """Read lines, as the server's stream does."""
        lines: list[bytes] = self._stream.readlines(*hint)
        self._exchange.request_bytes += sum(map(len, lines))
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return map(self._count, self._stream)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if name != "readinto":
            return found

        def readinto(target: Any) -> int | None:
            size: int | None = found(target)
            self._exchange.request_bytes += size or 0
            return size

        return readinto

    def _count(self, data: bytes) -> bytes:
        self._exchange.request_bytes += len(data)
        return data


class Answer:
    """The answer to one request, from ``start_response`` to its last byte."""

    __slots__ = ("_announced", "_exchange", "_start", "_write")

    def __init__(self, exchange: Exchange, start: Callable[..., Any]) -> None:
        self._exchange = exchange
        self._start = start
        self._announced: int | None = None
        self._write: Callable[[bytes], object] | None = None

    def start(self, status: str, headers: Any, *exc_info: Any) -> Callable[[bytes], object]:
        """Take the head of the answer; the ``start_response`` of the application."""
        self._write = self._start(status, headers, *exc_info)
        try:
            self._exchange.status = int(status[:3])
            self._announced = _length(headers)
        except Exception:
            with quiet("reading the head of an answer"):
                raise
        return self.write

    def write(self, data: bytes) -> object:
        """Send a part of the body at once, as old applications do."""
        self._count(data)
        return self._write(data)  # type: ignore[misc] # given out by start

    def produced(self, data: bytes) -> None:
        """Note that the application produced a part of the body."""
        self._count(data)
        if self._exchange.response_bytes <= _AT_ONCE and self._is_whole():
            self.end()

    def closed(self, *, exhausted: bool) -> None:
        """End the request, which its client broke off unless the answer was whole."""
        if exhausted or self._is_whole():
            self.end()
        else:
            self.end(reason="client_disconnected")

    def sent_file(self) -> None:
        """End a request that was answered with a file, which the server sends by itself."""
        self._exchange.response_bytes = self._announced or 0
        self.end()

    def end(self, error: BaseException | None = None, reason: str | None = None) -> None:
        """End the request, unless it has ended; what still runs is the trace's, but not timed."""
        exchange = self._exchange
        if not exchange.ended:
            exchange.finish(error, reason)
            exchange.settle()

    def _count(self, data: bytes) -> None:
        if self._exchange.method != "HEAD":
            self._exchange.response_bytes += len(data)

    def _is_whole(self) -> bool:
        exchange = self._exchange
        if exchange.status is None:
            return False
        if exchange.method == "HEAD" or exchange.status in _NO_BODY:
            return True
        return self._announced is not None and exchange.response_bytes >= self._announced

    def around(self, body: Iterable[bytes], inside: Context, wrapper: Any) -> Iterable[bytes]:
        """Return *body* for the server, with its end noted; *wrapper* is the server's for files."""
        if self._is_whole():
            self.end()
        if isinstance(wrapper, type) and isinstance(body, wrapper) and _notes_end(body, self):
            return body
        kind = SizedBody if hasattr(body, "__len__") else Body
        return kind(body, inside, self._exchange, self)


def _length(headers: Any) -> int | None:
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value) if value.isdecimal() else None
    return None


def _notes_end(file: Any, answer: Answer) -> bool:
    close = getattr(file, "close", None)

    def close_and_end() -> None:
        try:
            if close is not None:
                close()
        finally:
            answer.sent_file()

    try:
        file.close = close_and_end
    except (AttributeError, TypeError):  # made in C: it is sent piece by piece then
        return False
    return True


class Body:
    """An answer that runs in the context of its request, and is counted for *answer*."""

    __slots__ = ("_answer", "_body", "_exchange", "_exhausted", "_inside", "_next")

    def __init__(
        self,
        body: Iterable[bytes],
        inside: Context,
        exchange: Exchange | None,
        answer: Answer | None,
    ) -> None:
        self._body = body
        self._inside = inside
        self._exchange = exchange
        self._answer = answer
        self._next: Callable[[], bytes] | None = None
        self._exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        answer = self._answer
        try:
            data: bytes = self._run(self._step)
        except StopIteration:
            self._exhausted = True
            if answer is not None:
                answer.end()
            raise
        except BaseException as error:
            if answer is not None:
                answer.end(error)
            raise
        if answer is not None:
            answer.produced(data)
        return data

    def close(self) -> None:
        """Close the application's answer, and end the request."""
        answer = self._answer
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._run(close)
        except BaseException as error:
            if answer is not None:
                answer.end(error)
            raise
        if answer is not None:
            answer.closed(exhausted=self._exhausted)

    def __del__(self) -> None:
        # Dropped without an end: a test client's, which looked at the status only.
        if self._answer is not None and self._exchange is not None and not self._exchange.ended:
            self._answer.end()

    def _step(self) -> bytes:
        if self._next is None:
            self._next = iter(self._body).__next__
        return self._next()

    def _run(self, function: Callable[[], Any]) -> Any:
        exchange = self._exchange
        token = context.attach(self._inside)
        if exchange is None or exchange.ended:
            try:
                return function()
            finally:
                context.detach(token)
        mark = current.set(exchange)
        begun = thread_time_ns()
        try:
            return function()
        finally:
            exchange.cpu += thread_time_ns() - begun
            current.reset(mark)
            context.detach(token)


class SizedBody(Body):
    """An answer that knows how many parts it has, which servers make a Content-Length of."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type] # it has a length, or this is not made


def unmeasured(body: Iterable[bytes], inside: Context) -> Iterable[bytes]:
    """Return *body* of a request that is left out, with what it runs left out as well."""
    return body if hasattr(body, "__len__") else Body(body, inside, None, None)
