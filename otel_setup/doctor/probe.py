# SPDX-License-Identifier: Apache-2.0
"""
Send one marked span, metric and log record, through the exporters that the application has.

The mark is a number that nobody else sends: it is the metric's value, so that a thousand
runs make no thousand label values, and an attribute of the span and the record.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from otel_setup import _exporters
from otel_setup._complaints import attempt
from otel_setup._session import Session
from otel_setup.catalogue.entries.doctor import PROBE
from otel_setup.doctor import answers
from otel_setup.settings import ConfigError, Settings

#: Not the application's name: what watches the application must not see a new instance of it.
SERVICE = "otel-setup-doctor"
_ATTRIBUTE = "otel_setup.doctor.nonce"


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What became of one *signal*.

    ``why`` says what went wrong, ``partial`` what the Collector said about a part of it.
    """

    signal: str
    accepted: bool
    why: str = ""
    partial: str = ""

    @property
    def refused_by_prometheus(self) -> bool:
        """Whether Prometheus, asked directly, did not store it."""
        return answers.refused_by_prometheus(f"{self.why} {self.partial}")


@dataclass(frozen=True, slots=True)
class Probe:
    """The marked data: the mark, the id of the trace, and what became of each signal."""

    nonce: int
    trace_id: str
    sent: tuple[Sent, ...]


class _Listening(Session):
    """Keeps the last answer."""

    answer: answers.Answer | None = None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        try:
            response = super().send(request, **kwargs)
        except requests.HTTPError as error:
            self._keep(error.response)
            raise
        self._keep(response)
        return response

    def _keep(self, response: requests.Response | None) -> None:
        if response is not None:
            kind = response.headers.get("Content-Type", "")
            self.answer = answers.Answer(response.status_code, kind, response.content)


class _Said(logging.Handler):
    """Keeps the last line that exporters log in each thread."""

    def __init__(self) -> None:
        super().__init__()
        self.last: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.last[threading.get_ident()] = record.getMessage()


def send(settings: Settings, signals: list[str]) -> Probe:
    """Send one piece of each of *signals* and return what became of it."""
    # Exactly what a float holds, and never the value of an earlier run.
    nonce = secrets.randbelow(2**50)
    made, trace_id = _made(nonce)
    said = _Said()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(said)
    logger.propagate = False
    try:
        with ThreadPoolExecutor(len(made)) as pool:
            jobs = [pool.submit(_export, settings, each, made[each], said) for each in signals]
            return Probe(nonce, trace_id, tuple(job.result() for job in jobs))
    finally:
        logger.removeHandler(said)
        logger.propagate = True


def _export(settings: Settings, signal: str, data: Callable[[], Any], said: _Said) -> Sent:
    session = _Listening()
    try:
        exporter = _exporters.one(settings, signal, session)
    except ConfigError as error:
        return Sent(signal, accepted=False, why="; ".join(error.problems))
    attempt.trouble = ""
    try:
        result = exporter.export(data())
        accepted, why = result.name == "SUCCESS", ""
    except Exception as error:  # noqa: BLE001 - whatever an exporter raises is what is asked for
        accepted, why = False, f"{type(error).__name__}: {error}"
    finally:
        exporter.shutdown()
    answer = session.answer
    if accepted:
        return Sent(
            signal, accepted=True, partial=answers.partial(signal, answer) if answer else ""
        )
    why = attempt.trouble or why or said.last.get(threading.get_ident(), "no reason is given")
    return Sent(signal, accepted=False, why=f"{why}: {answer.text}" if answer else why)


def _made(nonce: int) -> tuple[dict[str, Callable[[], Any]], str]:
    """Return what gives the data of each signal, and the id of the trace."""
    resource = Resource.create({"service.name": SERVICE})
    tracers = TracerProvider(resource=resource, sampler=ALWAYS_ON, shutdown_on_exit=False)
    spans = InMemorySpanExporter()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    records = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
    with tracers.get_tracer("otel_setup").start_as_current_span("otel-setup doctor") as span:
        span.set_attribute(_ATTRIBUTE, str(nonce))
        gauge = meters.get_meter("otel_setup").create_gauge(PROBE.name, PROBE.unit)
        gauge.set(nonce)
        loggers.get_logger("otel_setup").emit(
            LogRecord(body=f"otel-setup doctor {nonce}", attributes={_ATTRIBUTE: str(nonce)})
        )
    made: dict[str, Callable[[], Any]] = {
        "traces": spans.get_finished_spans,
        "metrics": reader.get_metrics_data,
        "logs": records.get_finished_logs,
    }
    return made, format(span.get_span_context().trace_id, "032x")
