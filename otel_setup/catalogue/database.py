# SPDX-License-Identifier: Apache-2.0
"""
Databases as their clients see them: queries, and who waits for a connection.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.database import ALERTS, SLOW_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.database import (
    CONNECTIONS,
    CONNECTIONS_MAX,
    OPERATION_DURATION,
    PENDING_REQUESTS,
    RETURNED_ROWS,
)
from otel_setup.catalogue.jobs import alive, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, mean, or_zero, quantile, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "CONNECTIONS",
    "CONNECTIONS_MAX",
    "METRICS",
    "OPERATION_DURATION",
    "PENDING_REQUESTS",
    "RETURNED_ROWS",
    "component",
    "duration",
    "failures",
    "pool",
    "queries",
    "returned",
    "slowest",
    "waiting",
]

METRICS = (
    OPERATION_DURATION,
    RETURNED_ROWS,
    CONNECTIONS,
    CONNECTIONS_MAX,
    PENDING_REQUESTS,
)

_DATABASE = ("db.namespace",)
_CLIENT = ("job", "db.namespace")
_POOL = ("job", "db.client.connection.pool.name")
_OPERATION = "{{db_namespace}} {{db_operation_name}}"


def queries(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many queries services make, by database."""
    return Panel(
        title=title or Text("Queries by service", "Запросы к базам по сервисам"),
        queries=(
            Query(
                rate(OPERATION_DURATION, by=_CLIENT, where=of(jobs)), "{{db_namespace}} ({{job}})"
            ),
        ),
        why=Text(
            "Who loads the database, and whether a surge of queries came with a surge of requests.",
            "Кто нагружает базу и пришёл ли наплыв запросов к ней вместе с наплывом посетителей.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def failures(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many queries fail, by database and class of the exception; 0 while none do."""
    total = rate(OPERATION_DURATION, by=_CLIENT, where=of(jobs))
    failed = rate(OPERATION_DURATION, by=_CLIENT, where=of(jobs, **{"error.type": "!"}))
    return Panel(
        title=title or Text("Queries that fail", "Запросы с ошибкой"),
        queries=(Query(or_zero(failed, total), "{{db_namespace}} ({{job}})"),),
        why=Text(
            "A refused row and a server that is away both count: the alert tells them apart.",
            "Считаются и отвергнутая строка, и недоступный сервер: различает их оповещение.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def duration(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long queries take, by database: median and p95."""
    return Panel(
        title=title or Text("How long do queries take?", "Сколько длятся запросы к базе?"),
        queries=tuple(
            Query(
                quantile(share, OPERATION_DURATION, by=_DATABASE, where=of(jobs)),
                f"{{{{db_namespace}}}} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )


def slowest(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return the ten kinds of query with the highest p95."""
    each = quantile(0.95, OPERATION_DURATION, by=(*_DATABASE, "db.operation.name"), where=of(jobs))
    return Panel(
        title=title or Text("Which queries are slow (p95)?", "Какие запросы медленные (p95)?"),
        queries=(Query(highest(10, each), _OPERATION),),
        why=Text(
            "Slow reads ask for an index or a limit, slow writes for shorter transactions.",
            "Медленному чтению нужен индекс или ограничение, медленной записи короткие транзакции.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )


def returned(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many rows a query returns or changes on average, by database."""
    each = mean(RETURNED_ROWS, by=(*_DATABASE, "db.operation.name"), where=of(jobs))
    return Panel(
        title=title or Text("Rows for each query, on average", "Строк на запрос, в среднем"),
        queries=(Query(each, _OPERATION),),
        rows=rows,
        leads_to=leads_to,
    )


def pool(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how full the fullest pool of each service is."""
    each = ("instance", *_POOL)
    used = alive(CONNECTIONS, by=each, where=of(jobs, **{"db.client.connection.state": "used"}))
    share = used / alive(CONNECTIONS_MAX, by=each, where=of(jobs))
    return Panel(
        title=title or Text("How full is the fullest pool?", "Насколько полон самый полный пул?"),
        queries=(Query(replace(share, text=f"max by (job) ({share.text})"), "{{job}}"),),
        why=Text(
            "Each process has a pool of its own, and the fullest one makes its requests wait.",
            "У каждого процесса свой пул, и в самом полном запросы начинают ждать.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1, "warning"),),
        most=1,
    )


def waiting(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many requests wait for a connection."""
    return Panel(
        title=title or Text("Requests waiting for a connection", "Запросы, ждущие соединения"),
        queries=(Query(alive(PENDING_REQUESTS, by=["job"], where=of(jobs)), "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1, "warning"),),
    )


def component(
    *, owner: str = "platform", dashboard: str = "services", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    """
    return Component(
        name="database",
        title=Text("Database clients", "Клиенты баз данных"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
