# SPDX-License-Identifier: Apache-2.0
"""
The logs of a program: trace ids in each record, lines with them, records over OTLP.

Upstream's package sees only what reaches the root logger: the tracebacks of uvicorn and
gunicorn do not, and a program that configures ``logging`` later loses the rest.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_setup.instrumentation.logs.export import Export
from otel_setup.instrumentation.logs.lines import Lines
from otel_setup.instrumentation.logs.records import Stamps
from otel_setup.settings import Settings

#: The only ones of a process: what they change is global.
STAMPS, LINES, EXPORT = Stamps(), Lines(), Export()


class LogsInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Watches ``logging``; entry point ``otel_setup_logs``."""

    _exports = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name nothing: ``logging`` is always there."""
        return ()

    def _instrument(self, **_kwargs: Any) -> None:
        settings = Settings.from_env()
        STAMPS.on()
        if settings.log_format != "none":
            LINES.on(settings.log_format)
        # A file decides on exporters itself, and the SDK says at each record whether it has one.
        if settings.logs_exporters or settings.config_file:
            EXPORT.on()
            self._exports = True

    def _uninstrument(self, **_kwargs: Any) -> None:
        if self._exports:
            EXPORT.off()
            self._exports = False
        LINES.off()
        STAMPS.off()
