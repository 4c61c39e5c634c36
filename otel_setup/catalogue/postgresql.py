# SPDX-License-Identifier: Apache-2.0
"""
PostgreSQL as the server sees itself, through the Collector's receiver ``postgresql``.

The receiver writes counts with the unit ``1``; here they have the word for what is counted,
which gives the same names in Prometheus.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.postgresql import ALERTS, NEAR_LIMIT
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.postgresql import (
    BACKENDS,
    BLOCKS,
    COMMITS,
    CONNECTION_MAX,
    DATABASE_SIZE,
    DEADLOCKS,
    METRICS,
    OPERATIONS,
    ROLLBACKS,
    ROWS,
    TABLE_SIZE,
)
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import highest, latest, rate
from otel_setup.catalogue.whole import Component

__all__ = [
    "ALERTS",
    "BACKENDS",
    "BLOCKS",
    "COMMITS",
    "COMPONENT",
    "CONNECTION_MAX",
    "DATABASE_SIZE",
    "DEADLOCKS",
    "METRICS",
    "OPERATIONS",
    "ROLLBACKS",
    "ROWS",
    "TABLE_SIZE",
    "cache",
    "component",
    "connections",
    "dead_rows",
    "deadlocks",
    "fullness",
    "size",
    "tables",
    "transactions",
    "writes",
]

_DATABASE = "postgresql.database.name"
_TABLE = "postgresql.table.name"
_NAME = "{{postgresql_database_name}}"
_OF_TABLE = _NAME + " {{postgresql_table_name}}"


def connections(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the connections of each database, and how many the server allows for all."""
    return Panel(
        title=title or Text("Connections by database", "Соединения по базам"),
        queries=(
            Query(latest(BACKENDS, by=[_DATABASE], fold="max"), _NAME),
            Query(latest(CONNECTION_MAX, by=(), fold="max"), "allowed for all"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def fullness(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the allowed connections is taken."""
    used = latest(BACKENDS, by=["instance"], fold="sum")
    return Panel(
        title=title
        or Text("Which share of connections is taken?", "Какая доля соединений занята?"),
        queries=(
            Query(used / latest(CONNECTION_MAX, by=["instance"], fold="max"), "{{instance}}"),
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(NEAR_LIMIT, "warning"),),
        most=1,
    )


def transactions(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many transactions each database commits and takes back."""
    return Panel(
        title=title or Text("Transactions by database", "Транзакции по базам"),
        queries=(
            Query(rate(COMMITS, by=[_DATABASE]), f"{_NAME} committed"),
            Query(rate(ROLLBACKS, by=[_DATABASE]), f"{_NAME} taken back"),
        ),
        rows=rows,
        leads_to=leads_to,
    )


def deadlocks(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how often transactions of a database blocked each other for good."""
    return Panel(
        title=title or Text("Deadlocks by database", "Взаимные блокировки по базам"),
        queries=(Query(rate(DEADLOCKS, by=[_DATABASE]), _NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def writes(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the ten tables that are written most."""
    return Panel(
        title=title or Text("Which tables are written most?", "В какие таблицы пишут больше?"),
        queries=(Query(highest(10, rate(OPERATIONS, by=(_DATABASE, _TABLE))), _OF_TABLE),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def cache(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the blocks that queries read was in memory already."""
    found = rate(BLOCKS, by=[_DATABASE], where={"source": "~.*_hit"})
    return Panel(
        title=title or Text("Which share is read from memory?", "Какая доля читается из памяти?"),
        queries=(Query(found / (rate(BLOCKS, by=[_DATABASE]) > 0), _NAME),),
        rows=rows,
        leads_to=leads_to,
        most=1,
    )


def size(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the space that each database takes on disk."""
    return Panel(
        title=title or Text("Size of databases", "Размер баз"),
        queries=(Query(latest(DATABASE_SIZE, by=[_DATABASE], fold="max"), _NAME),),
        rows=rows,
        leads_to=leads_to,
    )


def tables(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the ten largest tables."""
    largest = highest(10, latest(TABLE_SIZE, by=(_DATABASE, _TABLE), fold="max"))
    return Panel(
        title=title or Text("Largest tables", "Самые большие таблицы"),
        queries=(Query(largest, _OF_TABLE),),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
    )


def dead_rows(*, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the ten tables with the most dead rows, which wait for the vacuum."""
    dead = latest(ROWS, by=(_DATABASE, _TABLE), where={"state": "dead"}, fold="max")
    return Panel(
        title=title or Text("Tables with most dead rows", "Таблицы, где больше мёртвых строк"),
        queries=(Query(highest(10, dead), _OF_TABLE),),
        rows=rows,
        leads_to=leads_to,
    )


def component(*, owner: str = "platform", dashboard: str = "databases") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="postgresql",
        title=Text("PostgreSQL servers", "Серверы PostgreSQL"),
        owner=owner,
        source=Source.RECEIVER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
    )


COMPONENT = component()
