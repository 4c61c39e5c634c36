# SPDX-License-Identifier: Apache-2.0
"""Ask ASGI and WSGI applications without a server, and keep what they answer."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterable
from typing import Any

#: Headers of a request that has nothing special.
HEADERS: tuple[tuple[bytes, bytes], ...] = ((b"host", b"shop.example:8000"), (b"user-agent", b"t"))


def scope(path: str = "/orders/7", method: str = "GET", **more: Any) -> dict[str, Any]:
    """Return the scope of a request as uvicorn makes it, with *more* in it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(HEADERS),
        "client": ("10.0.0.9", 5555),
        "server": ("10.0.0.1", 8000),
        **more,
    }


class Client:
    """The other end of one ASGI request: sends *parts*, and waits for the answer."""

    def __init__(self, *parts: bytes, hangs_up: bool = False) -> None:
        self.parts = list(parts or (b"",))
        self.hangs_up = hangs_up
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        """Return the next part of the request."""
        if not self.parts:
            if not self.hangs_up:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}
        body = self.parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self.parts)}

    async def send(self, message: dict[str, Any]) -> None:
        """Keep a part of the answer."""
        self.sent.append(message)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return b"".join(message.get("body", b"") for message in self.sent)


def ask_asgi(
    app: Any, asked: dict[str, Any] | None = None, *parts: bytes, hangs_up: bool = False
) -> Client:
    """Send one request to *app* in an event loop of its own."""
    client = Client(*parts, hangs_up=hangs_up)
    asyncio.run(app(asked or scope(), client.receive, client.send))
    return client


def answer(*parts: bytes, status: int = 200) -> list[dict[str, Any]]:
    """Return the messages of an answer in *parts*."""
    last = len(parts) - 1
    return [
        {"type": "http.response.start", "status": status, "headers": []},
        *(
            {"type": "http.response.body", "body": part, "more_body": index < last}
            for index, part in enumerate(parts)
        ),
    ]


def environ(
    path: str = "/orders/7", method: str = "GET", body: bytes = b"", **more: Any
) -> dict[str, Any]:
    """Return the environ of a request as servers make it, with *more* in it."""
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "10.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "test",
        "REMOTE_ADDR": "10.0.0.9",
        "REMOTE_PORT": "5555",
        "HTTP_HOST": "shop.example:8000",
        "HTTP_USER_AGENT": "t",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }
    if body:
        made.setdefault("CONTENT_LENGTH", str(len(body)))
    return made


class Gateway:
    """The server's side of one WSGI request."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.written: list[bytes] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Take the head of an answer."""
        del exc_info
        self.status, self.headers = status, headers
        return self.written.append

    def run(self, app: Any, asked: dict[str, Any] | None = None) -> bytes:
        """Run *app* to the end of its answer, as a server does; return the body."""
        body: Iterable[bytes] = app(asked or environ(), self.start)
        try:
            for part in body:
                self.written.append(part)
        finally:
            if hasattr(body, "close"):
                body.close()
        return b"".join(self.written)


def ask_wsgi(app: Any, asked: dict[str, Any] | None = None) -> Gateway:
    """Send one request to *app*."""
    gateway = Gateway()
    gateway.run(app, asked)
    return gateway
