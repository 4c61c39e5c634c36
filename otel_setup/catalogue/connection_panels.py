# SPDX-License-Identifier: Apache-2.0
"""
Connections to databases: panels about who waits for one, and why there is none.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts.connections import LONG_WAIT_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.database import (
    CONNECT_FAILURES,
    CONNECTIONS,
    CONNECTIONS_MAX,
    PENDING_REQUESTS,
    TIMEOUTS,
    USE_TIME,
    WAIT_TIME,
)
from otel_setup.catalogue.jobs import alive, of
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import quantile, rate

_POOL = ("job", "db.client.connection.pool.name")
_SERVER = ("job", "server.address", "server.port")


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


def waits(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long it takes until a pool gives a connection: median and p95."""
    return Panel(
        title=title or Text("How long do they wait for one?", "Сколько ждут соединения?"),
        queries=tuple(
            Query(
                quantile(share, WAIT_TIME, by=["job"], where=of(jobs)),
                f"{{{{job}}}} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        why=Text(
            "This part of a slow request is no query: a faster database would not help.",
            "Эта часть медленного запроса не связана с работой базы: быстрая база не поможет.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(LONG_WAIT_SECONDS, "warning"),),
    )


def timeouts(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many requests got no connection in time."""
    return Panel(
        title=title or Text("Requests that got no connection", "Запросы, не получившие соединения"),
        queries=(Query(rate(TIMEOUTS, by=["job"], where=of(jobs)), "{{job}}"),),
        why=Text(
            "Each of them failed. Without refused connections beside it the pool is too small, or "
            "its connections are kept.",
            "Каждый из них завершился ошибкой. Если при этом в подключениях не отказывают, пул "
            "мал или соединения подолгу держат.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def kept(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long connections are kept until they come back: median and p95."""
    return Panel(
        title=title or Text("How long are connections kept?", "Сколько держат соединения?"),
        queries=tuple(
            Query(
                quantile(share, USE_TIME, by=["job"], where=of(jobs)),
                f"{{{{job}}}} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        why=Text(
            "Much longer than queries take: a connection waits while its service does something "
            "else, such as a call of another one.",
            "Гораздо дольше, чем длятся запросы: соединение простаивает, пока сервис занят другим, "
            "например вызовом другого сервиса.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def refused(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many attempts to connect fail, by server."""
    return Panel(
        title=title or Text("Connections that are refused", "Отказы в подключении"),
        queries=(
            Query(
                rate(CONNECT_FAILURES, by=_SERVER, where=of(jobs)),
                "{{job}} → {{server_address}}:{{server_port}}",
            ),
        ),
        why=Text(
            "The server is away, has no connection left, or does not like the password: its log "
            "says which.",
            "Сервер недоступен, у него кончились соединения или не подошёл пароль: точнее скажет "
            "его журнал.",
        ),
        rows=rows,
        leads_to=leads_to,
    )
