# SPDX-License-Identifier: Apache-2.0
"""
A Collector for tests: takes OTLP over HTTP in this process and keeps what it decodes.

A healthy Collector answers 200. The sick ones of this file answer an error, or accept
a connection and never answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

_REQUESTS: dict[str, Callable[[], Any]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}

_STATUS = ("UNSET", "OK", "ERROR")


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span as it arrived."""

    name: str
    kind: str
    scope: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    trace_id: str
    span_id: str
    parent_id: str
    #: The sender's port: the same for all that came through one connection.
    connection: int
    #: UNSET, OK or ERROR, and what it says about an error.
    status: str
    status_text: str
    #: Trace and span id of each link.
    links: tuple[tuple[str, str], ...]
    #: Names of the events.
    events: tuple[str, ...]
    #: Nanoseconds since 1970.
    start: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """One data point of a metric as it arrived; a histogram's value is its count."""

    name: str
    unit: str
    scope: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    value: float
    #: Nanoseconds since 1970.
    time: int
    sum: float = 0.0
    bounds: tuple[float, ...] = ()
    #: How many values each bucket has; one more than there are bounds.
    buckets: tuple[int, ...] = ()
    #: Trace and span id of each exemplar.
    exemplars: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Log:
    """One log record as it arrived; both ids are empty outside of a span."""

    message: str
    level: str
    scope: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    trace_id: str
    span_id: str


class Sink:
    """
    A Collector on a free port of 127.0.0.1; a context manager.

    It answers every export with *status*, or with nothing at all when *status* is None.
    """

    def __init__(self, status: int | None = 200) -> None:
        self.spans: list[Span] = []
        self.points: list[Point] = []
        self.logs: list[str] = []
        self.records: list[Log] = []
        #: The instance id that each request with logs came from.
        self.log_instances: list[str] = []
        #: The bytes of each request, with its path.
        self.raw: list[tuple[str, bytes]] = []
        #: Paths of requests that were not OTLP.
        self.broken: list[str] = []
        #: Paths of the requests, in the order of their arrival.
        self.paths: list[str] = []
        #: What it answers from now on.
        self.status = status
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        # More than the five that wait by default: children of a fork come at once.
        self._server.socket.listen(128)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, arrived: Callable[[Sink], Any], seconds: float = 20.0) -> Any:
        """Return what *arrived* says as soon as it is true; fail after *seconds*."""
        deadline = time.monotonic() + seconds
        while not (found := arrived(self)):
            if time.monotonic() > deadline:
                names = sorted({span.name for span in self.spans})
                metrics = sorted({point.name for point in self.points})
                raise AssertionError(f"not within {seconds:g} s; arrived: spans {names}, {metrics}")
            time.sleep(0.02)
        return found

    def metric(self, name: str) -> list[Point]:
        """Return all points of the metric *name*, oldest first."""
        return [point for point in self.points if point.name == name]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sink.status is None:
                    sink.paths.append(self.path)
                    sink._ended.wait()
                    return
                sink._keep(self.path, body, self.client_address[1])
                self.send_response(sink.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        return Handler

    def _keep(self, path: str, body: bytes, connection: int) -> None:
        self.raw.append((path, body))
        request = _REQUESTS[path]()
        try:
            request.ParseFromString(body)
        except DecodeError:
            self.broken.append(path)
            return
        if path == "/v1/traces":
            self.spans.extend(_spans(request, connection))
        elif path == "/v1/metrics":
            self.points.extend(_points(request))
        else:
            self.log_instances.extend(
                _attributes(each.resource.attributes)["service.instance.id"]
                for each in request.resource_logs
            )
            records = list(_logs(request))
            self.records.extend(records)
            self.logs.extend(record.message for record in records)
        self.paths.append(path)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _spans(request: Any, connection: int) -> Iterable[Span]:
    for part in request.resource_spans:
        for scope in part.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    scope=scope.scope.name,
                    attributes=_attributes(span.attributes),
                    resource=_attributes(part.resource.attributes),
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    connection=connection,
                    status=_STATUS[span.status.code],
                    status_text=span.status.message,
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    events=tuple(event.name for event in span.events),
                    start=span.start_time_unix_nano,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                )


def _logs(request: Any) -> Iterable[Log]:
    for part in request.resource_logs:
        for scope in part.scope_logs:
            for record in scope.log_records:
                yield Log(
                    message=record.body.string_value,
                    level=record.severity_text,
                    scope=scope.scope.name,
                    attributes=_attributes(record.attributes),
                    resource=_attributes(part.resource.attributes),
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                )


def _points(request: Any) -> Iterable[Point]:
    for part in request.resource_metrics:
        resource = _attributes(part.resource.attributes)
        for scope in part.scope_metrics:
            for metric in scope.metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                for point in data.data_points:
                    yield Point(
                        name=metric.name,
                        unit=metric.unit,
                        scope=scope.scope.name,
                        attributes=_attributes(point.attributes),
                        resource=resource,
                        time=point.time_unix_nano,
                        **_numbers(point),
                    )


def _numbers(point: Any) -> dict[str, Any]:
    if hasattr(point, "bucket_counts"):
        return {
            "value": point.count,
            "sum": point.sum,
            "bounds": tuple(point.explicit_bounds),
            "buckets": tuple(point.bucket_counts),
            "exemplars": tuple(
                (each.trace_id.hex(), each.span_id.hex()) for each in point.exemplars
            ),
        }
    return {"value": getattr(point, point.WhichOneof("value"))}
