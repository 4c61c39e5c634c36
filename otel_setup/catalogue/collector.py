# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry Collector: panels about telemetry on its way, and how it is scraped."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.collector import ALERTS, FULL_SHARE, SILENT_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Counter, Source, Text
from otel_setup.catalogue.promql import highest, latest, rate, written
from otel_setup.catalogue.scraped.collector import (
    ACCEPTED,
    CPU,
    FAILED,
    JOB,
    LAST_REPORT,
    LOST,
    MEMORY,
    METRICS,
    QUEUE_CAPACITY,
    QUEUE_SIZE,
    REFUSED,
    SENT,
    SIGNALS,
)
from otel_setup.catalogue.whole import Component, Scrape

SCRAPES = (Scrape(job=JOB, says="The Collector's own health: queues, refusals, failures."),)

_NODE = "{{instance}}"


def _items(counters: dict[str, Counter], label: str, legend: str = "") -> tuple[Query, ...]:
    """Return the rates of *counters* by *label*; spans and points share a panel as items."""
    return tuple(
        Query(
            replace(rate(counters[signal], by=[label]), unit="{item}/s"),
            f"{{{{{label}}}}} {signal} {legend}".rstrip(),
        )
        for signal in SIGNALS
    )


def received(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much the Collector takes."""
    return Panel(
        title=Text("Telemetry received", "Принятая телеметрия"),
        queries=_items(ACCEPTED, "receiver"),
        rows=rows,
        leads_to=leads_to,
    )


def exported(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much the Collector sends on."""
    return Panel(
        title=Text("Telemetry sent on", "Отправленная телеметрия"),
        queries=_items(SENT, "exporter"),
        rows=rows,
        leads_to=leads_to,
    )


def refused(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much the Collector does not take, or cannot process."""
    return Panel(
        title=Text("Telemetry refused", "Непринятая телеметрия"),
        queries=(*_items(REFUSED, "receiver", "refused"), *_items(FAILED, "receiver", "failed")),
        rows=rows,
        leads_to=leads_to,
    )


def lost(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return what did not get through in the last five minutes."""
    return Panel(
        title=Text("What got lost? (5 min)", "Что потеряно? (5 мин)"),
        queries=(Query(latest(LOST), "{{signal}}, {{how}}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1),),
    )


def queue(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how full the queues of the exporters are."""
    by = ["exporter", "data_type"]
    return Panel(
        title=Text("How full are the queues?", "Насколько полны очереди?"),
        queries=(
            Query(
                latest(QUEUE_SIZE, by=by, fold="sum") / latest(QUEUE_CAPACITY, by=by, fold="sum"),
                "{{exporter}} {{data_type}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FULL_SHARE, "warning"), Threshold(1)),
    )


def silence(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return for how long each service has not reported."""
    age = written(f"time() - {LAST_REPORT.name}", LAST_REPORT.unit, LAST_REPORT)
    return Panel(
        title=Text("When did each service last report?", "Когда сервисы подавали голос?"),
        queries=(Query(highest(20, age), "{{job}}"),),
        why=Text(
            "Age of the last report. A dead service sends no error, it only falls silent.",
            "Возраст последнего отчёта. Мёртвый сервис не шлёт ошибок, он просто замолкает.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(SILENT_SECONDS),),
    )


def memory(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much memory the Collector holds."""
    return Panel(
        title=Text("Memory of the Collector", "Память Collector"),
        queries=(Query(latest(MEMORY), _NODE),),
        rows=rows,
        leads_to=leads_to,
    )


def cpu(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many CPU cores the Collector keeps busy."""
    return Panel(
        title=Text("CPU cores of the Collector", "Процессор Collector, ядра"),
        queries=(Query(rate(CPU, by=["instance"]), _NODE),),
        rows=rows,
        leads_to=leads_to,
    )


def component(*, owner: str = "platform", dashboard: str = "telemetry") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="collector",
        title=Text("OpenTelemetry Collector", "OpenTelemetry Collector"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=(JOB,),
    )


COMPONENT = component()
