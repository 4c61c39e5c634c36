# SPDX-License-Identifier: Apache-2.0
"""
Build the tracer, meter and logger providers that `Settings` describe.

The providers are ours to end: the SDK ends them one after another and waits for
each, which keeps a process alive for many seconds when the Collector is away.
`Ending` ends all of them at the same time under one deadline, and `Renewal` starts
them afresh in a forked child.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_setup import _exporters, _file, _limits, _urgent
from otel_setup._births import Births
from otel_setup._complaints import SIGNALS, Complaints, Throttle, address
from otel_setup._ending import Ending, together
from otel_setup._fork import Renewal, identified, readers, waiting
from otel_setup._logs import Left
from otel_setup._redaction import Resources, redacted
from otel_setup._status import status
from otel_setup._watched import Pause, Watched
from otel_setup.redaction import Redactor

if TYPE_CHECKING:
    from otel_setup.settings import Settings


class Providers:
    """The three providers of this process, installed as the global ones."""

    def __init__(self, settings: Settings) -> None:
        """
        Build and install them.

        Raises:
            ConfigError: an exporter is not installed or cannot start; nothing is installed then.
        """
        # Before anything of the SDK, whose own hooks start threads in a forked child.
        renewal = Renewal()
        self._whither = address(settings.endpoint)
        self._complaints = Complaints()
        self._throttle = Throttle(self._complaints)
        self._watched: list[Watched] = []
        self._births: list[Births] = []
        self._redactor = Redactor(
            settings.secret_names,
            s3_keys=settings.environment["OTEL_SETUP_S3_KEYS"] == "show",
            limit=int(settings.environment["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"]),
            asks=True,
        )
        os.register_at_fork(after_in_child=self._forget)
        if settings.config_file is None:
            self._by_variables(settings)
        else:
            self._by_file(settings, settings.config_file)
        self.tracer_provider.add_span_processor(Left())
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)
        _logs.set_logger_provider(self.logger_provider)
        renewal.of(self.tracer_provider, self.meter_provider, self.logger_provider)
        self._courier = _urgent.begin(self._push, self.tracer_provider.force_flush)
        self._ending = Ending(
            [
                lambda _seconds: self.tracer_provider.shutdown(),
                lambda seconds: self.meter_provider.shutdown(timeout_millis=seconds * 1000),
                lambda _seconds: self.logger_provider.shutdown(),
            ],
            settings.exit_timeout,
            before=self._last,
            after=self._sum_up,
        )
        self._throttle.install()
        Pause(self._watched)

    def _by_variables(self, settings: Settings) -> None:
        exporters = {
            signal: [self._outfitted(signal, exporter) for exporter in made]
            for signal, made in _exporters.load(settings).items()
        }
        _limits.install(settings.cardinality_limit, self._redactor)
        # Exporters hide its secrets as well; the /metrics page has no exporter.
        resource = identified(Resources(self._redactor).clean(Resource.create()))
        self.meter_provider = _meter_provider(exporters["metrics"], resource)
        self.tracer_provider = _tracer_provider(exporters["traces"], resource, self.meter_provider)
        self.logger_provider = _logger_provider(exporters["logs"], resource, self.meter_provider)

    def _by_file(self, settings: Settings, path: str) -> None:
        from otel_setup import _file_providers  # noqa: PLC0415 - what few programs need

        file = _file.read(path)
        limit = _file_providers.cardinality_limit(file, settings.cardinality_limit)
        _limits.install(limit, self._redactor)
        self.meter_provider, self.tracer_provider, self.logger_provider = _file_providers.build(
            file,
            self._outfitted,
            Resources(self._redactor).clean,
            strict=settings.strict,
            raising=settings.strict or status.called,
        )

    def flush(self, timeout: float = 3.0) -> bool:
        """Export what is waiting; True when all signals were done within *timeout* seconds."""
        milliseconds = int(timeout * 1000)
        return together(
            [
                lambda: self.tracer_provider.force_flush(milliseconds),
                lambda: self.meter_provider.force_flush(milliseconds),
                lambda: self.logger_provider.force_flush(milliseconds),
            ],
            timeout,
        )

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export what is waiting and end; True when that took at most *timeout* seconds."""
        return self._ending.run(timeout)

    def _outfitted(self, signal: str, made: Any) -> Any:
        """Wrap an exporter of *signal* in what each of ours has; the outermost sees raw data."""
        if isinstance(made, MetricReader):
            return made
        _exporters.equip(made)
        watched = Watched(made, signal, self._complaints, self._throttle)
        self._watched.append(watched)
        if signal == "metrics":
            births = Births(watched)
            self._births.append(births)
            return redacted(signal, births, self._redactor)
        return redacted(signal, watched, self._redactor)

    def _push(self) -> bool:
        """Export metrics now, and tell if they arrived; a page waits for its reader."""
        for reader in readers(self.meter_provider):
            if isinstance(reader, PeriodicExportingMetricReader):
                reader.collect()
        return all(births.arrived for births in self._births)

    def _last(self) -> None:
        self._courier.end()
        self._complaints.end()

    def _forget(self) -> None:
        """What a parent was exporting when it forked is not its child's to lose."""
        self._complaints.forget()
        for watched in self._watched:
            watched.renew()
        for births in self._births:
            births.renew()

    def _sum_up(self, finished: Sequence[bool]) -> None:
        """Say what the end of the process lost."""
        unsent = {signal: 0 for signal, done in zip(SIGNALS, finished, strict=True) if not done}
        for signal, queued in (
            ("traces", waiting(self.tracer_provider)),
            ("logs", waiting(self.logger_provider)),
            *((each.signal, each.under_way) for each in self._watched),
        ):
            if queued or (queued == 0 and signal == "metrics"):
                unsent[signal] = unsent.get(signal, 0) + queued
        self._complaints.sum_up(unsent, self._whither)


def _meter_provider(exporters: list[Any], resource: Resource) -> MeterProvider:
    return MeterProvider(
        [_reader(exporter) for exporter in exporters],
        resource=resource,
        shutdown_on_exit=False,
        views=_limits.views(),
    )


def _tracer_provider(
    exporters: list[Any], resource: Resource, meter_provider: MeterProvider
) -> TracerProvider:
    provider = TracerProvider(
        resource=resource, shutdown_on_exit=False, meter_provider=meter_provider
    )
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter, meter_provider=meter_provider))
    return provider


def _logger_provider(
    exporters: list[Any], resource: Resource, meter_provider: MeterProvider
) -> LoggerProvider:
    provider = LoggerProvider(
        resource=resource, shutdown_on_exit=False, meter_provider=meter_provider
    )
    for exporter in exporters:
        provider.add_log_record_processor(
            BatchLogRecordProcessor(exporter, meter_provider=meter_provider)
        )
    return provider


def _reader(made: Any) -> MetricReader:
    """Return what drives an exporter that pushes; one that is read drives itself."""
    return made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made)
