# SPDX-License-Identifier: Apache-2.0
"""Read from an answer who gave it: a Collector, one that refuses, or something else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from otel_setup.doctor.findings import Finding, failure, ok
from otel_setup.doctor.target import Target

_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_ELSEWHERE = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
_TOKEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_TLS = (
    "tls",
    "the port speaks TLS, and the address begins with http",
    f"Write https:// in {_VARIABLE}.",
)
#: Type of a frame with settings, the first that a server of HTTP/2 sends.
_SETTINGS = 4
#: What Prometheus says about samples that it does not take.
_REFUSALS = ("out of order", "out of bounds", "too old", "duplicate sample", "too far in")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, type (for a redirect: where to) and body of an answer over HTTP."""

    status: int
    kind: str
    body: bytes

    @property
    def text(self) -> str:
        """The body in one short line, for people."""
        printable = self.body.decode("utf-8", "replace")
        words = "".join(sign if sign.isprintable() else " " for sign in printable).split()
        text = " ".join(words)
        return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 - two lines


@dataclass(frozen=True, slots=True)
class Other:
    """A protocol that is not HTTP."""

    check: str
    seen: str
    fix: str


def other_protocol(first: bytes) -> Other | None:
    """Return what the *first* bytes of an answer tell when they are not those of HTTP."""
    if first[:2] == b"\x15\x03":
        return Other(*_TLS)
    if len(first) > _SETTINGS and first[:1] == b"\x00" and first[3] == _SETTINGS:
        return Other(
            "protocol",
            "the port speaks gRPC, and http/protobuf was sent to it",
            f"Use the port for http/protobuf in {_VARIABLE} (usually 4318), or set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc.",
        )
    if first and not first.startswith(b"HTTP/"):
        return Other(
            "not_otlp",
            f"what answers speaks no HTTP (it begins with {first[:8]!r})",
            f"Correct the port in {_VARIABLE}; the Collector's is usually 4318.",
        )
    return None


def judge(target: Target, about: str, answer: Answer) -> Finding:
    """Return what *answer* to an empty export tells about *target*."""
    status = answer.status
    said = f"HTTP {status}" + (f": {answer.text}" if answer.text else "")
    refused = "refuses the token" if target.headers else "wants a token, and none is set"
    success = status < HTTPStatus.MULTIPLE_CHOICES
    rows = (
        (
            status in _TOKEN,
            "token",
            f"the Collector {refused} ({said})",
            (
                "Set OTEL_EXPORTER_OTLP_HEADERS to what its receiver expects, such as "
                "authorization=Bearer%20<token>."
            ),
        ),
        (b"HTTP request to an HTTPS server" in answer.body, *_TLS),
        (
            status == HTTPStatus.NOT_FOUND,
            "path",
            f"what answers knows no such path ({said})",
            f"Let {_VARIABLE} end at the port of a Collector, without a path.",
        ),
        (
            status in _BUSY,
            "busy",
            f"the Collector refuses data for now ({said})",
            "Give it more memory, or look at what it cannot send on.",
        ),
        (
            not success and status < HTTPStatus.BAD_REQUEST,
            "path",
            f"it redirects to {answer.kind} (HTTP {status})",
            f"Set {_VARIABLE} to that.",
        ),
        (
            status in _ELSEWHERE or (success and not _is_otlp(answer)),
            "not_otlp",
            f"what answers is no OTLP receiver (HTTP {status} {answer.kind}".rstrip() + ")",
            f"Correct host and port in {_VARIABLE}: another web server has this one.",
        ),
        (
            not success,
            "error",
            f"the Collector answers {said}",
            "Look at the log of the Collector.",
        ),
    )
    for applies, step, seen, fix in rows:
        if applies:
            return failure(f"connection.{step}", about, seen, fix)
    return ok("connection", about, "the Collector takes it")


def refused_by_prometheus(text: str) -> bool:
    """Tell whether *text* is what Prometheus says about samples that it does not store."""
    lowered = text.lower()
    return any(words in lowered for words in _REFUSALS)


def partial(signal: str, answer: Answer) -> str:
    """Return what the Collector says about a part that it did not take; '' for nothing."""
    if "json" in answer.kind:
        try:
            found = json.loads(answer.body or b"{}").get("partialSuccess") or {}
        except (ValueError, AttributeError):
            return ""
        counts = [int(value) for key, value in found.items() if key.startswith("rejected")]
        return _part(sum(counts), str(found.get("errorMessage", "")))
    message = _response(signal)
    try:
        message.ParseFromString(answer.body)
    except Exception:  # noqa: BLE001 - what is no answer to an export says nothing about parts
        return ""
    rejected = {"traces": "spans", "metrics": "data_points", "logs": "log_records"}[signal]
    count = getattr(message.partial_success, f"rejected_{rejected}")
    return _part(int(count), message.partial_success.error_message)


def _part(count: int, words: str) -> str:
    if not count and not words:
        return ""
    return f"{count} rejected" + (f": {words}" if words else "")


def _response(signal: str) -> Any:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    return {
        "traces": trace_service_pb2.ExportTraceServiceResponse,
        "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
        "logs": logs_service_pb2.ExportLogsServiceResponse,
    }[signal]()


def _is_otlp(answer: Answer) -> bool:
    if "protobuf" in answer.kind:
        return True
    if "json" in answer.kind:
        return answer.body.strip() in {b"", b"{}"} or b"partialSuccess" in answer.body
    return not answer.body and not answer.kind
