# SPDX-License-Identifier: Apache-2.0
"""
Starlette: its applications, and the routes and mounts that FastAPI shares with it.

The template of a path is known where the chosen route takes over, `Route.handle`, in every
version; what stands in the scope afterwards differs from one to the next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from types import MethodType
from typing import Any

from otel_setup.instrumentation.http.asgi import Receive, Scope, Send, serve
from otel_setup.instrumentation.http.cpu import elsewhere, in_thread
from otel_setup.instrumentation.http.exchange import KEY
from otel_setup.instrumentation.http.framework import FrameworkInstrumentor
from otel_setup.instrumentation.patching import Patches, Replacement


def handled_route(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Return *handle* of a route, which also says what the path's template is."""

    @functools.wraps(handle)
    def take_over(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = scope.get(KEY)
        steps = handle(self, scope, receive, send)
        if exchange is None:
            return steps
        exchange.route = exchange.prefix + _path(self, scope)
        # A middleware with tasks of its own, as BaseHTTPMiddleware, hides them from the clock.
        return steps if exchange.running else elsewhere(steps, exchange)

    return take_over


def _path(route: Any, scope: Scope) -> str:
    """Return the whole template; FastAPI keeps what routers add in front apart since 0.137."""
    included = scope.get("fastapi")
    if included is not None:
        effective = included.get("effective_route_context")
        if effective is not None and effective.original_route is route:
            return str(effective.path)
    return str(getattr(route, "path", ""))


def _handled_mount(handle: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handle)
    def take_over(self: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        exchange = scope.get(KEY)
        if exchange is not None:
            exchange.prefix += self.path
        steps = handle(self, scope, receive, send)
        return steps if exchange is None or exchange.running else elsewhere(steps, exchange)

    return take_over


def _shared() -> Iterator[Replacement]:
    import anyio.to_thread  # noqa: PLC0415 - as Starlette itself
    from starlette.routing import Mount, Route  # noqa: PLC0415 - the program may not use it

    yield Route, "handle", handled_route
    yield Mount, "handle", _handled_mount
    yield anyio.to_thread, "run_sync", in_thread


#: What Starlette and FastAPI both need.
shared = Patches(_shared)


class StarletteInstrumentor(FrameworkInstrumentor):
    """Measures every Starlette application; entry point ``otel_setup_starlette``."""

    framework = "starlette"
    also = (shared,)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose applications are measured."""
        return ("starlette >= 0.30",)

    def _replacements(self) -> Iterator[Replacement]:
        from starlette.applications import Starlette  # noqa: PLC0415 - the program may not use it

        yield Starlette, "__call__", self._measured

    def _measured(self, call: Callable[..., Any]) -> Callable[..., Any]:
        instrumentor = self

        @functools.wraps(call)
        async def measured(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
            policy = instrumentor._policy
            if (
                policy is None
                or scope["type"] != "http"
                or KEY in scope
                # One that comes here without a mark is left to whoever was chosen for FastAPI.
                or _is_fastapi(type(self))
            ):
                await call(self, scope, receive, send)
            else:
                await serve(MethodType(call, self), scope, receive, send, policy)

        return measured


def _is_fastapi(kind: type) -> bool:
    """Tell it without importing FastAPI, which a Starlette application may not have."""
    return any(
        base.__qualname__ == "FastAPI" and base.__module__ == "fastapi.applications"
        for base in kind.__mro__
    )
