# SPDX-License-Identifier: Apache-2.0
"""How a request for S3 is passed on to the storage and its answer back, whole or broken."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.s3_faults import Exchange, Pace, refusal
from tests.s3_requests import asked, counter

#: Closing then sends a reset instead of the rest and a farewell.
_NO_LINGERING = struct.pack("ii", 1, 0)
#: How botocore says that s3transfer makes a call.
_TRANSFERS = re.compile(r"\bm/(\S+,)?G\b")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


class _Cut(ConnectionError):
    """The fault ended the connection."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client to the proxy, which is an attribute of its server."""

    protocol_version = "HTTP/1.1"
    server: Any

    def handle_expect_100(self) -> bool:
        """Ask for the body later, when it is known whether anybody wants it."""
        return True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Pass one request on, or break it."""
        operation, bucket, key = asked(self.command, self.path, self.headers)
        made = Exchange(
            operation,
            bucket,
            key,
            self.headers.get("amz-sdk-invocation-id", ""),
            self.client_address[1],
            by_transfer=_TRANSFERS.search(self.headers.get("user-agent", "")) is not None,
        )
        with self.server.proxy.exchange(made) as exchange:
            try:
                self._pass_on(exchange)
            except _Cut:
                self.close_connection = True
            except OSError:
                self.close_connection = True
                raise

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - so the base class has it

    # The request.

    def _pass_on(self, exchange: Exchange) -> None:
        fault = exchange.fault
        wanted = self.headers.get("expect", "").lower() == "100-continue"
        if fault.early and wanted:
            self.close_connection = True
            self._refuse(exchange)
            # A client that waited in vain sends its body all the same; usually it goes away.
            with contextlib.suppress(ConnectionError, ValueError):
                self._drain(exchange)
            return
        if wanted:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not fault.status and not fault.reset:
            self._ask(exchange, self._taken(exchange))
            return
        self._drain(exchange)
        self._wait(fault.waits)
        if fault.reset:
            self._reset()
        self._refuse(exchange)

    def _drain(self, exchange: Exchange) -> None:
        for _ in self._taken(exchange):
            pass

    def _taken(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the request's body as it comes, and count it."""
        fault, payload = exchange.fault, counter(self.headers)
        pace = Pace(fault.rate)
        chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        length = int(self.headers.get("content-length", 0))
        pieces = self._chunks(pace) if chunked else self._bytes(length, pace)
        for piece in pieces:
            payload.feed(piece)
            exchange.up = payload.payload
            if fault.reset_up_after is not None and exchange.up >= fault.reset_up_after:
                self._reset()
            yield piece
            pace.keep(len(piece))
        exchange.asked = time.perf_counter()

    def _bytes(self, length: int, pace: Pace) -> Iterator[bytes]:
        while length:
            piece = self.rfile.read1(min(length, pace.piece))
            if not piece:
                raise ConnectionResetError("the client went away")
            length -= len(piece)
            yield piece

    def _chunks(self, pace: Pace) -> Iterator[bytes]:
        while True:
            size = int(self.rfile.readline().partition(b";")[0], 16)
            yield from self._bytes(size, pace)
            self.rfile.readline()
            if not size:
                return

    # The answer.

    def _ask(self, exchange: Exchange, taken: Iterator[bytes]) -> None:
        storage = http.client.HTTPConnection("127.0.0.1", self.server.proxy.server, timeout=120)
        with contextlib.closing(storage):
            storage.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    storage.putheader(name, value)
            chunked = "transfer-encoding" in self.headers
            if chunked:
                storage.putheader("Transfer-Encoding", "chunked")
            storage.endheaders()
            for piece in taken:
                storage.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                storage.send(b"0\r\n\r\n")
            answer = storage.getresponse()
            self._wait(exchange.fault.waits)
            self._answer(exchange, answer)

    def _answer(self, exchange: Exchange, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        exchange.status, exchange.answered = answer.status, time.perf_counter()
        self.end_headers()
        pace = Pace(exchange.fault.rate)
        for piece in self._broken(exchange, iter(lambda: answer.read1(pace.piece), b"")):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if answer.chunked else piece)
            exchange.down += len(piece)
            pace.keep(len(piece))
        if answer.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _broken(self, exchange: Exchange, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the *pieces* of the answer's body, as the fault leaves them."""
        fault = exchange.fault
        for piece in pieces:
            at = exchange.down
            if fault.corrupt_at is not None and at <= fault.corrupt_at < at + len(piece):
                changed = bytearray(piece)
                changed[fault.corrupt_at - at] ^= 0xFF
                piece = bytes(changed)  # noqa: PLW2901 - what goes on is the changed one
            if fault.pause and at <= fault.pause_after < at + len(piece):
                before = fault.pause_after - at
                if before:
                    yield piece[:before]
                self._wait(fault.pause)
                piece, at = piece[before:], exchange.down  # noqa: PLW2901
            if fault.cut_after is not None and at + len(piece) > fault.cut_after:
                exchange.cut = True
                yield piece[: fault.cut_after - at]
                if fault.cut_by_reset:
                    self._reset()
                raise _Cut
            yield piece

    def _refuse(self, exchange: Exchange) -> None:
        """Answer what the fault says."""
        fault = exchange.fault
        body = refusal(fault)
        # As AWS does: an answer to HEAD has no other place for it.
        reason = "Slow Down" if fault.code == "SlowDown" else None
        self.send_response_only(fault.status, reason)
        if body:
            self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        exchange.status, exchange.answered = fault.status, time.perf_counter()
        if self.command == "HEAD":
            body = b""
        self.end_headers()
        self.wfile.write(body)
        exchange.down = len(body)

    def _wait(self, seconds: float) -> None:
        if seconds:
            self.server.proxy.ended.wait(seconds)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.rfile.close()
        self.connection.close()
        raise _Cut
