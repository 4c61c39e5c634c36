# SPDX-License-Identifier: Apache-2.0
"""A storage that answers what a test has written down, for all that needs no real one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import boto3
from botocore.config import Config


@dataclass(frozen=True)
class Answer:
    """An answer to one request."""

    body: bytes = b""
    status: int = 200
    #: Those beside its length.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: What the length says, where the body is another.
    length: int | None = None
    #: What stands behind the status; by default what is usual.
    reason: str | None = None
    #: Whether the connection stays open when the body is shorter than its length says.
    stays: bool = False
    #: Whether the body comes in chunks, without a length.
    chunked: bool = False


def error(code: str, status: int, **more: Any) -> Answer:
    """Return an answer that says what is wrong by a *code*."""
    return Answer(f"<Error><Code>{code}</Code></Error>".encode(), status, **more)


class ScriptedS3(ThreadingHTTPServer):
    """The storage; it answers all requests alike when nothing is written down."""

    daemon_threads = True

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        #: What it answers next.
        self.answers = list(answers)
        #: Headers of the requests.
        self.asked: list[Mapping[str, str]] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def client(self, service: str = "s3", **options: Any) -> Any:
        """Return a client of *service* with *options* of botocore's Config."""
        return client(self.url, service, **options)


def client(url: str, service: str = "s3", **options: Any) -> Any:
    """Return a client of *service* at *url*, whom nobody has to know."""
    # Attempts follow each other at once only in this mode: others wait at random.
    known: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "read_timeout": 5}
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id="nobody",
        aws_secret_access_key="secret",  # noqa: S106 - nobody asks for it
        region_name="eu-west-1",
        config=Config(**{"s3": {"addressing_style": "path"}, **known, **options}),
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedS3

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append(dict(self.headers.items()))
        answer = self.server.answers.pop(0) if self.server.answers else Answer()
        self.send_response(answer.status, answer.reason)
        for name, value in {"x-amz-request-id": "R1", "x-amz-id-2": "H1", **answer.headers}.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            length = len(answer.body) if answer.length is None else answer.length
            self.send_header("content-length", str(length))
            self.close_connection = length != len(answer.body) and not answer.stays
        self.end_headers()
        if self.command == "HEAD":
            return
        body = answer.body
        if answer.chunked:
            parts = (body[: len(body) // 2], body[len(body) // 2 :], b"")
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library

    def handle(self) -> None:
        """Answer until the client goes, which it may do in the middle of an answer."""
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
