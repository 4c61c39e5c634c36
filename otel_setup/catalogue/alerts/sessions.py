# SPDX-License-Identifier: Apache-2.0
"""Alerts about what happens inside of PostgreSQL: no answer, a pile-up, a forgotten transaction."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.sessions import (
    LOCK_WAIT,
    LOCKS,
    SESSIONS,
    TRANSACTION_AGE,
    UP,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Metric, Text
from otel_setup.catalogue.promql import Expr, Where, selector, written

#: One session that waits is a neighbour in the same row; two and more, all the time, are a jam.
JAM_SESSIONS = 2
#: A program that thinks for so long inside of a transaction has forgotten it.
FORGOTTEN_SECONDS = 60

_SERVER = ("server.address", "server.port")
_DATABASE = "postgresql.database.name"
_NAME = "{{postgresql_database_name}}"
_WAITING = {"state": "waiting"}
_FORGOTTEN = {"state": "idle_in_transaction"}


def _fresh(metric: Metric, where: Where) -> Expr:
    """
    Return what was read in the last 45 seconds.

    That is less than the alerts wait: the last look of a reader that was started anew would else
    be told as the present.
    """
    return written(
        f"max by (postgresql_database_name) (last_over_time({selector(metric, where)}[45s]))",
        metric.unit,
        metric,
    )


DOWN = Alert(
    name="PostgresDown",
    expr=alive(UP, by=_SERVER, fold="max").equals(0),
    lasts="15s",
    severity="critical",
    summary="PostgreSQL {{ $labels.server_address }}:{{ $labels.server_port }} does not answer.",
    description="The reader asks it at every export; up is {{ $value }}.",
    meaning=Text(
        "For fifteen seconds the server has refused the reader or kept it waiting.",
        "Сервер уже пятнадцать секунд отказывает читателю или заставляет его ждать.",
    ),
    impact=Text(
        "All services that keep their data in it stand still, workers too.",
        "Стоят все сервисы, чьи данные в нём, и обработчики тоже.",
    ),
    diagnosis=Text(
        "The reader's log has the server's own words. Connection refused: it does not run, look at "
        "its log and its disk. Password authentication failed: only the reader is shut out, and "
        "queries of services go on. Timeout: it hangs, look at its host.",
        "В журнале читателя есть слова самого сервера. Connection refused: он не запущен, смотрите "
        "его журнал и диск. Password authentication failed: не впускают только читателя, а запросы "
        "сервисов идут. Timeout: сервер завис, смотрите его узел.",
    ),
    queries=(
        Query(alive(UP, by=_SERVER, fold="max"), "{{server_address}}:{{server_port}}"),
        Query(alive(SESSIONS, by=[_DATABASE, "state"], fold="max"), f"{_NAME} {{{{state}}}}"),
    ),
    mitigation=Text(
        "Start the server, or give it space on its disk. For the login set PGHOST, PGPORT, PGUSER "
        "and PGPASSWORD of the reader; the role needs pg_read_all_stats.",
        "Запустите сервер или освободите место на его диске. Для входа задайте читателю PGHOST, "
        "PGPORT, PGUSER и PGPASSWORD; роли нужен pg_read_all_stats.",
    ),
)

JAM = Alert(
    name="PostgresLocksPileUp",
    expr=_fresh(SESSIONS, _WAITING) >= JAM_SESSIONS,
    lasts="1m",
    severity="warning",
    summary="Sessions of database {{ $labels.postgresql_database_name }} queue behind a lock.",
    description="{{ $value }} of them wait now, and for a minute there were never fewer than 2.",
    meaning=Text(
        "For a minute at least two sessions have been waiting for a lock, each time somebody "
        "looked: one transaction holds what the others need.",
        "Минуту подряд блокировки ждут не меньше двух сеансов: одна транзакция держит то, что "
        "нужно остальным.",
    ),
    impact=Text(
        "Requests that need the same rows or table hang and then fail, and their connections fill "
        "the pools of the services: soon requests hang that need no such row.",
        "Запросы к тем же строкам или таблице висят и падают, а их соединения заполняют пулы "
        "сервисов: скоро повиснут и те, кому эти строки не нужны.",
    ),
    diagnosis=Text(
        "Who holds it: `SELECT pid, usename, state, xact_start, query FROM pg_stat_activity WHERE "
        "pid = ANY (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)`. Idle in "
        "transaction: a program that forgot to end. Active: a migration or a long report. A mode "
        "of AccessExclusiveLock is a migration.",
        "Кто держит: `SELECT pid, usename, state, xact_start, query FROM pg_stat_activity WHERE "
        "pid = ANY (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)`. Idle in "
        "transaction — программа забыла завершить транзакцию. Active — миграция или долгий отчёт. "
        "Режим AccessExclusiveLock означает миграцию.",
    ),
    queries=(
        Query(alive(SESSIONS, by=[_DATABASE], where=_WAITING, fold="max"), _NAME),
        Query(alive(LOCK_WAIT, by=[_DATABASE], fold="max"), _NAME),
        Query(
            alive(
                LOCKS,
                by=[_DATABASE, "postgresql.lock.mode", "postgresql.lock.granted"],
                fold="max",
            ),
            f"{_NAME} {{{{postgresql_lock_mode}}}} {{{{postgresql_lock_granted}}}}",
        ),
    ),
    mitigation=Text(
        "End the holder: `SELECT pg_terminate_backend(pid)`. Its transaction is taken back, the "
        "others go on at once. Run migrations with a lock_timeout.",
        "Завершите того, кто держит: `SELECT pg_terminate_backend(pid)`. Его транзакция "
        "откатится, остальные сразу продолжат. Запускайте миграции с lock_timeout.",
    ),
)

FORGOTTEN = Alert(
    name="PostgresTransactionForgotten",
    expr=_fresh(TRANSACTION_AGE, _FORGOTTEN) > FORGOTTEN_SECONDS,
    lasts="1m",
    severity="warning",
    summary="A transaction of database {{ $labels.postgresql_database_name }} stays open unused.",
    description="It is {{ $value | humanizeDuration }} old, and its program does nothing in it.",
    meaning=Text(
        "A session has been idle in a transaction that is more than a minute old.",
        "Сеанс ничего не делает внутри транзакции, которой больше минуты.",
    ),
    impact=Text(
        "It keeps its locks: whoever needs the same rows waits. It also holds up the vacuum of all "
        "tables, so that queries get slow within hours.",
        "Она держит свои блокировки: кому нужны те же строки, тот ждёт. Ещё она не даёт чистить "
        "все таблицы, и за несколько часов запросы замедлятся.",
    ),
    diagnosis=Text(
        "Whose it is: `SELECT pid, usename, application_name, client_addr, xact_start, query FROM "
        "pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY xact_start`. The query "
        "is the last one that it ran: what the program does after it, such as a call to another "
        "service, belongs outside of the transaction.",
        "Чья она: `SELECT pid, usename, application_name, client_addr, xact_start, query FROM "
        "pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY xact_start`. Query — "
        "последний её запрос: то, что программа делает после него, например вызов другого сервиса, "
        "надо вынести из транзакции.",
    ),
    queries=(
        Query(
            alive(TRANSACTION_AGE, by=[_DATABASE, "state"], fold="max"), f"{_NAME} {{{{state}}}}"
        ),
        Query(alive(LOCK_WAIT, by=[_DATABASE], fold="max"), _NAME),
    ),
    mitigation=Text(
        "End it: `SELECT pg_terminate_backend(pid)`. Let the server do it from then on: "
        "idle_in_transaction_session_timeout.",
        "Завершите её: `SELECT pg_terminate_backend(pid)`. Впредь пусть это делает сервер: "
        "idle_in_transaction_session_timeout.",
    ),
    # Those who wait for it are the fault that is felt.
    inhibited_by=("PostgresLocksPileUp",),
    inhibited_on=("postgresql_database_name",),
)

ALERTS = (DOWN, JAM, FORGOTTEN)
