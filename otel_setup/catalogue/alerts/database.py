# SPDX-License-Identifier: Apache-2.0
"""Alerts about databases as their clients see them: queries fail, are slow, or find no way in."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.database import (
    CONNECTIONS,
    CONNECTIONS_MAX,
    OPERATION_DURATION,
    PENDING_REQUESTS,
    RETURNED_ROWS,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import (
    Expr,
    increase,
    mean,
    quantile,
    rate,
    selector,
    written,
)

FAILING_SHARE, SLOW_SECONDS = 0.05, 0.5
#: With fewer events than these, chance decides.
_LEAST_FAILED, _LEAST_QUERIES = 5, 20

_CLIENT = ("job", "db.namespace")
_POOL = ("job", "db.client.connection.pool.name")
#: A constraint that refuses a row is the database doing its work, not failing.
_FAULT = {"error.type": "!~|IntegrityError|.*Violation"}
_OPERATION = "{{job}} {{db_namespace}} {{db_operation_name}}"
_OF_CLIENT = {"job": "{{ $labels.job }}", "db.namespace": "{{ $labels.db_namespace }}"}

_waiting = written(
    "sum by (job, db_client_connection_pool_name)"
    f" (avg_over_time({selector(PENDING_REQUESTS)}[1m]))",
    "{request}",
    PENDING_REQUESTS,
)


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
            rate(OPERATION_DURATION, by=(*_CLIENT, "db.operation.name"), where=_FAULT, over="5m"),
            _OPERATION,
        ),
    ),
    mitigation=Text(
        "Bring the server back, or the version before. Services connect again by themselves: do "
        "not restart them.",
        "Верните сервер или прежнюю версию. Сервисы подключатся сами: перезапускать их не надо.",
    ),
    exemplars=selector(OPERATION_DURATION, {**_OF_CLIENT, **_FAULT}, part="bucket"),
)

EXHAUSTED = Alert(
    name="DatabasePoolExhausted",
    expr=_waiting >= 1,
    # A process that ends while requests wait counts for one minute more.
    lasts="2m",
    severity="warning",
    summary="{{ $labels.job }} waits for connections to its database.",
    description="Requests that wait for a connection of pool "
    "{{ $labels.db_client_connection_pool_name }}, on average: {{ $value | humanize }}.",
    meaning=Text(
        "For two minutes at least one request has been waiting for a free connection of the pool. "
        "A database that is away looks the same: the pool cannot fill itself.",
        "Две минуты подряд хотя бы один запрос ждёт свободного соединения из пула. Недоступная "
        "база выглядит так же: пул не может наполниться.",
    ),
    impact=Text(
        "Requests are slow before they do anything; after the timeout of the pool they fail.",
        "Запросы медлят, ещё ничего не сделав, а когда выйдет время ожидания пула, падают.",
    ),
    diagnosis=Text(
        "Is the pool full? If not, the database cannot be reached. If it is, see whether queries "
        "became slow, or whether transactions stay open while the service does something else: "
        "a call of another service between two queries holds a connection.",
        "Полон ли пул? Если нет, до базы не достучаться. Если да, посмотрите, не стали ли "
        "медленными запросы и не держит ли сервис транзакцию открытой, занимаясь другим: "
        "вызов другого сервиса между двумя запросами удерживает соединение.",
    ),
    queries=(
        Query(
            alive(CONNECTIONS, by=(*_POOL, "db.client.connection.state")),
            "{{job}} {{db_client_connection_state}}",
        ),
        Query(alive(CONNECTIONS_MAX, by=_POOL), "{{job}}"),
        Query(quantile(0.95, OPERATION_DURATION, by=_CLIENT, over="5m"), "{{job}}"),
    ),
    mitigation=Text(
        "If queries are slow, see DatabaseQueriesSlow. Otherwise enlarge the pool, as long as all "
        "pools together stay below what the server allows.",
        "Если запросы медленные, смотрите DatabaseQueriesSlow. Иначе увеличьте пул, пока сумма "
        "всех пулов меньше того, что разрешает сервер.",
    ),
    inhibited_by=("DatabaseQueriesSlow",),
    inhibited_on=("job",),
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
            quantile(0.95, OPERATION_DURATION, by=(*_CLIENT, "db.operation.name"), over="5m"),
            _OPERATION,
        ),
        Query(
            mean(RETURNED_ROWS, by=(*_CLIENT, "db.operation.name"), over="5m"),
            _OPERATION,
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

ALERTS = (FAILS, EXHAUSTED, SLOW)
