# SPDX-License-Identifier: Apache-2.0
"""
Flask: its applications, the rule that a request matched, and the exception behind a 500.

Flask answers an unhandled exception by itself, so it never reaches whoever called the app:
it is taken where Flask takes it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from types import MethodType
from typing import Any

from otel_setup._guard import quiet
from otel_setup.instrumentation.http.exchange import current
from otel_setup.instrumentation.http.framework import FrameworkInstrumentor
from otel_setup.instrumentation.http.wsgi import Environ, StartResponse, serve
from otel_setup.instrumentation.patching import Replacement


class FlaskInstrumentor(FrameworkInstrumentor):
    """Measures every Flask application; entry point ``otel_setup_flask``."""

    framework = "flask"

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose applications are measured."""
        return ("flask >= 2.2",)

    def _replacements(self) -> Iterator[Replacement]:
        from flask.app import Flask  # noqa: PLC0415 - the program may not use it

        yield Flask, "__call__", self._measured
        yield Flask, "full_dispatch_request", _with_rule
        yield Flask, "handle_exception", _with_exception

    def _measured(self, call: Callable[..., Any]) -> Callable[..., Any]:
        instrumentor = self

        @functools.wraps(call)
        def measured(self: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            policy = instrumentor._policy
            if policy is None:
                body: Iterable[bytes] = call(self, environ, start_response)
                return body
            return serve(MethodType(call, self), environ, start_response, policy)

        return measured


def _with_rule(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    request = _present_request()

    @functools.wraps(dispatch)
    def full_dispatch_request(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current.get()
        if exchange is not None:
            try:
                rule = request().url_rule
                exchange.route = None if rule is None else exchange.prefix + rule.rule
            except Exception:
                with quiet("reading the rule of a request"):
                    raise
        return dispatch(self, *args, **kwargs)

    return full_dispatch_request


def _present_request() -> Callable[[], Any]:
    """Return what finds the request that runs; Flask's proxy of it costs ten times as much."""
    from flask import globals as flask_globals  # noqa: PLC0415 - the program may not use it

    running = getattr(flask_globals, "_cv_request", None)
    if running is None:
        return lambda: flask_globals.request
    return lambda: running.get().request


def _with_exception(handle: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handle)
    def handle_exception(self: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = current.get()
        if exchange is not None and args and isinstance(args[-1], BaseException):
            exchange.error = args[-1]
        return handle(self, *args, **kwargs)

    return handle_exception
