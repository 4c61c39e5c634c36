# SPDX-License-Identifier: Apache-2.0
"""What a Flask app does beyond small answers; gunicorn serves it in test_http_streams."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Flask, Response, request
from opentelemetry import trace

app = Flask("shop")
# The exception reaches the server, as it does wherever Flask's own answer is not wanted.
app.config["PROPAGATE_EXCEPTIONS"] = True
tracer = trace.get_tracer("app")


@app.get("/healthz")
def healthz() -> str:
    """Answer that it lives."""
    return "ok"


@app.get("/json")
def small() -> Response:
    """Answer eight bytes."""
    return Response('{"id":7}', mimetype="application/json")


@app.get("/stream")
def stream() -> Response:
    """Answer 5000 bytes in 0.3 s."""

    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            with tracer.start_as_current_span("chunk"):
                time.sleep(0.06)
            yield b"x" * 1000

    return Response(chunks(), status=203)


@app.get("/large")
def large() -> Response:
    """Answer two million bytes at once."""
    return Response(b"x" * 2_000_000, status=206)


@app.post("/upload")
def upload() -> tuple[str, int]:
    """Answer how many bytes came."""
    return str(len(request.get_data())), 201


@app.get("/raises")
def raises() -> str:
    """Fail before there is an answer."""
    raise ValueError("no such price")


@app.get("/breaks")
def breaks() -> Response:
    """Fail in the middle of the answer."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * 1000
        time.sleep(0.05)
        raise ValueError("no such part")

    return Response(chunks(), status=207)


@app.get("/endless")
def endless() -> Response:
    """Answer until the client has enough."""

    def chunks() -> Iterator[bytes]:
        for _ in range(1500):
            yield b"x" * 1000
            time.sleep(0.02)

    return Response(chunks(), status=226)
