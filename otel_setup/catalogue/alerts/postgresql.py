# SPDX-License-Identifier: Apache-2.0
"""Alerts about PostgreSQL servers: silent, almost full of connections, deadlocks."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.postgresql import (
    BACKENDS,
    COMMITS,
    CONNECTION_MAX,
    DEADLOCKS,
    ROLLBACKS,
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, latest, rate, selector, written

NEAR_LIMIT = 0.8
#: One deadlock is repaired by trying again, three in a quarter of an hour are a fault. An increase
#: is extrapolated to the edges of its window, so two may count as a little more.
_DEADLOCKS = 2.5
_SILENT_SECONDS, _DAY_SECONDS = 90, 24 * 60 * 60

_DATABASE = "postgresql.database.name"
_NAME = "{{postgresql_database_name}}"


def _silence() -> Expr:
    """
    Return how long servers have been silent; a day, if none was heard in the last one.

    The subquery looks at full minutes only: what came since ends the silence at once, before the
    end of an outage of the Collector lets it be told.
    """
    heard = selector(CONNECTION_MAX)
    return written(
        f"(time() - max by (instance) (max_over_time(timestamp({heard})[1d:1m]))"
        f" > {_SILENT_SECONDS}"
        f" or {_DAY_SECONDS} * absent_over_time({heard}[1d]))"
        f" unless on (instance) time() - max by (instance) (timestamp({heard}))"
        f" <= {_SILENT_SECONDS}",
        "s",
        CONNECTION_MAX,
    )


SILENT = Alert(
    name="PostgresSilent",
    expr=_silence(),
    lasts="1m",
    severity="critical",
    summary="PostgreSQL {{ $labels.instance }} gives no data.",
    description="The Collector has heard nothing from it for {{ $value | humanizeDuration }}.",
    meaning=Text(
        "The Collector could not read the server's statistics for a minute and a half and more. "
        "Either the server is down, or the Collector cannot log in.",
        "Collector больше полутора минут не может прочитать статистику сервера. Либо сервер "
        "не работает, либо Collector не может войти.",
    ),
    impact=Text(
        "If the server is down, all services that keep their data in it stand still, workers too. "
        "If only the login fails, nobody would see the next fault.",
        "Если сервер не работает, стоят все сервисы, чьи данные в нём, и обработчики тоже. Если "
        "не удаётся только вход, следующую поломку никто не увидит.",
    ),
    diagnosis=Text(
        "Do queries of services fail or stop? Then it is the server: look at its log and its "
        "disk. If they go on, it is the login: the Collector's log has a line of the receiver "
        "postgresql with the reason. If all else is silent too, it is the Collector itself.",
        "Падают ли или прекратились запросы сервисов? Тогда дело в сервере: смотрите его журнал и "
        "диск. Если они идут, дело во входе: в журнале Collector есть строка приёмника postgresql "
        "с причиной. Если молчит и всё остальное, дело в самом Collector.",
    ),
    queries=(
        Query(latest(CONNECTION_MAX), "{{instance}}"),
        Query(rate(COMMITS, by=[_DATABASE], over="5m"), _NAME),
    ),
    mitigation=Text(
        "Start the server, or give it space on its disk. For the login set the Collector's "
        "OTELCOL_POSTGRES_ENDPOINT, _USER and _PASSWORD; the role needs pg_read_all_stats.",
        "Запустите сервер или освободите место на его диске. Для входа задайте Collector "
        "переменные OTELCOL_POSTGRES_ENDPOINT, _USER и _PASSWORD; роли нужен pg_read_all_stats.",
    ),
)

NEARLY_FULL = Alert(
    name="PostgresConnectionsNearLimit",
    expr=latest(BACKENDS, by=["instance"], fold="sum")
    / latest(CONNECTION_MAX, by=["instance"], fold="max")
    > NEAR_LIMIT,
    lasts="2m",
    severity="warning",
    summary="PostgreSQL {{ $labels.instance }} is almost out of connections.",
    description="{{ $value | humanizePercentage }} of the connections that it allows are taken.",
    meaning=Text(
        "More than 80 % of max_connections are taken.",
        "Занято больше 80 % от max_connections.",
    ),
    impact=Text(
        "At 100 % the server turns everybody away (too many clients), also the one who comes to "
        "repair it.",
        "На 100 % сервер откажет всем (too many clients), в том числе тому, кто придёт чинить.",
    ),
    diagnosis=Text(
        "Which database rose? Compare with the pools of its services: more processes than before, "
        "or connections outside the pool. `SELECT usename, state, count(*) FROM pg_stat_activity "
        "GROUP BY 1, 2` shows who holds them; idle in transaction means a program that forgets "
        "to end.",
        "Какая база выросла? Сравните с пулами её сервисов: процессов стало больше или соединения "
        "открывают мимо пула. `SELECT usename, state, count(*) FROM pg_stat_activity "
        "GROUP BY 1, 2` покажет, кто их держит; idle in transaction означает программу, "
        "которая забывает завершать транзакции.",
    ),
    queries=(
        Query(latest(BACKENDS, by=[_DATABASE], fold="max"), _NAME),
        Query(latest(CONNECTION_MAX), "{{instance}}"),
    ),
    mitigation=Text(
        "End what is forgotten (`SELECT pg_terminate_backend(pid)`), make the pools smaller, or "
        "raise max_connections (needs a restart and memory).",
        "Завершите забытые соединения (`SELECT pg_terminate_backend(pid)`), уменьшите пулы или "
        "поднимите max_connections (нужны перезапуск и память).",
    ),
)

DEADLOCKED = Alert(
    name="PostgresDeadlocks",
    expr=increase(DEADLOCKS, by=[_DATABASE], over="15m") > _DEADLOCKS,
    lasts="1m",
    severity="warning",
    summary="Transactions of database {{ $labels.postgresql_database_name }} block each other.",
    description="{{ $value | humanize }} deadlocks in the last 15 minutes.",
    meaning=Text(
        "More than two deadlocks in a quarter of an hour. The server ends one transaction of each; "
        "a program that tries again recovers, so a single one is no alert.",
        "Больше двух взаимных блокировок за четверть часа. В каждой сервер прерывает одну "
        "транзакцию; программа с повтором это переживёт, поэтому одна блокировка не тревога.",
    ),
    impact=Text(
        "Some requests fail or take seconds longer, at random.",
        "Некоторые запросы падают или длятся на секунды дольше, и всякий раз другие.",
    ),
    diagnosis=Text(
        "The server's log has both statements of each deadlock (deadlock detected). Two parts of "
        "the program lock the same rows in opposite order.",
        "В журнале сервера есть оба запроса каждой блокировки (deadlock detected). Две части "
        "программы запирают одни и те же строки в разном порядке.",
    ),
    queries=(
        Query(increase(DEADLOCKS, by=[_DATABASE], over="15m"), _NAME),
        Query(rate(ROLLBACKS, by=[_DATABASE], over="5m"), _NAME),
    ),
    mitigation=Text(
        "Go back to the version before, if it began with a new one. Then let both parts lock in "
        "the same order (SELECT … ORDER BY … FOR UPDATE).",
        "Если началось с новой версией, верните прежнюю. Затем пусть обе части запирают строки "
        "в одном порядке (SELECT … ORDER BY … FOR UPDATE).",
    ),
)

ALERTS = (SILENT, NEARLY_FULL, DEADLOCKED)
