# SPDX-License-Identifier: Apache-2.0
"""
Servers by name: CPU and memory of broker, databases, storage and monitoring.

The Collector's receiver ``host_metrics`` reads them from the host. They have the names of the
metrics of services, `otel_setup.catalogue.process`; ``job`` is the name of the server.
*servers* is the name of one, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.servers import ALERTS, LARGE_SHARE
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.process import CPU_TIME, MEMORY_USAGE
from otel_setup.catalogue.entries.servers import MEMORY_UTILIZATION, METRICS
from otel_setup.catalogue.jobs import alive, legend, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "MEMORY_UTILIZATION",
    "METRICS",
    "component",
    "cpu",
    "memory",
    "memory_share",
]

_SERVERS = {"process.executable.name": "!"}


def cpu(
    servers: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many cores each server uses, all its processes together."""
    return Panel(
        title=title or Text("CPU of servers, in cores", "Процессор серверов, ядра"),
        queries=(
            Query(
                rate(CPU_TIME, by=["job"], where=of(servers, **_SERVERS)), legend(servers, "cores")
            ),
        ),
        why=Text(
            "Names the server that uses the CPUs of the host.",
            "Называет сервер, который занимает процессоры узла.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def memory(
    servers: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return the memory that each server holds, all its processes together."""
    return Panel(
        title=title or Text("Memory of servers", "Память серверов"),
        queries=(
            Query(
                alive(MEMORY_USAGE, by=["job"], where=of(servers, **_SERVERS)),
                legend(servers, "memory"),
            ),
        ),
        why=Text(
            "Names the server that takes the memory of the host. What processes of PostgreSQL "
            "share counts once for each.",
            "Называет сервер, который занимает память узла. Общая память процессов PostgreSQL "
            "считается по разу за каждый.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def memory_share(
    servers: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which share of the host's memory each server holds."""
    return Panel(
        title=title
        or Text("Which share of the host's memory?", "Какая доля памяти узла занята сервером?"),
        queries=(Query(alive(MEMORY_UTILIZATION, by=["job"], where=of(servers)), legend(servers)),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(LARGE_SHARE, "warning"),),
        most=1,
    )


def component(*, owner: str = "platform", dashboard: str = "hosts") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="servers",
        title=Text("Servers by name", "Серверы по именам"),
        owner=owner,
        source=Source.RECEIVER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
    )


COMPONENT = component()
