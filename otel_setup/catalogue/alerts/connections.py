# SPDX-License-Identifier: Apache-2.0
"""Alerts about connections to databases: requests wait for them, or the server gives none."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.database import (
    CONNECT_FAILURES,
    CONNECTIONS,
    CONNECTIONS_MAX,
    OPERATION_DURATION,
    PENDING_REQUESTS,
    TIMEOUTS,
    USE_TIME,
    WAIT_TIME,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, quantile, rate, selector, written

LONG_WAIT_SECONDS = 0.5
#: With fewer events than these, chance decides.
_LEAST_TIMEOUTS, _LEAST_REFUSED, _LEAST_WAITS = 3, 3, 20

_CLIENT = ("job", "db.namespace")
_POOL = ("job", "db.client.connection.pool.name")
_SERVER = ("job", "server.address", "server.port")

_waiting = written(
    "sum by (job, db_client_connection_pool_name)"
    f" (avg_over_time({selector(PENDING_REQUESTS)}[1m]))",
    "{request}",
    PENDING_REQUESTS,
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
        Query(quantile(0.95, WAIT_TIME, by=_POOL, over="5m"), "{{job}} waits"),
        Query(quantile(0.95, USE_TIME, by=_POOL, over="5m"), "{{job}} keeps"),
        Query(quantile(0.95, OPERATION_DURATION, by=_CLIENT, over="5m"), "{{job}} asks"),
    ),
    mitigation=Text(
        "If queries are slow, see DatabaseQueriesSlow. Otherwise enlarge the pool, as long as all "
        "pools together stay below what the server allows.",
        "Если запросы медленные, смотрите DatabaseQueriesSlow. Иначе увеличьте пул, пока сумма "
        "всех пулов меньше того, что разрешает сервер.",
    ),
    inhibited_by=("DatabaseQueriesSlow", "DatabaseRefusesConnections"),
    inhibited_on=("job",),
)

TIME_OUT = Alert(
    name="DatabaseConnectionsTimeOut",
    # The short window ends it soon after the last one.
    expr=(increase(TIMEOUTS, by=_POOL, over="2m") >= _LEAST_TIMEOUTS).and_on(
        increase(TIMEOUTS, by=_POOL, over="1m") > 0, *_POOL
    ),
    lasts="30s",
    severity="warning",
    summary="Requests of {{ $labels.job }} get no connection to their database.",
    description='{{ $value | printf "%.0f" }} of them in 2 minutes waited in vain for pool '
    "{{ $labels.db_client_connection_pool_name }}.",
    meaning=Text(
        "At least three requests in two minutes got no connection of the pool in time, or none at "
        "once since too many waited already.",
        "За две минуты не меньше трёх запросов не дождались соединения из пула или получили отказ "
        "сразу: очередь и так полна.",
    ),
    impact=Text(
        "Each of these requests failed, although the database may be well.",
        "Каждый такой запрос завершился ошибкой, хотя сама база может быть исправна.",
    ),
    diagnosis=Text(
        "How long are connections kept, and how long do queries take? If both are long, see the "
        "queries. If connections are kept much longer than queries take, the service does "
        "something else while it has one: open a trace of a request that failed, and of one that "
        "ran at that time.",
        "Сколько держат соединения и сколько длятся запросы? Если долго и то и другое, дело в "
        "запросах. Если соединения держат гораздо дольше, сервис занимается с ними чем-то другим: "
        "откройте трассу упавшего запроса и того, что выполнялся одновременно с ним.",
    ),
    queries=(
        Query(quantile(0.95, WAIT_TIME, by=_POOL, over="5m"), "{{job}} waits"),
        Query(quantile(0.95, USE_TIME, by=_POOL, over="5m"), "{{job}} keeps"),
        Query(quantile(0.95, OPERATION_DURATION, by=_CLIENT, over="5m"), "{{job}} asks"),
    ),
    mitigation=Text(
        "Enlarge the pool, as long as all pools together stay below what the server allows; end "
        "what keeps connections.",
        "Увеличьте пул, пока сумма всех пулов меньше того, что разрешает сервер; завершите то, что "
        "держит соединения.",
    ),
    inhibited_by=("DatabaseQueriesSlow", "DatabasePoolExhausted", "DatabaseRefusesConnections"),
    inhibited_on=("job",),
)

LATE = Alert(
    name="DatabaseConnectionsComeLate",
    expr=(quantile(0.95, WAIT_TIME, by=_POOL, over="5m") > LONG_WAIT_SECONDS).and_on(
        increase(WAIT_TIME, by=_POOL, over="5m") >= _LEAST_WAITS, *_POOL
    ),
    lasts="2m",
    severity="warning",
    summary="Requests of {{ $labels.job }} wait long for a connection to its database.",
    description="One in twenty waits longer than {{ $value | humanizeDuration }} for pool "
    "{{ $labels.db_client_connection_pool_name }} (p95 of the last 5 minutes).",
    meaning=Text(
        "p95 of the time until a pool gives a connection is over 0.5 s. With fewer than 20 "
        "requests for one in five minutes nothing is judged.",
        "p95 времени до получения соединения из пула больше 0,5 с. Если за пять минут соединений "
        "просили меньше 20 раз, оценки нет.",
    ),
    impact=Text(
        "Pages get slow, although none of their queries is.",
        "Страницы замедляются, хотя запросы к базе быстрые.",
    ),
    diagnosis=Text(
        "The same as DatabasePoolExhausted, where requests are too few for one to wait always: "
        "how long are connections kept, and how long do queries take?",
        "То же, что и DatabasePoolExhausted, только запросов слишком мало, чтобы кто-то ждал "
        "постоянно: сколько держат соединения и сколько длятся запросы?",
    ),
    queries=(
        Query(quantile(0.95, WAIT_TIME, by=_POOL, over="5m"), "{{job}} waits"),
        Query(quantile(0.95, USE_TIME, by=_POOL, over="5m"), "{{job}} keeps"),
        Query(quantile(0.95, OPERATION_DURATION, by=_CLIENT, over="5m"), "{{job}} asks"),
    ),
    mitigation=Text(
        "If queries are slow, see DatabaseQueriesSlow. Otherwise end what keeps connections, or "
        "enlarge the pool.",
        "Если запросы медленные, смотрите DatabaseQueriesSlow. Иначе завершите то, что держит "
        "соединения, или увеличьте пул.",
    ),
    inhibited_by=(
        *("DatabaseQueriesSlow", "DatabasePoolExhausted"),
        *("DatabaseConnectionsTimeOut", "DatabaseRefusesConnections"),
    ),
    inhibited_on=("job",),
)

REFUSES = Alert(
    name="DatabaseRefusesConnections",
    expr=(increase(CONNECT_FAILURES, by=_SERVER, over="2m") >= _LEAST_REFUSED).and_on(
        increase(CONNECT_FAILURES, by=_SERVER, over="1m") > 0, *_SERVER
    ),
    lasts="30s",
    severity="warning",
    summary="{{ $labels.job }} cannot connect to its database.",
    description='{{ $value | printf "%.0f" }} attempts to connect to {{ $labels.server_address }}:'
    "{{ $labels.server_port }} failed in 2 minutes.",
    meaning=Text(
        "At least three attempts of a service to connect failed in two minutes.",
        "За две минуты не меньше трёх попыток сервиса подключиться не удались.",
    ),
    impact=Text(
        "When its connections are used up or lost, its requests fail.",
        "Когда прежние соединения кончатся или оборвутся, запросы начнут падать.",
    ),
    diagnosis=Text(
        "The log of the service has the server's own words. Connection refused, or no answer: it "
        "is away. Too many clients: count the connections by service. Password or pg_hba: a "
        "secret was changed on one side.",
        "Слова сервера есть в журнале сервиса. Connection refused или молчание: его нет. Too many "
        "clients: посчитайте соединения по сервисам. Password или pg_hba: секрет сменили только с "
        "одной стороны.",
    ),
    queries=(
        Query(
            rate(CONNECT_FAILURES, by=_SERVER, over="5m"),
            "{{job}} {{server_address}}:{{server_port}}",
        ),
        Query(alive(CONNECTIONS, by=("job", "db.client.connection.state")), "{{job}}"),
    ),
    mitigation=Text(
        "Bring the server back, close what holds its connections, or correct the secret. Services "
        "connect by themselves: do not restart them.",
        "Верните сервер, закройте то, что занимает его соединения, или исправьте секрет. Сервисы "
        "подключатся сами: перезапускать их не надо.",
    ),
)

ALERTS = (EXHAUSTED, TIME_OUT, LATE, REFUSES)
