# SPDX-License-Identifier: Apache-2.0
"""What is replaced in botocore's connections: where bytes go out, and where an answer begins."""

from __future__ import annotations

import functools
import socket
import struct
from collections.abc import Iterator
from timeit import default_timer
from typing import Any

from opentelemetry import context as otel_context

from otel_setup._guard import quiet
from otel_setup.instrumentation.patching import Replacement
from otel_setup.instrumentation.s3.attempt import Attempt
from otel_setup.instrumentation.s3.call import CALL

_END_OF_HEADERS = b"\r\n\r\n"
#: A larger block goes out in many pieces; when it breaks off, only the system knows after which.
_BLOCK = 64 * 1024
#: Linux: bytes of `struct tcp_info` that are asked for, and where `tcpi_bytes_acked` is in it.
_TCP_INFO = 128
_BYTES_ACKED = 120


def _current() -> Attempt | None:
    call = CALL.get()
    return None if call is None else call.attempt


def _request(original: Any) -> Any:
    from botocore.httpchecksum import AwsChunkedWrapper  # noqa: PLC0415 - it is there by now

    @functools.wraps(original)
    def request(self: Any, method: Any, url: Any, body: Any = None, *args: Any, **kw: Any) -> Any:
        attempt = _current()
        # While a file of the program is read, that may use a connection of its own.
        if attempt is None or attempt.connection is not None:
            return original(self, method, url, body, *args, **kw)
        attempt.connection = self
        attempt.framing = bool(kw.get("chunked"))
        if isinstance(body, AwsChunkedWrapper):
            attempt.framed = body
        # Reading the file is the program's work: nothing of it is suppressed.
        token = otel_context.attach(attempt.context) if attempt.suppressed else None
        try:
            return original(self, method, url, body, *args, **kw)
        finally:
            if token is not None:
                otel_context.detach(token)
            attempt.requested = default_timer()

    return request


def _send(original: Any) -> Any:
    @functools.wraps(original)
    def send(self: Any, data: Any) -> Any:
        attempt = _current()
        # After an early answer it sends nothing.
        if attempt is None or attempt.connection is not self or self._response_received:
            return original(self, data)
        # Before: a connection may have to ask a proxy first, which goes the same way.
        head = not attempt.headed
        start = data.tell() if hasattr(data, "tell") else 0
        acked = _acked(self.sock) if not head and _size_of(data) > _BLOCK else 0
        try:
            result = original(self, data)
        except Exception:
            with quiet("counting bytes that were sent before the connection broke"):
                if acked:
                    attempt.went(min(_acked(self.sock) - acked, len(data)))
            raise
        try:
            if head:
                attempt.headed = True
                # urllib3 1 has a body of bytes in the same block.
                attempt.went(len(data) - data.index(_END_OF_HEADERS) - len(_END_OF_HEADERS))
            elif attempt.framed is None:
                attempt.went(_size(data, start, framing=attempt.framing))
        except Exception:
            with quiet("counting bytes that are sent"):
                raise
        return result

    return send


def _size_of(data: Any) -> int:
    return len(data) if isinstance(data, bytes | bytearray | memoryview) else 0


def _acked(sock: Any) -> int:
    """Return how many bytes the other side of *sock* has got; 0 where the system does not say."""
    try:
        told: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO)
        return int(struct.unpack_from("=Q", told, _BYTES_ACKED)[0])
    except (AttributeError, OSError, struct.error):
        return 0


def _size(data: Any, start: int, *, framing: bool) -> int:
    """Return the bytes of the body that are in *data*, a block or (with urllib3 1) a file."""
    if framing:
        return _payload(data)
    return data.tell() - start if hasattr(data, "tell") else len(data)


def _payload(data: bytes) -> int:
    """Return the bytes of a chunk without its framing."""
    return int(data[: data.index(b"\r\n")], 16)


def _make_chunk(original: Any) -> Any:
    @functools.wraps(original)
    def make_chunk(self: Any) -> Any:
        chunk = original(self)
        attempt = _current()
        # After an early answer it is read, but not sent.
        if (
            attempt is not None
            and attempt.framed is self
            and not attempt.connection._response_received  # noqa: SLF001 - no public way
        ):
            with quiet("counting bytes that are sent"):
                attempt.fetched(_payload(chunk))
        return chunk

    return make_chunk


def _getresponse(original: Any) -> Any:
    @functools.wraps(original)
    def getresponse(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = original(self, *args, **kwargs)
        attempt = _current()
        if attempt is not None and attempt.connection is self:
            try:
                attempt.raw = response
                attempt.first_byte()
            except Exception:
                with quiet("measuring when an answer begins"):
                    raise
        return response

    return getresponse


def replacements() -> Iterator[Replacement]:
    """Yield the methods of connections, and what makes ours of them."""
    from botocore import awsrequest, httpchecksum  # noqa: PLC0415 - the program may not use it

    yield awsrequest.AWSConnection, "request", _request
    yield awsrequest.AWSConnection, "send", _send
    for connection in (awsrequest.AWSHTTPConnection, awsrequest.AWSHTTPSConnection):
        yield connection, "getresponse", _getresponse
    yield httpchecksum.AwsChunkedWrapper, "_make_chunk", _make_chunk
