# SPDX-License-Identifier: Apache-2.0
"""One application that is given by hand: what it is, and who measures it."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
from collections.abc import Callable
from typing import Any

from otel_setup._guard import warn_sometimes
from otel_setup.instrumentation import ARGUMENTS, REPLACED, disabled
from otel_setup.instrumentation.http.asgi import AsgiMiddleware
from otel_setup.instrumentation.http.wsgi import WsgiMiddleware

#: Class → upstream's entry point, our module with its instrumentor. FastAPI is a Starlette, too.
_FRAMEWORKS = {
    "fastapi.applications.FastAPI": ("fastapi", "FastAPIInstrumentor"),
    "starlette.applications.Starlette": ("starlette", "StarletteInstrumentor"),
    "flask.app.Flask": ("flask", "FlaskInstrumentor"),
}
_ASGI_PARTS, _WSGI_PARTS = 3, 2


def measure(app: Any, *, off: bool) -> Any:
    """
    Return what is to be served for *app*: itself, or a callable around it.

    With *off* it is always itself.

    Raises:
        TypeError: *app* is no application.
    """
    bases = [f"{base.__module__}.{base.__qualname__}" for base in type(app).__mro__]
    framework = next((_FRAMEWORKS[base] for base in bases if base in _FRAMEWORKS), None)
    if framework is not None:
        if not off:
            _measure_framework(app, *framework)
        return app
    middleware = _middleware(app)
    if off or middleware is None or "*" in disabled():
        return app
    return middleware(app)


def _measure_framework(app: Any, upstream: str, name: str) -> None:
    left_alone = disabled()
    if left_alone & {"*", upstream}:
        return
    if REPLACED[upstream] not in left_alone:
        module = importlib.import_module(f"otel_setup.instrumentation.http.{upstream}")
        # Every application of the class, this one as well.
        getattr(module, name)().instrument()
        return
    try:
        module = importlib.import_module(f"opentelemetry.instrumentation.{upstream}")
    except ModuleNotFoundError as error:
        warn_sometimes(
            upstream,
            f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={os.environ['OTEL_PYTHON_DISABLED_INSTRUMENTATIONS']!r}"
            f" gives {upstream} back to upstream, but {error.name} is not installed. "
            f"Install otel-setup[{upstream}].",
        )
        return
    if not getattr(app, "_is_instrumented_by_opentelemetry", False):
        getattr(module, name)().instrument_app(app, **ARGUMENTS.get(upstream, {}))


def _middleware(app: Any) -> Callable[[Any], Any] | None:
    """Return what measures the plain callable *app*; None when it is measured already."""
    if isinstance(app, AsgiMiddleware | WsgiMiddleware):
        return None
    if callable(app) and not isinstance(app, type):
        takes = functools.partial(_takes, app)
        call = app if inspect.isroutine(app) else type(app).__call__
        is_async = inspect.iscoroutinefunction(inspect.unwrap(call))
        if takes(_ASGI_PARTS) and (is_async or not takes(_WSGI_PARTS)):
            return AsgiMiddleware
        if takes(_WSGI_PARTS) and not is_async and not takes(_ASGI_PARTS):
            return WsgiMiddleware
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    raise TypeError(
        f"instrument_app got {kind}: expected a FastAPI, Starlette or Flask application, or a "
        "callable of ASGI (scope, receive, send) or WSGI (environ, start_response)."
    )


def _takes(app: Callable[..., Any], parts: int) -> bool:
    try:
        inspect.signature(app).bind(*range(parts))
    except (TypeError, ValueError):
        return False
    return True
