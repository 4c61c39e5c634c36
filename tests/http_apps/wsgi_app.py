# SPDX-License-Identifier: Apache-2.0
"""A WSGI app of no framework, instrumented by hand; gunicorn serves it in test_http_streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry import trace

from otel_setup import instrument_app, setup

setup()
tracer = trace.get_tracer("app")


def stream() -> Iterator[bytes]:
    """Yield 5000 bytes in 0.3 s."""
    for _ in range(5):
        with tracer.start_as_current_span("chunk"):
            time.sleep(0.06)
        yield b"x" * 1000


def breaking() -> Iterator[bytes]:
    """Fail in the middle of the answer."""
    yield b"x" * 1000
    time.sleep(0.05)
    raise ValueError("no such part")


def endless() -> Iterator[bytes]:
    """Answer until the client has enough."""
    for _ in range(1500):
        yield b"x" * 1000
        time.sleep(0.02)


def upload(environ: dict[str, Any]) -> bytes:
    """Return how many bytes came; raise when the client went away."""
    wanted = int(environ.get("CONTENT_LENGTH") or 0)
    came = environ["wsgi.input"].read(wanted) if wanted else environ["wsgi.input"].read()
    if len(came) < wanted:
        raise ConnectionResetError("the client is gone")
    return str(len(came)).encode()


#: Status and body of what is answered without a look at the request.
ANSWERS: dict[str, tuple[str, Callable[[], Iterable[bytes]]]] = {
    "/healthz": ("200 OK", lambda: [b"ok"]),
    "/stream": ("203 Non-Authoritative Information", stream),
    "/large": ("206 Partial Content", lambda: [b"x" * 2_000_000]),
    "/breaks": ("207 Multi-Status", breaking),
    "/endless": ("226 IM Used", endless),
}


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer by path."""
    match environ["PATH_INFO"]:
        case "/json":
            start_response("200 OK", [("Content-Length", "8")])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [b'{"id":7}']
        case "/upload":
            came = upload(environ)
            start_response("201 Created", [("Content-Length", str(len(came)))])
            return [came]
        case "/raises":
            raise ValueError("no such price")
    status, answer = ANSWERS[environ["PATH_INFO"]]
    start_response(status, [])
    return answer()


app = instrument_app(bare)
