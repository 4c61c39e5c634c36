# SPDX-License-Identifier: Apache-2.0
"""A FastAPI app with other apps mounted in it; uvicorn serves it in test_http_nested."""

from __future__ import annotations

import asyncio
import os
import warnings
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, Response
from flask import Flask
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # for a package that does the same
    from starlette.middleware.wsgi import WSGIMiddleware

tracer = trace.get_tracer("app")
app = FastAPI(root_path=os.environ.get("APP_ROOT", ""))
flask_app = Flask("old")


class PassThrough(BaseHTTPMiddleware):
    """A middleware as most programs have one; it runs the app in a task of its own."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Do nothing to a request."""
        return await call_next(request)


app.add_middleware(PassThrough)


@app.get("/healthz")
async def healthz() -> str:
    """Answer that it lives."""
    return "ok"


@app.get("/slow/{number}")
async def slow(number: int) -> int:
    """Answer after a while, in which others are served, and a span of its own."""
    await asyncio.sleep(0.05)
    with tracer.start_as_current_span(f"child {number}"):
        await asyncio.sleep(0.02)
    return number


@app.get("/file")
async def file() -> Response:
    """Answer this file."""
    return FileResponse(__file__)


@app.websocket("/socket")
async def socket(opened: WebSocket) -> None:
    """Say one word."""
    await opened.accept()
    await opened.send_text("hello")
    await opened.close()


async def thing(_request: Request) -> Response:
    """Answer from a mounted app."""
    return Response("thing")


@flask_app.get("/thing/<name>")
def old_thing(name: str) -> str:
    """Answer from a mounted app of the other kind."""
    return name


inner = Mount("/deep", routes=[Route("/thing/{name}", thing)])
app.mount("/new", Starlette(routes=[Route("/thing/{name}", thing), inner]))
app.mount("/old", WSGIMiddleware(flask_app))
app.mount("/static", StaticFiles(directory=Path(__file__).parent))
