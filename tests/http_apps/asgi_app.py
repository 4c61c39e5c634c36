# SPDX-License-Identifier: Apache-2.0
"""An ASGI app of no framework, instrumented by hand; uvicorn serves it in test_http_streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from opentelemetry import trace

from otel_setup import instrument_app, setup

setup()
tracer = trace.get_tracer("app")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def body(receive: Receive) -> bytes:
    """Return what the client sends; raise when it goes away."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client is gone")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def stream() -> AsyncIterator[bytes]:
    """Yield 5000 bytes in 0.3 s."""
    for _ in range(5):
        with tracer.start_as_current_span("chunk"):
            await asyncio.sleep(0.06)
        yield b"x" * 1000


async def breaking() -> AsyncIterator[bytes]:
    """Fail in the middle of the answer."""
    yield b"x" * 1000
    await asyncio.sleep(0.05)
    raise ValueError("no such part")


async def answer(send: Send, status: int, chunks: AsyncIterator[bytes]) -> None:
    """Send each chunk as it comes."""
    await send({"type": "http.response.start", "status": status, "headers": []})
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def at_once(send: Send, status: int, content: bytes, *, head: bool = False) -> None:
    """Send *content*, or only its length."""
    length = str(len(content)).encode()
    start = {"status": status, "headers": [(b"content-length", length)]}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": b"" if head else content})


async def lifespan(receive: Receive, send: Send) -> None:
    """Start and end with the server."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def endless(receive: Receive, send: Send) -> None:
    """Answer until the client has enough, which the server says in a message."""
    await send({"type": "http.response.start", "status": 226, "headers": []})
    await body(receive)
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0.02)


async def bare(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer by path."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    match scope["path"]:
        case "/healthz":
            await at_once(send, 200, b"ok")
        case "/json":
            await at_once(send, 200, b'{"id":7}', head=scope["method"] == "HEAD")
        case "/stream":
            await answer(send, 203, stream())
        case "/large":
            await at_once(send, 206, b"x" * 2_000_000)
        case "/upload":
            await at_once(send, 201, str(len(await body(receive))).encode())
        case "/raises":
            raise ValueError("no such price")
        case "/breaks":
            await answer(send, 207, breaking())
        case "/endless":
            await endless(receive, send)


app = instrument_app(bare)
