# SPDX-License-Identifier: Apache-2.0
"""What several test modules share. Nothing of a test is left behind for the next one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry import metrics, trace
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_setup import _guard
from tests.otlp_sink import Sink

# A busy machine is slow, not wrong: pytest-timeout is the limit.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without OpenTelemetry variables, and without warnings that were given before."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(_guard, "_last_line", {})


@dataclass(frozen=True)
class Telemetry:
    """What the code under test recorded in this process."""

    _reader: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    _spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def metric(self, name: str) -> Metric | None:
        """Return the metric *name*; None when nothing was recorded."""
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        return metric
        return None

    def spans(self) -> list[str]:
        """Return the names of the spans that ended."""
        return [span.name for span in self._spans.get_finished_spans()]

    def values(self, name: str) -> dict[frozenset[tuple[str, object]], float]:
        """Return the values of the metric *name*, by its attributes."""
        metric = self.metric(name)
        points = metric.data.data_points if metric else ()
        return {frozenset((point.attributes or {}).items()): point.value for point in points}


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    """Global providers that keep everything in memory, for one test."""
    kept = Telemetry()
    meters = MeterProvider([kept._reader], shutdown_on_exit=False)
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(kept._spans))
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", meters)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracers)
    assert metrics.get_meter_provider() is meters
    yield kept
    tracers.shutdown()
    meters.shutdown()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A Collector that takes everything."""
    with Sink() as started:
        yield started
