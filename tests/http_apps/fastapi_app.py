# SPDX-License-Identifier: Apache-2.0
"""What a FastAPI app does beyond small answers; uvicorn serves it in test_http_streams."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import anyio
from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from opentelemetry import trace

app = FastAPI()
tracer = trace.get_tracer("app")


@app.get("/healthz")
def healthz() -> str:
    """Answer that it lives."""
    return "ok"


@app.get("/json")
@app.head("/json")
def small() -> dict[str, int]:
    """Answer eight bytes."""
    return {"id": 7}


@app.get("/stream")
def stream() -> Response:
    """Answer 5000 bytes in 0.3 s."""

    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            with tracer.start_as_current_span("chunk"):
                time.sleep(0.06)
            yield b"x" * 1000

    return StreamingResponse(chunks(), status_code=203)


@app.get("/large")
def large() -> Response:
    """Answer two million bytes at once."""
    return Response(b"x" * 2_000_000, status_code=206)


@app.post("/upload")
async def upload(request: Request) -> Response:
    """Answer how many bytes came."""
    return JSONResponse(len(await request.body()), status_code=201)


@app.get("/raises")
def raises() -> None:
    """Fail before there is an answer."""
    raise ValueError("no such price")


@app.get("/breaks")
async def breaks() -> Response:
    """Fail in the middle of the answer."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await anyio.sleep(0.05)
        raise ValueError("no such part")

    return StreamingResponse(chunks(), status_code=207)


@app.get("/endless")
async def endless() -> Response:
    """Answer until the client has enough."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1500):
            yield b"x" * 1000
            await anyio.sleep(0.02)

    return StreamingResponse(chunks(), status_code=226)


def later() -> None:
    """Work after the answer."""
    with tracer.start_as_current_span("background"):
        time.sleep(0.5)


@app.get("/background", status_code=202)
def background(tasks: BackgroundTasks) -> str:
    """Answer, and work on for 0.5 s."""
    tasks.add_task(later)
    return "soon"
