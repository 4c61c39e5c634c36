# SPDX-License-Identifier: Apache-2.0
"""Metrics of database clients; names of the semantic conventions (db namespace)."""

from otel_setup.catalogue.model import Histogram, Label, Method, Text, UpDownCounter

_QUERY = {
    "db.system.name": Label(Text("kind of the database", "вид базы данных"), at_most=5),
    "db.namespace": Label(
        Text("name of the database; one per service", "имя базы; у каждого сервиса своя"),
        at_most=20,
    ),
    "db.operation.name": Label(
        Text(
            "first word of the statement, such as SELECT",
            "первое слово запроса, например SELECT",
        ),
        at_most=30,
    ),
    "server.address": Label(Text("host of the database", "узел базы данных"), at_most=20),
    "server.port": Label(Text("port of the database", "порт базы данных"), at_most=20),
    "error.type": Label(
        Text(
            "class of the exception; absent when there was none",
            "класс исключения; отсутствует, если его не было",
        ),
        at_most=40,
    ),
}

OPERATION_DURATION = Histogram(
    name="db.client.operation.duration",
    unit="s",
    # The bounds that the conventions advise.
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    description=Text(
        "Duration of queries, as the service sees it.",
        "Длительность запросов к базе глазами сервиса.",
    ),
    why=Text(
        "Tells whether a slow page waits for the database, and whether queries fail there.",
        "Показывает, ждёт ли медленная страница базу данных и падают ли в ней запросы.",
    ),
    attributes=_QUERY,
    method=Method.DURATION,
)

RETURNED_ROWS = Histogram(
    name="db.client.response.returned_rows",
    unit="{row}",
    buckets=(1.0, 10.0, 100.0, 1e3, 1e4),
    description=Text(
        "Rows that a query returned or changed.", "Строки, которые запрос вернул или изменил."
    ),
    why=Text(
        "A page that reads thousands of rows to show fifty needs a limit, not a faster database.",
        "Странице, которая читает тысячи строк и показывает полсотни, нужно ограничение выборки, "
        "а не более быстрая база.",
    ),
    attributes={key: label for key, label in _QUERY.items() if key != "error.type"},
    method=Method.TRAFFIC,
    no_alert=Text(
        "many rows are a fault only when they make queries slow, and that is watched",
        "много строк плохо, только если запросы стали медленными, а за этим следят",
    ),
)

_POOL = {
    "db.client.connection.pool.name": Label(
        Text("name of the pool; one per service", "имя пула; у каждого сервиса свой"), at_most=20
    )
}

CONNECTIONS = UpDownCounter(
    name="db.client.connection.count",
    unit="{connection}",
    description=Text("Connections of the pool.", "Соединения пула."),
    why=Text(
        "A pool with no idle connection is where requests begin to wait: "
        "time to enlarge it or to shorten transactions.",
        "В пуле без свободных соединений запросы начинают ждать. "
        "Пора увеличить его или укоротить транзакции.",
    ),
    attributes={
        **_POOL,
        "db.client.connection.state": Label(
            Text("lent to the program or free", "занято программой или свободно"),
            values=("used", "idle"),
        ),
    },
    method=Method.UTILIZATION,
    no_alert=Text(
        "a full pool is well used; it is a fault when requests wait for it, and that is watched",
        "полный пул просто хорошо загружен; плохо, когда его ждут, а за этим следят",
    ),
)

CONNECTIONS_MAX = UpDownCounter(
    name="db.client.connection.max",
    unit="{connection}",
    description=Text(
        "Connections that the pool may open.", "Сколько соединений пулу позволено открыть."
    ),
    why=Text(
        "What used connections are measured against; the sum over all processes must stay below "
        "what the server allows.",
        "С этим сравнивают занятые соединения; сумма по всем процессам не должна превышать "
        "то, что разрешает сервер.",
    ),
    attributes=_POOL,
    no_alert=Text("a setting, not a state", "это настройка, а не состояние"),
)

PENDING_REQUESTS = UpDownCounter(
    name="db.client.connection.pending_requests",
    unit="{request}",
    description=Text(
        "Requests that wait for a free connection of the pool.",
        "Запросы, которые ждут свободного соединения из пула.",
    ),
    why=Text(
        "A pool that is too small looks like a slow database; this tells them apart.",
        "Слишком маленький пул похож на медленную базу; здесь видно, что из двух случилось.",
    ),
    attributes=_POOL,
    method=Method.SATURATION,
)
