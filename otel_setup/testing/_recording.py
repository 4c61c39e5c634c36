# SPDX-License-Identifier: Apache-2.0
"""The providers of one recording, of the SDK and in memory, and what they kept as values."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics import export as sdk_metrics
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from otel_setup._logs import Left
from otel_setup.testing._clock import Clock, CountedIds
from otel_setup.testing._records import Event, Log, Metric, Point, Span

_NANOSECONDS = 1e9


class _Spans(SpanProcessor):
    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class _Logs(LogRecordProcessor):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.emitted: list[ReadWriteLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        log_record.log_record.timestamp = self._clock.tick()
        self.emitted.append(log_record)

    def shutdown(self) -> None:
        """Keep what there is: it is read afterwards."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002
        return True


@contextlib.contextmanager
def _empty_environment() -> Iterator[None]:
    """Hide the variables that the SDK reads: a test means the same on every machine."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("OTEL_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


class Recording:
    """Providers that keep everything; made for one test and thrown away."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._spans, self._logs = _Spans(), _Logs(self.clock)
        self._reader = InMemoryMetricReader()
        resource = Resource({"service.name": "test"})
        with _empty_environment():
            self.meters = MeterProvider([self._reader], resource=resource, shutdown_on_exit=False)
            self.tracers = TracerProvider(
                sampler=ALWAYS_ON,
                resource=resource,
                id_generator=CountedIds(),
                shutdown_on_exit=False,
            )
            self.loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self.tracers.add_span_processor(self._spans)
        self.tracers.add_span_processor(Left())
        self.loggers.add_log_record_processor(self._logs)

    @contextlib.contextmanager
    def fake_time(self) -> Iterator[None]:
        """Let spans and their events take the time from the clock inside the block."""
        # The SDK asks the module for the time; it takes no clock.
        names = vars(sdk_trace)
        real = names["time_ns"]
        names["time_ns"] = self.clock.tick
        try:
            yield
        finally:
            names["time_ns"] = real

    def flush(self) -> None:
        """Have processors hand over what they hold."""
        self.tracers.force_flush()
        self.loggers.force_flush()

    def end(self) -> None:
        """Close the providers."""
        self.meters.shutdown()
        self.tracers.shutdown()
        self.loggers.shutdown()

    def spans(self) -> list[Span]:
        """Return the spans in the order of their ends."""
        return [_span(span) for span in self._spans.ended]

    def logs(self) -> list[Log]:
        """Return the log records in the order of their coming."""
        return [_log(record) for record in self._logs.emitted]

    def metrics(self) -> dict[str, Metric]:
        """Read all metrics; the points of one that several scopes have are put together."""
        data = self._reader.get_metrics_data()
        found: dict[str, Metric] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for each in scope.metrics:
                    before = found[each.name].points if each.name in found else ()
                    found[each.name] = _metric(each, before)
        return found


def _hex(trace_id: int | None, span_id: int | None) -> tuple[str, str]:
    return (
        format(trace_id, "032x") if trace_id else "",
        format(span_id, "016x") if span_id else "",
    )


def _span(span: ReadableSpan) -> Span:
    context = span.get_span_context()
    trace_id, span_id = _hex(context.trace_id, context.span_id) if context else ("", "")
    scope = span.instrumentation_scope
    return Span(
        name=span.name,
        kind=span.kind.name,
        trace_id=trace_id,
        span_id=span_id,
        parent_id=_hex(0, span.parent.span_id)[1] if span.parent else "",
        attributes=dict(span.attributes or {}),
        status=span.status.status_code.name,
        status_text=span.status.description or "",
        events=tuple(
            Event(
                name=event.name,
                attributes=dict(event.attributes or {}),
                time=event.timestamp / _NANOSECONDS,
            )
            for event in span.events
        ),
        links=tuple(_hex(link.context.trace_id, link.context.span_id) for link in span.links),
        scope=scope.name if scope else "",
        start=(span.start_time or 0) / _NANOSECONDS,
        end=(span.end_time or 0) / _NANOSECONDS,
    )


def _log(kept: ReadWriteLogRecord) -> Log:
    record = kept.log_record
    trace_id, span_id = _hex(record.trace_id, record.span_id)
    scope = kept.instrumentation_scope
    return Log(
        message=str(record.body) if record.body is not None else "",
        level=record.severity_text or "",
        logger=scope.name if scope else "",
        trace_id=trace_id,
        span_id=span_id,
        attributes=dict(record.attributes or {}),
        time=(record.timestamp or 0) / _NANOSECONDS,
    )


def _kind(data: object) -> str:
    if isinstance(data, sdk_metrics.Sum):
        return "counter" if data.is_monotonic else "up-down counter"
    return "gauge" if isinstance(data, sdk_metrics.Gauge) else "histogram"


def _metric(metric: sdk_metrics.Metric, before: tuple[Point, ...]) -> Metric:
    return Metric(
        name=metric.name,
        unit=metric.unit or "",
        description=metric.description or "",
        kind=_kind(metric.data),
        points=(*before, *(_point(point) for point in metric.data.data_points)),
    )


def _point(point: Any) -> Point:
    labels = dict(point.attributes or {})
    exemplars = tuple(_hex(each.trace_id, each.span_id) for each in point.exemplars or ())
    if not hasattr(point, "explicit_bounds"):
        value = point.value if hasattr(point, "value") else point.count
        return Point(labels=labels, value=value, exemplars=exemplars)
    bounds = (*point.explicit_bounds, math.inf)
    return Point(
        labels=labels,
        value=point.count,
        sum=point.sum,
        buckets=dict(zip(bounds, point.bucket_counts, strict=True)),
        exemplars=exemplars,
    )
