# SPDX-License-Identifier: Apache-2.0
"""
Why the operators' list of orders is slow: panels in the order in which one asks.

Each says what to think if it is high, and otherwise leads to the next one.
"""

from __future__ import annotations

from otel_setup.catalogue import http
from otel_setup.catalogue.alerts.database import MANY_QUERIES, SLOW_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.database import (
    OPERATION_DURATION,
    REQUEST_QUERIES,
    REQUEST_QUERY_TIME,
    REQUEST_WAIT_TIME,
    RETURNED_ROWS,
    USE_TIME,
)
from otel_setup.catalogue.entries.sessions import SESSIONS
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import highest, mean, quantile
from services_demo.catalogue import mes

#: From here on a request has a reason to be slow, as have many queries and slow ones.
WAIT_SECONDS, MANY_ROWS = 0.1, 1000.0

_LIST = {"job": mes.JOB, "http.route": mes.ORDER_LIST, "http.request.method": "GET"}
_API = {"job": mes.JOB}
_WAITING = {"postgresql.database.name": "mes", "state": "waiting"}
_STATEMENT = ("db.operation.name", "db.collection.name")
_STATEMENT_NAME = "{{db_operation_name}} {{db_collection_name}}"


def list_time(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long requests for the list take."""
    return http.latency(
        mes.JOB,
        route=mes.ORDER_LIST,
        method="GET",
        rows=rows,
        leads_to=leads_to,
        title=Text("How long does the order list take?", "Сколько грузится список заказов?"),
    )


def list_waits(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long a request for the list waits for a connection of the pool."""
    return Panel(
        title=Text("Does it wait for a connection?", "Ждёт ли он соединения из пула?"),
        queries=tuple(
            Query(quantile(share, REQUEST_WAIT_TIME, where=_LIST), f"p{share * 100:g}")
            for share in (0.5, 0.95)
        ),
        why=Text(
            "High: the pool is empty. Look on the right whether queries keep its connections; if "
            "they are quick, something else does. Low: go on to the right.",
            "Высокое: пул пуст. Правее видно, не запросы ли держат соединения; если они быстрые, "
            "держит что-то другое. Низкое: смотрите правее.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(WAIT_SECONDS, "warning"),),
    )


def list_query_time(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long a request for the list is in queries, all together."""
    return Panel(
        title=Text("How long is it in queries?", "Сколько времени уходит на запросы к базе?"),
        queries=tuple(
            Query(quantile(share, REQUEST_QUERY_TIME, where=_LIST), f"p{share * 100:g}")
            for share in (0.5, 0.95)
        ),
        why=Text(
            "Close to the whole: it is the database, so go on to the right. Small while the "
            "connection was quick too: the program itself computes; open a trace.",
            "Почти всё время: дело в базе, смотрите правее. Мало, и соединения не ждали: считает "
            "сама программа, откройте трассу.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )


def list_queries(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many queries a request for the list makes."""
    return Panel(
        title=Text("How many queries does it make?", "Сколько запросов к базе он делает?"),
        queries=(
            Query(quantile(0.95, REQUEST_QUERIES, where=_LIST), "p95"),
            Query(mean(REQUEST_QUERIES, where=_LIST), "mean"),
        ),
        why=Text(
            "It needs two. As many as it shows orders, or more: it asks once for each row; the "
            "trace names the statement that repeats. Few: one of them is slow, see below.",
            "Ему хватает двух. Столько же, сколько заказов, или больше: он спрашивает о каждой "
            "строке отдельно, трасса назовёт повторяющийся запрос. Мало: медленный один из них, "
            "смотрите ниже.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(MANY_QUERIES, "warning"),),
    )


def statements(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return the kinds of statement of the API with the highest p95."""
    each = quantile(0.95, OPERATION_DURATION, by=_STATEMENT, where=_API)
    return Panel(
        title=Text("Which statements are slow (p95)?", "Какие запросы к базе медленные (p95)?"),
        queries=(Query(highest(5, each), _STATEMENT_NAME),),
        why=Text(
            "The list reads manufacturing_order. Slow: it reads too many rows, waits for a lock, "
            "or lacks an index. The next two panels tell which.",
            "Список читает manufacturing_order. Медленно: читается слишком много строк, запрос "
            "ждёт блокировку или не хватает индекса. Две следующие панели скажут, что именно.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )


def statement_rows(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many rows each kind of statement of the API returns on average."""
    each = mean(RETURNED_ROWS, by=_STATEMENT, where=_API)
    return Panel(
        title=Text("How many rows do they return?", "Сколько строк они возвращают?"),
        queries=(Query(highest(5, each), _STATEMENT_NAME),),
        why=Text(
            "A page shows twenty orders. Thousands of rows are read to be thrown away: the "
            "statement needs a limit. Few: see whether it waits for a lock.",
            "На странице двадцать заказов. Тысячи строк читаются, чтобы их выбросить: запросу "
            "нужно ограничение. Мало: посмотрите, не ждёт ли он блокировку.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(MANY_ROWS, "warning"),),
    )


def lock_waits(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many sessions of the MES's database wait for a lock."""
    return Panel(
        title=Text("Who waits for a lock?", "Кто ждёт блокировку?"),
        queries=(Query(alive(SESSIONS, where=_WAITING, fold="max"), "sessions"),),
        why=Text(
            "Any that stay: somebody holds the table or the row; a slow statement then reads "
            "little and stands in a queue. None: the statement itself works too much.",
            "Если не исчезают: кто-то держит таблицу или строку, и медленный запрос читает мало, "
            "а стоит в очереди. Нет: сам запрос делает слишком много.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1, "warning"),),
    )


def connections_kept(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long connections of the API's pools are kept."""
    return Panel(
        title=Text("How long are connections kept?", "Сколько держат соединения?"),
        queries=tuple(
            Query(quantile(share, USE_TIME, where=_API), f"p{share * 100:g}")
            for share in (0.5, 0.95)
        ),
        why=Text(
            "Much longer than the queries take: a part of the program keeps a connection while it "
            "does something else, and requests wait for it.",
            "Гораздо дольше, чем длятся запросы: часть программы держит соединение, занимаясь "
            "другим, а запросы его ждут.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )
