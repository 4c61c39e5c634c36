# SPDX-License-Identifier: Apache-2.0
"""
Build the tracer, meter and logger providers that `Settings` describe.

The providers are ours to end: the SDK ends them one after another and waits for
each, which keeps a process alive for many seconds when the Collector is away.
`Ending` ends all of them at the same time under one deadline.
"""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_setup._ending import Ending, together
from otel_setup.catalogue.entries import database, http
from otel_setup.settings import ConfigError

if TYPE_CHECKING:
    from otel_setup.settings import Settings

#: The entry point that serves each exporter name, by protocol for OTLP.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_GROUPS = {
    "traces": "opentelemetry_traces_exporter",
    "metrics": "opentelemetry_metrics_exporter",
    "logs": "opentelemetry_logs_exporter",
}


class Providers:
    """The three providers of this process, installed as the global ones."""

    def __init__(self, settings: Settings) -> None:
        """
        Build and install them.

        Raises:
            ConfigError: an exporter is not installed or cannot start; nothing is installed then.
        """
        problems: list[str] = []
        span_exporters = _load(settings, "traces", settings.traces_exporters, problems)
        metric_exporters = _load(settings, "metrics", settings.metrics_exporters, problems)
        log_exporters = _load(settings, "logs", settings.logs_exporters, problems)
        if problems:
            for exporter in (*span_exporters, *metric_exporters, *log_exporters):
                exporter.shutdown()
            raise ConfigError(problems)
        resource = Resource.create()
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        for exporter in span_exporters:
            self.tracer_provider.add_span_processor(BatchSpanProcessor(exporter))
        readers = [_reader(exporter) for exporter in metric_exporters]
        self.meter_provider = MeterProvider(
            readers, resource=resource, shutdown_on_exit=False, views=_views()
        )
        self.logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        for exporter in log_exporters:
            self.logger_provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)
        _logs.set_logger_provider(self.logger_provider)
        self._ending = Ending(
            [
                lambda _seconds: self.tracer_provider.shutdown(),
                lambda seconds: self.meter_provider.shutdown(timeout_millis=seconds * 1000),
                lambda _seconds: self.logger_provider.shutdown(),
            ],
            settings.exit_timeout,
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


def _views() -> list[View]:
    """Give upstream's histograms the bounds of the catalogue: its own are for milliseconds."""
    return [
        View(
            instrument_name=entry.name,
            aggregation=ExplicitBucketHistogramAggregation(entry.buckets),
        )
        for entry in (
            http.REQUEST_BODY_SIZE,
            http.RESPONSE_BODY_SIZE,
            database.OPERATION_DURATION,
            database.RETURNED_ROWS,
        )
    ]


def _reader(made: Any) -> MetricReader:
    """Return what drives an exporter that pushes; one that is read drives itself."""
    return made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made)


def _load(
    settings: Settings, signal: str, names: tuple[str, ...], problems: list[str]
) -> list[Any]:
    """Make the exporters *names* of *signal*; what fails is added to *problems*."""
    made = []
    for name in names:
        try:
            made.append(_make(settings, signal, name))
        except ConfigError as error:
            problems.extend(error.problems)
    return made


def _make(settings: Settings, signal: str, name: str) -> object:
    entry = _entry_point(settings, signal, name)
    try:
        return entry.load()(**_arguments(entry))
    except ImportError as error:
        raise ConfigError([_not_installed(signal, name, str(error))]) from error
    except OSError as error:
        line = (
            f"OTEL_EXPORTER_PROMETHEUS_PORT={settings.prometheus_port}: cannot serve /metrics "
            f"on {settings.prometheus_host} ({error.strerror}). Choose a free port. Of an "
            "app with several workers only one could have it: use OTEL_METRICS_EXPORTER=otlp."
        )
        raise ConfigError([line]) from error
    except Exception as error:
        line = (
            f"OTEL_{signal.upper()}_EXPORTER={name!r}: it cannot start "
            f"({type(error).__name__}: {error}). Check the variables of the exporter."
        )
        raise ConfigError([line]) from error


def _arguments(entry: EntryPoint) -> dict[str, object]:
    """Give an OTLP/HTTP exporter a session, unless the user named a provider of sessions."""
    if entry.name != _OTLP["http/protobuf"] or any(
        name.startswith("OTEL_PYTHON_EXPORTER_OTLP_HTTP_") for name in os.environ
    ):
        return {}
    import requests  # noqa: PLC0415 - comes with that exporter

    session = requests.Session()

    def reconnect() -> None:
        # A connection that parent and child both write into garbles what they send. Closing
        # it would need locks that another thread of the parent may have held.
        for prefix in ("https://", "http://"):
            session.mount(prefix, requests.adapters.HTTPAdapter())

    # Before the SDK's own hooks, which start to export again.
    os.register_at_fork(after_in_child=reconnect)
    return {"session": session}


def _entry_point(settings: Settings, signal: str, name: str) -> EntryPoint:
    wanted = _OTLP[settings.protocol] if name == "otlp" else name
    for entry in entry_points(group=_GROUPS[signal], name=wanted):
        return entry
    raise ConfigError([_not_installed(signal, name, f"no exporter {wanted!r}")])


def _not_installed(signal: str, name: str, detail: str) -> str:
    extra = {"prometheus": "[prometheus]", "otlp": "[grpc]"}.get(name, "")
    return (
        f"OTEL_{signal.upper()}_EXPORTER={name!r}: its package is not installed ({detail}). "
        f"Install it with: pip install 'otel-setup{extra}'"
    )
