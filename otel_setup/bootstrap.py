# SPDX-License-Identifier: Apache-2.0
"""Set-up by a call, for programs that are not launched by ``opentelemetry-instrument``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from otel_setup._report import Report, report
from otel_setup._status import status
from otel_setup.settings import Settings

if TYPE_CHECKING:
    from otel_setup._providers import Providers
    from otel_setup.redaction import Decide

App = TypeVar("App")


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

    def report(self) -> Report:
        """
        Return what is in force here: settings, exporters, instrumentations, problems.

        Print it when telemetry is missing. Libraries that were patched since are in it.
        """
        return report()


def setup(
    service_name: str | None = None, *, endpoint: str | None = None, redact: Decide | None = None
) -> Handle:
    """
    Start telemetry for this process; a second call returns the same.

    Call it as early as you can: web frameworks are measured whenever they were imported, other
    libraries when they are imported later. What is given here wins over the environment:
    *service_name* over ``OTEL_SERVICE_NAME``, *endpoint*, a URL, over
    ``OTEL_EXPORTER_OTLP_ENDPOINT``.

    Secrets are hidden before anything leaves the process, see `otel_setup.redaction`. *redact*
    is asked first: called with the name of an attribute and its text, it returns what is sent,
    or None to leave that to the rules. Given in a later call, it is asked from then on.

    Raises:
        ConfigError: the environment is wrong; the message has every problem.
    """
    from otel_setup import distro  # noqa: PLC0415 - keeps `import otel_setup` light

    if service_name is not None:
        os.environ["OTEL_SERVICE_NAME"] = service_name
        status.arguments.add("OTEL_SERVICE_NAME")
    if endpoint is not None:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        status.arguments.add("OTEL_EXPORTER_OTLP_ENDPOINT")
    if redact is not None:
        from otel_setup import redaction  # noqa: PLC0415 - its patterns take their time

        redaction.decide_with(redact)
    return Handle(distro.start())


def instrument_app(app: App) -> App:
    """
    Measure one application, whenever it was made; serve what this returns.

    A FastAPI, Starlette or Flask object is returned as it is: `setup` measures all of them, so
    that this is needed for other applications only. Those are ASGI and WSGI callables, for
    which a callable of the same kind is returned. A second call changes nothing, and
    nothing is done where ``OTEL_SDK_DISABLED`` is true.

    Raises:
        TypeError: *app* is none of these.
        ConfigError: the environment is wrong; the message has every problem.
    """
    from otel_setup.instrumentation.http import apps  # noqa: PLC0415 - for programs that serve

    served: App = apps.measure(app, off=Settings.from_env().disabled)
    return served
