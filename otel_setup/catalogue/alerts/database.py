# SPDX-License-Identifier: Apache-2.0
"""Alerts about databases as their clients see them: queries fail, are slow, or too many."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.alerts import connections
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.database import (
    OPERATION_DURATION,
    REQUEST_QUERIES,
    REQUEST_QUERY_TIME,
    RETURNED_ROWS,
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import (
    Expr,
    highest,
    increase,
    mean,
    quantile,
    rate,
    selector,
)

FAILING_SHARE, SLOW_SECONDS, MANY_QUERIES = 0.05, 0.5, 20.0
#: With fewer events than these, chance decides.
_LEAST_FAILED, _LEAST_QUERIES, _LEAST_REQUESTS = 5, 20, 20

_CLIENT = ("job", "db.namespace")
#: A constraint that refuses a row is the database doing its work, not failing.
_FAULT = {"error.type": "!~|IntegrityError|.*Violation"}
_ROUTE = ("job", "http.route")
_STATEMENT = (*_CLIENT, "db.operation.name", "db.collection.name")
_STATEMENT_NAME = "{{job}} {{db_namespace}} {{db_operation_name}} {{db_collection_name}}"
_OF_CLIENT = {"job": "{{ $labels.job }}", "db.namespace": "{{ $labels.db_namespace }}"}


def _failing_share(over: str) -> Expr:
    failed = rate(OPERATION_DURATION, by=_CLIENT, where=_FAULT, over=over)
    return failed / rate(OPERATION_DURATION, by=_CLIENT, over=over)


FAILS = Alert(
    name="DatabaseQueriesFail",
    # Two windows: the long one says that it is bad, the short one that it still goes on.
    expr=(_failing_share("5m") > FAILING_SHARE)
    .and_on(_failing_share("1m") > FAILING_SHARE, *_CLIENT)
    .and_on(
        increase(OPERATION_DURATION, by=_CLIENT, where=_FAULT, over="5m") >= _LEAST_FAILED,
        *_CLIENT,
    ),
    lasts="90s",
    severity="warning",
    summary="Queries of {{ $labels.job }} to database {{ $labels.db_namespace }} fail.",
    description="{{ $value | humanizePercentage }} of its queries in the last 5 minutes failed.",
    meaning=Text(
        "More than 5 % of a service's queries raise an exception, at least five in five minutes. "
        "Rows that a constraint refused (IntegrityError, …Violation) are not counted.",
        "Больше 5 % запросов сервиса к базе заканчиваются исключением, не меньше пяти за пять "
        "минут. Строки, отвергнутые ограничениями (IntegrityError, …Violation), не считаются.",
    ),
    impact=Text(
        "Requests and messages that need these queries fail or are tried again.",
        "Запросы и сообщения, которым нужны эти запросы, падают или повторяются.",
    ),
    diagnosis=Text(
        "The class of the exception says most. OperationalError, AdminShutdown: the server is "
        "away or restarts. QueryCanceled: a timeout, so look for slow queries and locks. "
        "DeadlockDetected: two transactions in opposite order. UndefinedColumn and its like: a "
        "version that does not fit the schema.",
        "Больше всего говорит класс исключения. OperationalError, AdminShutdown: сервер недоступен "
        "или перезапускается. QueryCanceled: вышло время, ищите медленные запросы и блокировки. "
        "DeadlockDetected: две транзакции навстречу друг другу. UndefinedColumn и подобные: "
        "версия сервиса не подходит к схеме.",
    ),
    queries=(
        Query(
            rate(OPERATION_DURATION, by=(*_CLIENT, "error.type"), where=_FAULT, over="5m"),
            "{{job}} {{db_namespace}} {{error_type}}",
        ),
        Query(
            rate(OPERATION_DURATION, by=_STATEMENT, where=_FAULT, over="5m"),
            _STATEMENT_NAME,
        ),
    ),
    mitigation=Text(
        "Bring the server back, or the version before. Services connect again by themselves: do "
        "not restart them.",
        "Верните сервер или прежнюю версию. Сервисы подключатся сами: перезапускать их не надо.",
    ),
    exemplars=selector(OPERATION_DURATION, {**_OF_CLIENT, **_FAULT}, part="bucket"),
)

MANY = Alert(
    name="RequestsMakeManyQueries",
    expr=(quantile(0.95, REQUEST_QUERIES, by=_ROUTE, over="5m") > MANY_QUERIES).and_on(
        increase(REQUEST_QUERIES, by=_ROUTE, over="5m") >= _LEAST_REQUESTS, *_ROUTE
    ),
    lasts="5m",
    severity="warning",
    summary="Requests of {{ $labels.job }} to {{ $labels.http_route }} make many queries.",
    description='One request in twenty makes more than {{ $value | printf "%.0f" }} queries '
    "(p95 of the last 5 minutes).",
    meaning=Text(
        "p95 of the queries that one request makes is over 20. With fewer than 20 requests in five "
        "minutes nothing is judged.",
        "p95 числа запросов к базе на один HTTP-запрос больше 20. Если за пять минут HTTP-запросов "
        "меньше 20, оценки нет.",
    ),
    impact=Text(
        "The page gets slower with each row that it shows, and keeps a connection all that time.",
        "Страница замедляется с каждой показанной строкой и всё это время держит соединение.",
    ),
    diagnosis=Text(
        "Open a trace of the route: the span of the request names the statement that repeats and "
        "how often (http.server.db.repeated.query, http.server.db.repeated.queries). It is asked "
        "in a loop, or by a list that is loaded row by row.",
        "Откройте трассу этого маршрута: спан запроса называет повторяющийся запрос к базе и число "
        "повторов (http.server.db.repeated.query, http.server.db.repeated.queries). Его задают в "
        "цикле или список догружается построчно.",
    ),
    queries=(
        Query(
            highest(10, quantile(0.95, REQUEST_QUERIES, by=_ROUTE, over="5m")),
            "{{job}} {{http_route}}",
        ),
        Query(
            highest(10, quantile(0.95, REQUEST_QUERY_TIME, by=_ROUTE, over="5m")),
            "{{job}} {{http_route}}",
        ),
    ),
    mitigation=Text(
        "Ask for all rows in one query: a join, or `WHERE id = ANY(...)`. Until then show fewer "
        "rows on a page.",
        "Запросите все строки сразу: соединением таблиц или через `WHERE id = ANY(...)`. До тех "
        "пор показывайте на странице меньше строк.",
    ),
    exemplars=selector(
        REQUEST_QUERIES,
        {
            "job": "{{ $labels.job }}",
            "http.route": "{{ $labels.http_route }}",
            "le": "!~(0|1|2|3|5|10|20)([.]0)?",
        },
        part="bucket",
    ),
)

SLOW = Alert(
    name="DatabaseQueriesSlow",
    expr=(quantile(0.95, OPERATION_DURATION, by=_CLIENT, over="5m") > SLOW_SECONDS).and_on(
        increase(OPERATION_DURATION, by=_CLIENT, over="5m") >= _LEAST_QUERIES, *_CLIENT
    ),
    lasts="2m",
    severity="warning",
    summary="Queries of {{ $labels.job }} to database {{ $labels.db_namespace }} are slow.",
    description="One query in twenty takes longer than {{ $value | humanizeDuration }} "
    "(p95 of the last 5 minutes).",
    meaning=Text(
        "p95 of the queries of a service is over 0.5 s. With fewer than 20 queries in five minutes "
        "nothing is judged.",
        "p95 запросов сервиса к базе больше 0,5 с. Если за пять минут запросов меньше 20, "
        "оценки нет.",
    ),
    impact=Text(
        "Pages get slow, connections stay lent for longer, and the pool runs empty.",
        "Страницы замедляются, соединения заняты дольше, и пул пустеет.",
    ),
    diagnosis=Text(
        "Which statement? Open a trace from below. More rows than before: a page without a limit. "
        "The same rows but slower: `SELECT * FROM pg_stat_activity WHERE state <> 'idle'` shows "
        "who waits for a lock (wait_event_type = Lock), EXPLAIN (ANALYZE, BUFFERS) shows what the "
        "statement reads. If all clients are slow, look at the disk and the CPU of the server.",
        "Какой именно запрос? Откройте трассу по ссылке ниже. Строк больше, чем раньше: странице "
        "нужно ограничение. Строк столько же, но медленнее: `SELECT * FROM pg_stat_activity WHERE "
        "state <> 'idle'` покажет, кто ждёт блокировку (wait_event_type = Lock), EXPLAIN (ANALYZE, "
        "BUFFERS) покажет, что запрос читает. Если медленно у всех, смотрите на диск и процессор "
        "сервера.",
    ),
    queries=(
        Query(
            quantile(0.95, OPERATION_DURATION, by=_STATEMENT, over="5m"),
            _STATEMENT_NAME,
        ),
        Query(
            mean(RETURNED_ROWS, by=_STATEMENT, over="5m"),
            _STATEMENT_NAME,
        ),
    ),
    mitigation=Text(
        "End the transaction that holds the lock (`SELECT pg_terminate_backend(pid)`), add the "
        "missing index, or give the statement a limit.",
        "Завершите транзакцию, которая держит блокировку (`SELECT pg_terminate_backend(pid)`), "
        "добавьте недостающий индекс или ограничьте выборку.",
    ),
    exemplars=selector(
        OPERATION_DURATION, {**_OF_CLIENT, "le": "!~0.00.*|0.01|0.05|0.1|0.5"}, part="bucket"
    ),
)

ALERTS = (FAILS, *connections.ALERTS, SLOW, MANY)
