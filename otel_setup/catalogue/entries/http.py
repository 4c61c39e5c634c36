# SPDX-License-Identifier: Apache-2.0
"""Metrics of HTTP servers; names of the stable semantic conventions (http namespace)."""

from otel_setup.catalogue.model import Counter, Histogram, Label, Method, Text, UpDownCounter

#: From a JSON answer to a large 3D model.
_BYTES = (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8)

METHODS = Label(
    Text("method of the request; an unknown one is _OTHER", "метод запроса; неизвестный: _OTHER"),
    values=(
        *("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
        *("QUERY", "_OTHER"),
    ),
)

_METHOD = {
    "http.request.method": METHODS,
    "url.scheme": Label(
        Text("how the request came to the server", "по какой схеме запрос пришёл на сервер"),
        values=("http", "https"),
    ),
}

_ROUTE = {
    "http.route": Label(
        Text(
            "template of the path, never the path itself; absent when no route matched",
            "шаблон пути, а не сам путь; отсутствует, если маршрут не нашёлся",
        ),
        at_most=200,
    ),
}

_REQUEST = {
    **_ROUTE,
    **_METHOD,
    "http.response.status_code": Label(
        Text(
            "status of the answer; absent when there was none",
            "код ответа; отсутствует, если ответа не было",
        ),
        at_most=40,
    ),
    "network.protocol.version": Label(
        Text("version of HTTP", "версия HTTP"), values=("1.0", "1.1", "2", "3")
    ),
    "error.type": Label(
        Text(
            "the status from 500 on, or the class of the exception; absent when there was no error",
            "код ответа от 500 или класс исключения; отсутствует, если ошибки не было",
        ),
        at_most=40,
    ),
}

REQUEST_DURATION = Histogram(
    name="http.server.request.duration",
    unit="s",
    description=Text(
        "Time that the server spent on a request.", "Время, которое сервер потратил на запрос."
    ),
    why=Text(
        "Says whether users suffer now, and on which route to look first: "
        "how many requests come, how many fail and how long they take.",
        "Отвечает, страдают ли пользователи прямо сейчас и с какого маршрута начинать поиск: "
        "сколько запросов приходит, сколько падает с ошибкой и как долго они длятся.",
    ),
    attributes=_REQUEST,
    method=Method.DURATION,
)

ACTIVE_REQUESTS = UpDownCounter(
    name="http.server.active_requests",
    unit="{request}",
    description=Text(
        "Requests that the server works on.", "Запросы, над которыми сервер сейчас работает."
    ),
    why=Text(
        "Requests that never end have no duration: only here do they show that a service hangs.",
        "У запроса, который не завершается, нет длительности: "
        "только здесь видно, что сервис завис.",
    ),
    attributes=_METHOD,
    method=Method.SATURATION,
)

REQUEST_BODY_SIZE = Histogram(
    name="http.server.request.body.size",
    unit="By",
    buckets=_BYTES,
    description=Text("Size of what clients send.", "Размер того, что присылают клиенты."),
    why=Text(
        "Separates uploads, which may take seconds, from pages, which may not.",
        "Отделяет загрузки файлов, которым позволено длиться секунды, от страниц, которым нельзя.",
    ),
    attributes=_REQUEST,
    method=Method.TRAFFIC,
)

RESPONSE_BODY_SIZE = Histogram(
    name="http.server.response.body.size",
    unit="By",
    buckets=_BYTES,
    description=Text("Size of what the server answers.", "Размер того, что отвечает сервер."),
    why=Text(
        "A list that grows with the data gets slower every week: this says when it needs pages.",
        "Список, который растёт вместе с данными, с каждой неделей открывается медленнее: "
        "здесь видно, когда пора делить его на страницы.",
    ),
    attributes=_REQUEST,
    method=Method.TRAFFIC,
)

CPU_TIME = Counter(
    name="http.server.request.cpu.time",
    unit="s",
    description=Text(
        "Processor time that the server's code spent on requests.",
        "Процессорное время, которое код сервера потратил на запросы.",
    ),
    why=Text(
        "Uploads and the editor may cost more than all else together: "
        "this says which route fills the processor when a service does.",
        "Загрузки и редактор могут стоить больше всего остального вместе: "
        "здесь видно, какой маршрут занимает процессор.",
    ),
    attributes={**_ROUTE, "http.request.method": METHODS},
    method=Method.UTILIZATION,
    no_alert=Text(
        "ProcessUsesAllCpu tells that a process is at its limit; this says by which route.",
        "О том, что процесс упёрся в процессор, скажет ProcessUsesAllCpu; здесь видно, "
        "из-за какого маршрута.",
    ),
)

USER_REQUESTS = Counter(
    name="http.server.user.requests",
    unit="{request}",
    description=Text(
        "Requests whose user is known, by user.", "Запросы, пользователь которых известен."
    ),
    why=Text(
        "One user who sends more than all others together slows everybody down: "
        "this says that it is one, and who.",
        "Один пользователь, который шлёт больше всех остальных вместе, тормозит всех: "
        "здесь видно, что он один и кто он.",
    ),
    attributes={
        "user.hash": Label(
            Text(
                "pseudonym of one of the busiest users; other: all the rest together",
                "псевдоним одного из самых активных пользователей; other: все остальные вместе",
            ),
            at_most=250,
        ),
        "user.group": Label(
            Text(
                "what kind of user it is, as the service says; other: a ninth and further kinds",
                "что это за пользователь, по словам сервиса; other: девятый и дальнейшие виды",
            ),
            at_most=9,
        ),
    },
    method=Method.TRAFFIC,
    rare=Text(
        "only of services that say who calls", "есть только у сервисов, которые называют, кто зовёт"
    ),
)
