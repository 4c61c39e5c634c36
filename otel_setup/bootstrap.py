# SPDX-License-Identifier: Apache-2.0
"""Set-up by a call, for programs that are not launched by ``opentelemetry-instrument``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_setup.instrumentation import ARGUMENTS
from otel_setup.settings import Settings

if TYPE_CHECKING:
    from otel_setup._providers import Providers

_FASTAPI = "fastapi.applications.FastAPI"
_FLASK = "flask.app.Flask"


@dataclass(frozen=True, slots=True)
class Handle:
    """What `setup` started; all of it does nothing when telemetry is disabled."""

    _providers: Providers | None

    def flush(self, timeout: float = 3.0) -> bool:
        """Export what is waiting; True when that took at most *timeout* seconds."""
        return self._providers is None or self._providers.flush(timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        """
        Export what is waiting and end telemetry.

        True when that took at most *timeout* seconds (``OTEL_SETUP_EXIT_TIMEOUT`` when None).
        A process that ends does this by itself.
        """
        return self._providers is None or self._providers.shutdown(timeout)


def setup(service_name: str | None = None, *, endpoint: str | None = None) -> Handle:
    """
    Start telemetry for this process; a second call returns the same.

    Call it before the frameworks are imported, since a class that was imported earlier is
    not patched any more (`instrument_app` mends that for one app). What is given here wins
    over the environment: *service_name* over ``OTEL_SERVICE_NAME``, *endpoint*, a URL, over
    ``OTEL_EXPORTER_OTLP_ENDPOINT``.

    Raises:
        ConfigError: the environment is wrong; the message has every problem.
    """
    from otel_setup import distro  # noqa: PLC0415 - keeps `import otel_setup` light

    if service_name is not None:
        os.environ["OTEL_SERVICE_NAME"] = service_name
    if endpoint is not None:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    return Handle(distro.start())


def instrument_app(app: Any) -> None:
    """
    Instrument one FastAPI or Flask object that was made before `setup`.

    It does nothing where ``OTEL_SDK_DISABLED`` is true.

    Raises:
        TypeError: *app* is neither.
    """
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    bases = {f"{base.__module__}.{base.__qualname__}" for base in type(app).__mro__}
    if not bases & {_FASTAPI, _FLASK}:
        raise TypeError(f"instrument_app got {kind}: expected a FastAPI or Flask application.")
    if Settings.from_env().disabled:
        return
    if _FASTAPI in bases:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415

        FastAPIInstrumentor.instrument_app(app, **ARGUMENTS["fastapi"])
    else:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415

        FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]
