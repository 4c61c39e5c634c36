# SPDX-License-Identifier: Apache-2.0
"""Metrics of database clients; names of the semantic conventions (db namespace)."""

from otel_setup.catalogue.model import Counter, Histogram, Label, Method, Text, UpDownCounter

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
    "db.collection.name": Label(
        Text(
            "table that the statement names first; absent when it names none",
            "таблица, которую запрос называет первой; отсутствует, если он не называет ни одной",
        ),
        at_most=300,
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

TIMEOUTS = Counter(
    name="db.client.connection.timeouts",
    unit="{timeout}",
    description=Text(
        "Requests that the pool gave no connection in time, or none since too many wait already.",
        "Запросы, которым пул не дал соединения вовремя или сразу отказал: ждут и так многие.",
    ),
    why=Text(
        "Each is a request that failed although the database works.",
        "Каждый из них — это запрос, упавший при исправной базе.",
    ),
    attributes=_POOL,
    method=Method.ERRORS,
)

WAIT_TIME = Histogram(
    name="db.client.connection.wait_time",
    unit="s",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    description=Text(
        "Time until the pool gave a connection, or until nobody waited any longer.",
        "Время до получения соединения из пула или до отказа от ожидания.",
    ),
    why=Text(
        "The part of a slow request that is no query: a larger pool or shorter transactions help.",
        "Та часть медленного запроса, что не связана с запросами к базе: поможет больший пул или "
        "короткие транзакции.",
    ),
    attributes=_POOL,
    method=Method.SATURATION,
)

USE_TIME = Histogram(
    name="db.client.connection.use_time",
    unit="s",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    description=Text(
        "Time from borrowing a connection of the pool to its return.",
        "Время от выдачи соединения из пула до его возврата.",
    ),
    why=Text(
        "A pool runs dry when connections are kept, not only when there are many requests.",
        "Пул пустеет, когда соединения держат, а не только когда запросов много.",
    ),
    attributes=_POOL,
    method=Method.UTILIZATION,
    no_alert=Text(
        "a connection kept long is a fault only when others wait for it, and that is watched",
        "долго занятое соединение плохо, только если его ждут другие, а за этим следят",
    ),
)

CONNECT_FAILURES = Counter(
    name="db.client.connection.failures",
    unit="{failure}",
    description=Text(
        "Attempts to connect to a server of databases that failed.",
        "Неудачные попытки подключиться к серверу баз данных.",
    ),
    why=Text(
        "Tells a database that is away from a pool that is too small: in both requests wait.",
        "Отличает недоступную базу от слишком маленького пула: запросы ждут и там и там.",
    ),
    attributes={
        key: _QUERY[key]
        for key in ("db.system.name", "db.namespace", "server.address", "server.port")
    },
    method=Method.ERRORS,
)

_REQUEST = {
    "http.request.method": Label(Text("method of the request", "метод запроса"), at_most=10),
    "http.route": Label(
        Text("route, as the application declares it", "маршрут, как он объявлен в приложении"),
        at_most=100,
    ),
}

REQUEST_QUERIES = Histogram(
    name="http.server.db.queries",
    unit="{query}",
    buckets=(0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
    description=Text(
        "Queries that one HTTP request made.", "Сколько запросов к базе сделал один HTTP-запрос."
    ),
    why=Text(
        "A page that asks once for each of its rows gets slower as they become more; no single "
        "query is slow then.",
        "Страница, которая делает запрос на каждую строку, замедляется с их числом, хотя ни один "
        "запрос не медленный.",
    ),
    attributes=_REQUEST,
    method=Method.TRAFFIC,
)

REQUEST_QUERY_TIME = Histogram(
    name="http.server.db.query.time",
    unit="s",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    description=Text(
        "Time that one HTTP request spent in queries, all together.",
        "Сколько времени один HTTP-запрос провёл в запросах к базе, в сумме.",
    ),
    why=Text(
        "Tells the database's share of a slow page.", "Показывает долю базы в медленной странице."
    ),
    attributes=_REQUEST,
    method=Method.DURATION,
    no_alert=Text(
        "the duration of the requests is watched; this explains it",
        "следят за длительностью самих запросов; здесь её объяснение",
    ),
)

REQUEST_WAIT_TIME = Histogram(
    name="http.server.db.wait.time",
    unit="s",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    description=Text(
        "Time that one HTTP request waited for connections of a pool, all together.",
        "Сколько один HTTP-запрос ждал соединений из пула, в сумме.",
    ),
    why=Text(
        "Tells the pool's share of a slow page.", "Показывает долю пула в медленной странице."
    ),
    attributes=_REQUEST,
    method=Method.SATURATION,
    no_alert=Text(
        "the wait itself is watched; this says which pages it hits",
        "следят за самим ожиданием; здесь видно, каких страниц оно касается",
    ),
)
