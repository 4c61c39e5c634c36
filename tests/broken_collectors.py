# SPDX-License-Identifier: Apache-2.0
"""Servers that stand where a Collector is expected, each wrong in its own way."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    """What a server answers."""

    status: int = 200
    kind: str = ""
    body: bytes = b""
    location: str = ""


@contextlib.contextmanager
def server(
    answer: Callable[[str, str, dict[str, str]], Reply], context: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve what *answer* says to method, path and headers; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = answer(self.command, self.path, headers)
            self.send_response(reply.status)
            for key, value in (("Content-Type", reply.kind), ("Location", reply.location)):
                if value:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            """A client that goes away is what some tests are about."""

        def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
            if context is not None:
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)  # type: ignore[arg-type]
                return
            super().finish_request(request, client_address)  # type: ignore[arg-type]

    started = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True).start()
    scheme = "http" if context is None else "https"
    try:
        yield f"{scheme}://localhost:{started.server_address[1]}"
    finally:
        started.shutdown()
        started.server_close()


@contextlib.contextmanager
def says(first: bytes) -> Iterator[str]:
    """Answer *first* to whatever comes, and close; nothing at all when it is empty."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(first)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Take connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Answer no packet of a new connection, as a firewall that drops does."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listening.getsockname()
        # A queue that is full: the kernel drops the first packet of all others.
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(address)
        yield f"http://127.0.0.1:{address[1]}"


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return what a server at localhost needs for TLS, and the file that trusts it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, str(cert)


def package(  # noqa: PLR0913 - what a package is made of
    folder: Path,
    name: str,
    version: str,
    *,
    entry_points: str = "",
    requires: tuple[str, ...] = (),
    module: str = "",
    code: str = "",
) -> None:
    """Install a package into *folder*, which hides one of the same name that comes later."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points)
    if module:
        (folder / f"{module}.py").write_text(code)
