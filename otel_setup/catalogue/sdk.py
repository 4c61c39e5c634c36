# SPDX-License-Identifier: Apache-2.0
"""
What services lose of their own telemetry, as the SDK counts it.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.sdk import ALERTS
from otel_setup.catalogue.boards import Panel, Query
from otel_setup.catalogue.entries import sdk_logs
from otel_setup.catalogue.entries.doctor import PROBE
from otel_setup.catalogue.entries.sdk import (
    POINTS_EXPORTED,
    SPAN_QUEUE,
    SPAN_QUEUE_CAPACITY,
    SPANS_EXPORTED,
    SPANS_PROCESSED,
    SPANS_STARTED,
)
from otel_setup.catalogue.jobs import alive, legend, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import or_zero, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "METRICS",
    "POINTS_EXPORTED",
    "PROBE",
    "SPANS_EXPORTED",
    "SPANS_PROCESSED",
    "SPANS_STARTED",
    "SPAN_QUEUE",
    "SPAN_QUEUE_CAPACITY",
    "component",
    "lost",
    "points",
    "queue",
    "spans",
]

METRICS = (
    *(SPANS_STARTED, SPANS_PROCESSED, SPAN_QUEUE, SPAN_QUEUE_CAPACITY),
    *(SPANS_EXPORTED, POINTS_EXPORTED),
    *sdk_logs.METRICS,
    PROBE,
)

_WRONG = {"error.type": "!"}


def spans(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many spans services begin."""
    return Panel(
        title=title or Text("Spans by service", "Спаны по сервисам"),
        queries=(Query(rate(SPANS_STARTED, by=["job"], where=of(jobs)), "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def lost(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many spans services could not deliver; 0 while all arrive."""
    failed = rate(SPANS_EXPORTED, by=["job"], where=of(jobs, **_WRONG))
    dropped = rate(SPANS_PROCESSED, by=["job"], where=of(jobs, **_WRONG))
    return Panel(
        title=title or Text("Spans that services lose", "Спаны, потерянные сервисами"),
        queries=(
            Query(
                or_zero(failed, rate(SPANS_EXPORTED, by=["job"], where=of(jobs))),
                "{{job}} not delivered",
            ),
            Query(
                or_zero(dropped, rate(SPANS_PROCESSED, by=["job"], where=of(jobs))),
                "{{job}} dropped",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def queue(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many spans wait in the process that has most."""
    return Panel(
        title=title
        or Text("Most spans waiting in one process", "Спаны в очереди: максимум на процесс"),
        queries=(
            Query(
                alive(SPAN_QUEUE, by=["job"], where=of(jobs), fold="max"), legend(jobs, "waiting")
            ),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def points(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many data points of metrics services send."""
    return Panel(
        title=title or Text("Data points by service", "Точки метрик по сервисам"),
        queries=(Query(rate(POINTS_EXPORTED, by=["job"], where=of(jobs)), "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def component(
    *, owner: str = "platform", dashboard: str = "services", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    """
    return Component(
        name="sdk",
        title=Text("Telemetry of services about itself", "Телеметрия сервисов о себе"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
