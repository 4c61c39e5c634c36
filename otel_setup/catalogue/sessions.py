# SPDX-License-Identifier: Apache-2.0
"""
PostgreSQL from inside: who works, who waits for whom, which statements cost most.

A process of its own reads it, ``python -m otel_setup.postgresql``.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.sessions import ALERTS, FORGOTTEN_SECONDS, JAM_SESSIONS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.postgresql import CONNECTION_MAX
from otel_setup.catalogue.entries.sessions import (
    LOCK_WAIT,
    LOCKS,
    METRICS,
    SESSIONS,
    STATEMENT_CALLS,
    STATEMENT_TIME,
    TRANSACTION_AGE,
    UP,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import Expr, highest, latest, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "COMPONENT",
    "LOCKS",
    "LOCK_WAIT",
    "METRICS",
    "SESSIONS",
    "STATEMENT_CALLS",
    "STATEMENT_TIME",
    "TRANSACTION_AGE",
    "UP",
    "answers",
    "component",
    "locks",
    "mean_time",
    "sessions",
    "statements",
    "transactions",
    "waiting",
    "waits",
]

_DATABASE = "postgresql.database.name"
_NAME = "{{postgresql_database_name}}"
_STATEMENT = (_DATABASE, "db.query.summary", "postgresql.query.id")
_OF_STATEMENT = _NAME + " {{db_query_summary}} ({{postgresql_query_id}})"


def answers(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return whether each server answers: 1 yes, 0 no."""
    server = ("server.address", "server.port")
    return Panel(
        title=title or Text("Does the server answer?", "Отвечает ли сервер?"),
        queries=(Query(alive(UP, by=server, fold="max"), "{{server_address}}:{{server_port}}"),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(1, "good"),),
    )


def sessions(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return what the sessions of each database do, and how many the server allows for all."""
    return Panel(
        title=title or Text("What do connections do?", "Чем заняты соединения?"),
        queries=(
            Query(_now(database, _DATABASE, "state"), f"{_NAME} {{{{state}}}}"),
            Query(latest(CONNECTION_MAX, by=(), fold="max"), "allowed for all"),
        ),
        why=Text(
            "Idle ones are a pool that is too large, idle in transaction are programs that forgot "
            "to end, waiting ones stand behind a lock.",
            "Idle — слишком большой пул, idle in transaction — программа забыла завершить "
            "транзакцию, waiting — стоят за блокировкой.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def waiting(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many sessions of each database wait for a lock."""
    each = alive(SESSIONS, by=[_DATABASE], where={**_of(database), "state": "waiting"}, fold="max")
    return Panel(
        title=title or Text("Sessions that wait for a lock", "Сеансы, ждущие блокировку"),
        queries=(Query(each, _NAME),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(JAM_SESSIONS, "warning"),),
    )


def waits(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return for how long the most patient session of each database has waited for a lock."""
    return Panel(
        title=title or Text("Longest wait for a lock", "Самое долгое ожидание блокировки"),
        queries=(Query(alive(LOCK_WAIT, by=[_DATABASE], where=_of(database), fold="max"), _NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def locks(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which locks sessions hold, and which they wait for."""
    labels = (_DATABASE, "postgresql.lock.mode", "postgresql.lock.granted")
    each = alive(LOCKS, by=labels, where=_of(database), fold="max")
    return Panel(
        title=title or Text("Locks: held and waited for", "Блокировки: держат и ждут"),
        queries=(
            Query(each, f"{_NAME} {{{{postgresql_lock_mode}}}} {{{{postgresql_lock_granted}}}}"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def transactions(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how old the oldest transaction of each database is, working and forgotten ones."""
    each = alive(TRANSACTION_AGE, by=(_DATABASE, "state"), where=_of(database), fold="max")
    return Panel(
        title=title or Text("Oldest transaction", "Самая старая транзакция"),
        queries=(Query(each, f"{_NAME} {{{{state}}}}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FORGOTTEN_SECONDS, "warning"),),
    )


def statements(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return the ten statements that the server spends most of its time on."""
    spent = rate(STATEMENT_TIME, by=_STATEMENT, where=_of(database))
    return Panel(
        title=title
        or Text("Which statements take the server's time?", "На какие запросы уходит время?"),
        queries=(Query(highest(10, spent), _OF_STATEMENT),),
        why=Text(
            "Seconds of the server in each second. The number in brackets finds the whole text: "
            "SELECT query FROM pg_stat_statements WHERE queryid = …",
            "Секунды работы сервера за секунду. По числу в скобках найдётся полный текст: "
            "SELECT query FROM pg_stat_statements WHERE queryid = …",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=STATEMENT_TIME.rare,
    )


def mean_time(
    database: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return the ten statements that take longest each time."""
    spent = rate(STATEMENT_TIME, by=_STATEMENT, where=_of(database))
    calls = rate(STATEMENT_CALLS, by=_STATEMENT, where=_of(database))
    return Panel(
        title=title or Text("Which statements are slow?", "Какие запросы медленные?"),
        queries=(Query(highest(10, replace(spent / (calls > 0), unit="s")), _OF_STATEMENT),),
        why=Text(
            "Time of one run, on average, waits for locks included. A slow one asks for an index, "
            "one that is fast and still takes the server's time is asked too often.",
            "Среднее время одного выполнения вместе с ожиданием блокировок. Медленному нужен "
            "индекс; быстрый, но съедающий время сервера запрос выполняют слишком часто.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        may_be_empty=STATEMENT_TIME.rare,
    )


def _of(database: str) -> dict[str, str]:
    return {_DATABASE: database} if database else {}


def _now(database: str, *by: str) -> Expr:
    return alive(SESSIONS, by=by, where=_of(database), fold="max")


def component(*, owner: str = "platform", dashboard: str = "databases") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="sessions",
        title=Text("PostgreSQL from inside", "PostgreSQL изнутри"),
        owner=owner,
        source=Source.OURS,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
    )


COMPONENT = component()
