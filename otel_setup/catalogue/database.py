# SPDX-License-Identifier: Apache-2.0
"""
Databases as their clients see them: queries, and who waits for a connection.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.database import ALERTS, MANY_QUERIES, SLOW_SECONDS
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section, Threshold, Variable
from otel_setup.catalogue.connection_panels import (
    kept,
    pool,
    refused,
    timeouts,
    waiting,
    waits,
)
from otel_setup.catalogue.entries.database import (
    CONNECT_FAILURES,
    CONNECTIONS,
    CONNECTIONS_MAX,
    OPERATION_DURATION,
    PENDING_REQUESTS,
    REQUEST_QUERIES,
    REQUEST_QUERY_TIME,
    REQUEST_WAIT_TIME,
    RETURNED_ROWS,
    TIMEOUTS,
    USE_TIME,
    WAIT_TIME,
)
from otel_setup.catalogue.jobs import of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, mean, or_zero, quantile, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "CONNECTIONS",
    "CONNECTIONS_MAX",
    "CONNECT_FAILURES",
    "DASHBOARD",
    "METRICS",
    "OPERATION_DURATION",
    "PENDING_REQUESTS",
    "REQUEST_QUERIES",
    "REQUEST_QUERY_TIME",
    "REQUEST_WAIT_TIME",
    "RETURNED_ROWS",
    "TIMEOUTS",
    "USE_TIME",
    "WAIT_TIME",
    "component",
    "duration",
    "failures",
    "kept",
    "many_queries",
    "of_requests",
    "pool",
    "queries",
    "refused",
    "returned",
    "slowest",
    "timeouts",
    "waiting",
    "waits",
]

METRICS = (
    OPERATION_DURATION,
    RETURNED_ROWS,
    CONNECTIONS,
    CONNECTIONS_MAX,
    PENDING_REQUESTS,
    TIMEOUTS,
    WAIT_TIME,
    USE_TIME,
    CONNECT_FAILURES,
    REQUEST_QUERIES,
    REQUEST_QUERY_TIME,
    REQUEST_WAIT_TIME,
)

_DATABASE = ("db.namespace",)
_CLIENT = ("job", "db.namespace")
_STATEMENT = (*_DATABASE, "db.operation.name", "db.collection.name")
_STATEMENT_NAME = "{{db_namespace}} {{db_operation_name}} {{db_collection_name}}"
_ROUTE = ("job", "http.route")


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
    each = quantile(0.95, OPERATION_DURATION, by=_STATEMENT, where=of(jobs))
    return Panel(
        title=title or Text("Which queries are slow (p95)?", "Какие запросы медленные (p95)?"),
        queries=(Query(highest(10, each), _STATEMENT_NAME),),
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
    """Return the ten kinds of query that return or change most rows on average."""
    each = mean(RETURNED_ROWS, by=_STATEMENT, where=of(jobs))
    return Panel(
        title=title or Text("Rows for each query, on average", "Строк на запрос, в среднем"),
        queries=(Query(highest(10, each), _STATEMENT_NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def many_queries(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return the ten routes whose requests make most queries (p95)."""
    each = quantile(0.95, REQUEST_QUERIES, by=_ROUTE, where=of(jobs))
    return Panel(
        title=title or Text("Queries for each request (p95)", "Запросов к базе на один HTTP (p95)"),
        queries=(Query(highest(10, each), "{{job}} {{http_route}}"),),
        why=Text(
            "A page that asks once for each of its rows stands out here, and nowhere else.",
            "Страница, которая спрашивает о каждой своей строке отдельно, видна только здесь.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(MANY_QUERIES, "warning"),),
    )


def of_requests(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long requests are in queries, and wait for connections (p95)."""
    return Panel(
        title=title or Text("The database's part of a request", "Доля базы в HTTP-запросе"),
        queries=(
            Query(
                quantile(0.95, REQUEST_QUERY_TIME, by=["job"], where=of(jobs)), "{{job}} queries"
            ),
            Query(quantile(0.95, REQUEST_WAIT_TIME, by=["job"], where=of(jobs)), "{{job}} waiting"),
        ),
        why=Text(
            "p95 of all queries of a request together, and of all its waits for a connection.",
            "p95 суммы всех запросов к базе и всех ожиданий соединения за один HTTP-запрос.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def component(
    *, owner: str = "platform", dashboard: str = "database-clients", scraped: tuple[str, ...] = ()
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

_JOB = "~$job"

DASHBOARD = Dashboard(
    slug="database-clients",
    title=Text("Database clients", "Клиенты баз данных"),
    asks=Text(
        "Does this service wait for its database, for a connection to it, or for itself?",
        "Чего ждёт этот сервис: базу, соединение с ней или самого себя?",
    ),
    sections=(
        Section(
            title=Text("Do queries work?", "Работают ли запросы?"),
            panels=(queries(_JOB), failures(_JOB), duration(_JOB)),
        ),
        Section(
            title=Text("Which queries?", "Какие именно запросы?"),
            panels=(slowest(_JOB), returned(_JOB), many_queries(_JOB), of_requests(_JOB)),
        ),
        Section(
            title=Text("Does it wait for connections?", "Ждёт ли он соединений?"),
            panels=(pool(_JOB), waiting(_JOB), waits(_JOB), timeouts(_JOB)),
        ),
        Section(
            title=Text("Why is there none?", "Почему их нет?"),
            panels=(kept(_JOB), refused(_JOB)),
        ),
    ),
    variables=(Variable(name="job", label="job", metric=CONNECTIONS_MAX),),
)
