# SPDX-License-Identifier: Apache-2.0
"""
Programs that Prometheus scrapes: their CPU, memory, open files and restarts.

Prometheus, Alertmanager and the exporters tell this in the manner of the Prometheus client
libraries; `otel_setup.catalogue.process` is about processes with OpenTelemetry.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.scraping import FILES_SHARE
from otel_setup.catalogue.alerts.scraping import PROGRAMS as ALERTS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import latest, rate, written
from otel_setup.catalogue.scraped.targets import (
    CPU,
    GOROUTINES,
    MEMORY,
    OPEN_FILES,
    OPEN_FILES_MAX,
    START_TIME,
)
from otel_setup.catalogue.whole import Component

METRICS = (CPU, MEMORY, OPEN_FILES, OPEN_FILES_MAX, GOROUTINES, START_TIME)

_BY_JOB = ["job"]
_JOB = "{{job}}"


def cpu(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many CPU cores the programs keep busy."""
    return Panel(
        title=Text("CPU cores of the monitoring", "Процессор мониторинга, ядра"),
        queries=(Query(rate(CPU, by=_BY_JOB), _JOB),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def memory(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much memory the programs hold."""
    return Panel(
        title=Text("Memory of the monitoring", "Память мониторинга"),
        queries=(Query(latest(MEMORY, by=_BY_JOB, fold="sum"), _JOB),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def files(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how close the programs are to their limit of open files."""
    share = latest(OPEN_FILES, by=_BY_JOB, fold="max") / latest(
        OPEN_FILES_MAX, by=_BY_JOB, fold="min"
    )
    return Panel(
        title=Text("Open files of the limit", "Открытые файлы: доля от предела"),
        queries=(Query(share, _JOB),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FILES_SHARE, "warning"), Threshold(1)),
    )


def goroutines(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many goroutines the programs in Go have."""
    return Panel(
        title=Text("Goroutines", "Горутины"),
        queries=(Query(latest(GOROUTINES, by=_BY_JOB, fold="sum"), _JOB),),
        rows=rows,
        leads_to=leads_to,
    )


def uptime(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return since when each program runs."""
    age = written(f"time() - max by (job) ({START_TIME.name})", START_TIME.unit, START_TIME)
    return Panel(
        title=Text("Running since", "Время работы"),
        queries=(Query(age, _JOB),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
    )


def component(
    *,
    owner: str = "platform",
    dashboard: str = "telemetry",
    scraped: tuple[str, ...] = ("prometheus", "alertmanager", "node", "rabbitmq"),
) -> Component:
    """Return the component of the programs behind the jobs *scraped*."""
    return Component(
        name="programs",
        title=Text("Scraped programs", "Опрашиваемые программы"),
        owner=owner,
        source=Source.EXPORTER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
