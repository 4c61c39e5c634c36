# SPDX-License-Identifier: Apache-2.0
"""
Processes of services: CPU, memory, threads and open files, by ``job``.

*jobs* is the name of one service, or a regular expression after ``~``.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.process import ALERTS, BUSY_CORE
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.process import (
    COLLECTIONS,
    CPU_TIME,
    MEMORY_USAGE,
    OPEN_FILES,
    THREADS,
)
from otel_setup.catalogue.jobs import alive, legend, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import Expr, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COLLECTIONS",
    "COMPONENT",
    "CPU_TIME",
    "MEMORY_USAGE",
    "METRICS",
    "OPEN_FILES",
    "THREADS",
    "collections",
    "component",
    "cpu",
    "files",
    "memory",
    "threads",
]

METRICS = (CPU_TIME, MEMORY_USAGE, THREADS, OPEN_FILES, COLLECTIONS)


def cpu(jobs: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how much of a core services use: together, and their busiest process."""
    together = rate(CPU_TIME, by=["job"], where=of(jobs))
    return Panel(
        title=title or Text("CPU, as a share of one core", "Процессор, доля одного ядра"),
        queries=(
            Query(together, legend(jobs, "all processes")),
            Query(_busiest(jobs), legend(jobs, "busiest process")),
        ),
        why=Text(
            "A process at 100 % is the limit of its service, even if the host has cores to spare.",
            "Процесс на 100 % ограничивает свой сервис, даже если на узле есть свободные ядра.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(BUSY_CORE, "warning"),),
    )


def memory(jobs: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the memory of services: together, and of their largest process."""
    return Panel(
        title=title or Text("Memory of processes", "Память процессов"),
        queries=(
            Query(alive(MEMORY_USAGE, by=["job"], where=of(jobs)), legend(jobs, "all processes")),
            Query(
                alive(MEMORY_USAGE, by=["job"], where=of(jobs), fold="max"),
                legend(jobs, "largest process"),
            ),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def threads(jobs: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the threads of the process that has most."""
    return Panel(
        title=title or Text("Most threads in one process", "Потоки: максимум на процесс"),
        queries=(
            Query(alive(THREADS, by=["job"], where=of(jobs), fold="max"), legend(jobs, "threads")),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def files(jobs: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the open files and sockets of the process that has most."""
    return Panel(
        title=title
        or Text("Most open files in one process", "Открытые файлы: максимум на процесс"),
        queries=(
            Query(alive(OPEN_FILES, by=["job"], where=of(jobs), fold="max"), legend(jobs, "files")),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def collections(
    jobs: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how often the garbage of the oldest generation is collected."""
    oldest = of(jobs, **{"cpython.gc.generation": "2"})
    return Panel(
        title=title or Text("Collections of old garbage", "Сборки старого мусора"),
        queries=(Query(rate(COLLECTIONS, by=["job"], where=oldest), legend(jobs, "generation 2")),),
        rows=rows,
        leads_to=leads_to,
    )


def _busiest(jobs: str) -> Expr:
    each = rate(CPU_TIME, by=["job", "instance"], where=of(jobs))
    return replace(each, text=f"max by (job) ({each.text})")


def component(
    *, owner: str = "platform", dashboard: str = "services", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    """
    return Component(
        name="process",
        title=Text("Processes of services", "Процессы сервисов"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
