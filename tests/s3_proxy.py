# SPDX-License-Identifier: Apache-2.0
"""A network between S3 clients and their storage that counts each request and can break it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.broker import until
from tests.s3_faults import NONE, Exchange, Fault
from tests.s3_passing import Handler


class S3Proxy:
    """
    Passes requests at `url` on to the storage at the port *server*. A context manager.

    With *certificates*, a folder, it speaks TLS, as boto3 needs it to send bodies in frames.
    """

    def __init__(self, server: int, certificates: Path | None = None) -> None:
        self.server = server
        #: All requests, in the order in which they ended.
        self.exchanges: list[Exchange] = []
        #: Rules of faults; the first that names one is followed.
        self.rules: list[Callable[[Exchange], Fault | None]] = []
        #: The fault of requests for which no rule has one.
        self.usual = NONE
        self.broken: list[str] = []
        self._lock = threading.Lock()
        self._under_way = 0
        self.ended = threading.Event()
        self.certificate = _certificate(certificates) if certificates else None
        self._listening = _Listening(self)
        self.port = int(self._listening.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._listening.serve_forever, args=(0.02,), daemon=True, name="s3-proxy"
        ).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self._listening.shutdown()
        self._listening.end()
        if error == (None, None, None):
            assert self.broken == []

    @property
    def url(self) -> str:
        """The address that clients are given."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def fault(self, fault: Fault, operation: str = "", *, times: int = 1, skip: int = 0) -> None:
        """Let *fault* happen to the next *times* requests for *operation*, after *skip* others."""
        numbers = itertools.count()

        def rule(exchange: Exchange) -> Fault | None:
            if operation not in {"", exchange.operation}:
                return None
            return fault if skip <= next(numbers) < skip + times else None

        self.rules.append(rule)

    def forget(self) -> None:
        """Begin anew: no exchange is known, and none will be broken."""
        self.settle()
        self.exchanges.clear()
        self.rules.clear()
        self.usual = NONE

    def settle(self) -> None:
        """Wait until all requests ended here, too: a client may have its answer before that."""
        until(lambda: self._under_way == 0, "the requests ended")

    def of(self, *operations: str) -> list[Exchange]:
        """Return the requests for *operations* in the order of their ends; for all without any."""
        self.settle()
        return [each for each in self.exchanges if not operations or each.operation in operations]

    @contextlib.contextmanager
    def exchange(self, made: Exchange) -> Iterator[Exchange]:
        """Keep an exchange that lasts as long as the block."""
        with self._lock:
            self._under_way += 1
            # Each rule counts, also the requests that another one broke.
            found = [rule(made) for rule in self.rules]
            made.fault = next((fault for fault in found if fault), self.usual)
        try:
            yield made
        finally:
            made.ended = time.perf_counter()
            with self._lock:
                self.exchanges.append(made)
                self._under_way -= 1


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: S3Proxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self._tls: ssl.SSLContext | None = None
        if proxy.certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(proxy.certificate)
        super().__init__(("127.0.0.1", 0), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.ExitStack() as stack:
            if self._tls:
                request = stack.enter_context(self._tls.wrap_socket(request, server_side=True))
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            self._open.add(request)
            try:
                Handler(request, client_address, self)
            finally:
                self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        error = sys.exc_info()[1]
        # Clients that go away are what tests are about.
        if not isinstance(error, OSError):
            self.proxy.broken.append(repr(error))

    def end(self) -> None:
        """Close all connections."""
        self.server_close()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _certificate(folder: Path) -> str:
    """Make a certificate that is its own authority; return the path of it and its key."""
    path = folder / "s3-proxy.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(path), "-out", str(folder / "s3-proxy.crt")),
        ],
        check=True,
        capture_output=True,
    )
    with path.open("a") as file:
        file.write((folder / "s3-proxy.crt").read_text())
    return str(path)
