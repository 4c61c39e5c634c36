# SPDX-License-Identifier: Apache-2.0
"""
Calls with httpx that get no answer.

Upstream's instrumentation measures the duration of calls that were answered; one that was
refused or timed out is in no metric of it, though nothing is worth knowing more. Its package
for requests measures both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from timeit import default_timer
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled
from opentelemetry.metrics import Histogram

from otel_setup._guard import quiet
from otel_setup.catalogue.entries import http_client as catalogue
from otel_setup.instrumentation import disabled
from otel_setup.instruments import instrument

_CLASSES = (
    ("HTTPTransport", "handle_request"),
    ("AsyncHTTPTransport", "handle_async_request"),
)


class HttpxFailuresInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Measures calls of httpx that raise; entry point ``otel_setup_httpx``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name the library whose calls are measured."""
        return ("httpx >= 0.20",)

    def _instrument(self, **_kwargs: Any) -> None:
        if "httpx" in disabled():  # who does not want upstream's measurements wants none of ours
            return
        import httpx  # noqa: PLC0415 - the program may not use it

        failed = _Failed(instrument(catalogue.REQUEST_DURATION))

        def send(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
            start = default_timer()
            try:
                return wrapped(*args, **kwargs)
            except Exception as error:
                failed.record(args, error, default_timer() - start)
                raise

        async def send_async(
            wrapped: Callable[..., Awaitable[Any]], _: Any, args: tuple[Any, ...], kwargs: Any
        ) -> Any:
            start = default_timer()
            try:
                return await wrapped(*args, **kwargs)
            except Exception as error:
                failed.record(args, error, default_timer() - start)
                raise

        for (name, method), wrapper in zip(_CLASSES, (send, send_async), strict=True):
            wrapt.wrap_function_wrapper(getattr(httpx, name), method, wrapper)

    def _uninstrument(self, **_kwargs: Any) -> None:
        import httpx  # noqa: PLC0415 - the program may not use it

        for name, method in _CLASSES:
            found = getattr(httpx, name)
            wrapper = getattr(found, method)
            # Reading a class attribute takes the wrapper's own __wrapped__.
            setattr(found, method, getattr(wrapper, "__wrapped__", wrapper))


class _Failed:
    """Records calls that raised, with the labels that upstream gives to the others."""

    def __init__(self, duration: Histogram) -> None:
        # A package of upstream's instrumentations of HTTP: a program may have none.
        from opentelemetry.util.http import get_excluded_urls, sanitize_method  # noqa: PLC0415

        self._duration = duration
        self._method = sanitize_method
        self._excluded = get_excluded_urls("HTTPX")

    def record(self, args: tuple[Any, ...], error: Exception, seconds: float) -> None:
        with quiet("measuring a call"):
            request = args[0]
            url = request.url
            if not is_http_instrumentation_enabled() or self._excluded.url_disabled(str(url)):
                return
            labels: dict[str, str | int] = {
                "http.request.method": self._method(request.method),
                "server.address": url.host,
                "error.type": type(error).__qualname__,
            }
            if url.port:
                labels["server.port"] = url.port
            self._duration.record(seconds, labels)
