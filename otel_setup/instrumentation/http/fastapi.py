# SPDX-License-Identifier: Apache-2.0
"""
FastAPI, of any version: old ones, and those that have telemetry of their own (since 0.142).

That telemetry stands back when a request says that it has some already. Its exporters, which
``FASTAPI_OTEL_AUTO_CONFIGURE`` adds to ours, would send everything a second time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from types import MethodType
from typing import Any

from otel_setup.instrumentation.http.asgi import Receive, Scope, Send, serve
from otel_setup.instrumentation.http.exchange import KEY
from otel_setup.instrumentation.http.framework import FrameworkInstrumentor
from otel_setup.instrumentation.http.starlette import handled_route, shared
from otel_setup.instrumentation.patching import Replacement

_NATIVE = "fastapi.telemetry"


class FastAPIInstrumentor(FrameworkInstrumentor):
    """Measures every FastAPI application; entry point ``otel_setup_fastapi``."""

    framework = "fastapi"
    also = (shared,)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose applications are measured."""
        return ("fastapi >= 0.100",)

    def _replacements(self) -> Iterator[Replacement]:
        from fastapi.applications import FastAPI  # noqa: PLC0415 - the program may not use it
        from fastapi.routing import APIRoute  # noqa: PLC0415

        yield FastAPI, "__call__", self._measured
        if "handle" in vars(APIRoute):
            yield APIRoute, "handle", handled_route

    def _measured(self, call: Callable[..., Any]) -> Callable[..., Any]:
        instrumentor = self

        @functools.wraps(call)
        async def measured(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
            policy = instrumentor._policy
            if policy is None:
                await call(self, scope, receive, send)
                return
            kind = scope["type"]
            if kind == "lifespan":
                await _without_own_exporters(self, call, scope, receive, send)
                return
            scope.setdefault(_NATIVE, None)
            if kind == "http" and KEY not in scope:
                await serve(MethodType(call, self), scope, receive, send, policy)
            else:
                await call(self, scope, receive, send)

        return measured


async def _without_own_exporters(
    app: Any, call: Callable[..., Any], scope: Scope, receive: Receive, send: Send
) -> None:
    config = getattr(app, "_telemetry", None)
    if not isinstance(config, dict) or not config.get("auto_configure"):
        await call(app, scope, receive, send)
        return
    config["auto_configure"] = False
    try:
        await call(app, scope, receive, send)
    finally:
        config["auto_configure"] = True
