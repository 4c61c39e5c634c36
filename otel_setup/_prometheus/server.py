# SPDX-License-Identifier: Apache-2.0
"""
The HTTP server of the /metrics page.

It lives inside of an application, so it takes little: a few connections at a time, one request
for each, seconds for a client that says nothing, and no line in the application's log.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from otel_setup._prometheus.exposition import Wanted

#: Connections at a time, and the seconds that a client may be silent.
MOST = 16
SILENCE = 5.0

#: Answers a request: status, headers, body.
Answer = Callable[[Wanted], tuple[HTTPStatus, dict[str, str], bytes]]

_HINT = b"The metrics are at /metrics.\n"
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}


class Server:
    """
    Serves what *answer* says on *host* and *port* from now on.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        self._server = _Listener(host, port, answer)
        self._thread = threading.Thread(
            target=self._serve, name="otel_setup_metrics_page", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def end(self) -> None:
        """Free the port; requests that are being answered may go on."""
        self._server.ended = True
        # Wakes the thread on Linux; elsewhere it looks twice a second.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)
        self._server.server_close()

    def leave(self) -> None:
        """Let go, in a forked child, of what belongs to the parent; the parent goes on."""
        # Only the child's own descriptors: a shutdown would end the parent's connections, and
        # close() waits for files that threads of the parent have made of them.
        for connection in (self._server.socket, *self._server.connections):
            with contextlib.suppress(OSError):
                os.close(connection.detach())

    def _serve(self) -> None:
        with contextlib.suppress(_Ended):
            self._server.serve_forever()


class _Ended(Exception):
    """Leaves the loop of the server."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = MOST

    def __init__(self, host: str, port: int, answer: Answer) -> None:
        self.answer = answer
        self.ended = False
        #: Open connections, the oldest first; True for those whose request is being answered.
        self.connections: dict[socket.socket, bool] = {}
        self._lock = threading.Lock()
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]  # the stubs know IPv4 only

    def server_bind(self) -> None:
        # As HTTPServer does, without asking the DNS who we are.
        if hasattr(socket, "SO_REUSEADDR") and os.name == "posix":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "", self.server_address[1]

    def service_actions(self) -> None:
        if self.ended:
            raise _Ended

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the signature is given
        """Take a connection; when there are too many, the one that is silent longest goes."""
        with self._lock:
            if len(self.connections) >= MOST:
                silent = next((each for each, busy in self.connections.items() if not busy), None)
                if silent is None:
                    return False
                del self.connections[silent]
                with contextlib.suppress(OSError):
                    silent.shutdown(socket.SHUT_RDWR)
            self.connections[request] = False
        return True

    def heard(self, request: socket.socket) -> None:
        """Note that the client has said what it wants."""
        with self._lock:
            if request in self.connections:
                self.connections[request] = True

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self.connections.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is no event of the application."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = SILENCE

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _refuse(self) -> None:
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD", **_TEXT}, _HINT)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815 - http.server's names

    def _answer(self) -> None:
        self.server.heard(self.connection)
        path = urlsplit(self.path).path
        if path == "/":
            self._send(HTTPStatus.OK, _TEXT, _HINT)
        elif path != "/metrics":
            self._send(HTTPStatus.NOT_FOUND, _TEXT, _HINT)
        else:
            wanted = Wanted.by(
                ",".join(self.headers.get_all("Accept", ())),
                ",".join(self.headers.get_all("Accept-Encoding", ())),
            )
            self._send(*self.server.answer(wanted))

    def _send(self, status: HTTPStatus, headers: dict[str, str], body: bytes) -> None:
        # One request for each connection: one that is kept open is one that others wait for.
        self.close_connection = True
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Return what the header Server says: nothing that helps an attacker."""
        return "otel_setup"

    def log_message(self, *_args: object) -> None:
        """Say nothing: a scrape is no event of the application."""
