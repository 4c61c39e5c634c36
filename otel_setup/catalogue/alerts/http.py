# SPDX-License-Identifier: Apache-2.0
"""Alerts about HTTP servers: they fail requests, are slow, or hang."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.http import (
    ACTIVE_REQUESTS,
    REQUEST_BODY_SIZE,
    REQUEST_DURATION,
    RESPONSE_BODY_SIZE,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, mean, quantile, rate, selector

#: From this share of failures on somebody is woken, from this p95 on a page is called slow.
FAILING_SHARE, SLOW_SECONDS, SLOW_FILE_SECONDS = 0.05, 1.0, 5.0
#: A route that carries more than this on average moves files: it may take longer.
_FILE_BYTES = 100_000
#: With fewer events than these, chance decides.
_LEAST_FAILED, _LEAST_REQUESTS, _LEAST_ACTIVE = 5, 20, 5

_STATUS = "http.response.status_code"
_FAILED = {_STATUS: "~5.."}
_ENDPOINT = ("job", "http.request.method", "http.route")
_ROUTE = "{{job}} {{http_request_method}} {{http_route}}"


def _failing_share(over: str) -> Expr:
    failed = rate(REQUEST_DURATION, by=["job"], where=_FAILED, over=over)
    return failed / rate(REQUEST_DURATION, by=["job"], over=over)


def _is_slow() -> Expr:
    """Return the routes that are slow for what they carry."""
    p95 = quantile(0.95, REQUEST_DURATION, by=_ENDPOINT, where={"http.route": "!"}, over="5m")
    carries_files = (mean(REQUEST_BODY_SIZE, by=_ENDPOINT, over="5m") > _FILE_BYTES).or_(
        mean(RESPONSE_BODY_SIZE, by=_ENDPOINT, over="5m") > _FILE_BYTES
    )
    slow = (p95 > SLOW_SECONDS).unless_on(carries_files, *_ENDPOINT).or_(p95 > SLOW_FILE_SECONDS)
    requests = increase(REQUEST_DURATION, by=_ENDPOINT, over="5m")
    return slow.and_on(requests >= _LEAST_REQUESTS, *_ENDPOINT)


def _piles_up() -> Expr:
    """Return the services that would need 5 s and more for the requests they have."""
    at_work = alive(ACTIVE_REQUESTS, by=["job"])
    done_in_5s = increase(REQUEST_DURATION, by=["job"], over="2m") / 24
    return (at_work >= _LEAST_ACTIVE).unless_on(done_in_5s >= at_work, "job")


_OF_JOB = {"job": "{{ $labels.job }}"}

FAILS = Alert(
    name="ServiceFailsRequests",
    # Two windows: the long one says that it is bad, the short one that it still goes on. A burst
    # leaves the short one before `lasts` is over.
    expr=(_failing_share("5m") > FAILING_SHARE)
    .and_on(_failing_share("1m") > FAILING_SHARE, "job")
    .and_on(
        increase(REQUEST_DURATION, by=["job"], where=_FAILED, over="5m") >= _LEAST_FAILED, "job"
    ),
    lasts="90s",
    severity="critical",
    summary="{{ $labels.job }} fails requests.",
    description="{{ $value | humanizePercentage }} of the requests to {{ $labels.job }} in the "
    "last 5 minutes were answered with 5xx, and it goes on.",
    meaning=Text(
        "More than 5 % of the requests to a service end with 5xx, at least five of them in five "
        "minutes, and it goes on. A few failures in a quiet night do not suffice, nor does a burst "
        "of half a minute.",
        "Больше 5 % запросов к сервису заканчиваются кодом 5xx, и таких не меньше пяти за пять "
        "минут, и это продолжается. Нескольких ошибок тихой ночью или всплеска на полминуты для "
        "этого мало.",
    ),
    impact=Text(
        "Users see errors: what they tried to do did not happen.",
        "Пользователи видят ошибки: то, что они делали, не получилось.",
    ),
    diagnosis=Text(
        "Look which routes fail. If one does, its code or its data is at fault: open one of the "
        "traces below and read the exception. If all do, look at what they share: the database "
        "(do queries fail?), the broker, the storage. If it began with a new version, that is "
        "the cause.",
        "Посмотрите, какие маршруты падают. Если один, дело в его коде или данных: откройте одну "
        "из трасс ниже и прочитайте исключение. Если все, ищите общее: база данных (падают ли "
        "запросы к ней?), брокер, хранилище. Если началось с новой версией, причина в ней.",
    ),
    queries=(
        Query(
            rate(
                REQUEST_DURATION,
                by=(*_ENDPOINT, _STATUS),
                where=_FAILED,
                over="5m",
            ),
            _ROUTE + " {{http_response_status_code}}",
        ),
        Query(
            rate(REQUEST_DURATION, by=["job", "service_version"], over="5m"),
            "{{job}} {{service_version}}",
        ),
    ),
    mitigation=Text(
        "Go back to the version before, if there is a new one. Otherwise restore what the service "
        "depends on. Restart the service only after a trace was looked at: a restart hides the "
        "cause.",
        "Если выкатывали новую версию, верните прежнюю. Иначе восстановите то, от чего сервис "
        "зависит. Перезапускайте сервис, только посмотрев трассу: перезапуск прячет причину.",
    ),
    exemplars=selector(REQUEST_DURATION, {**_OF_JOB, **_FAILED}, part="bucket"),
)

SLOW = Alert(
    name="ServiceIsSlow",
    expr=_is_slow(),
    lasts="2m",
    severity="warning",
    summary="{{ $labels.http_request_method }} {{ $labels.http_route }} of {{ $labels.job }} "
    "is slow.",
    description="One request in twenty takes longer than {{ $value | humanizeDuration }} "
    "(p95 of the last 5 minutes).",
    meaning=Text(
        "On one route p95 is over 1 s, or over 5 s if it carries files (more than 100 kB on "
        "average). Routes with fewer than 20 requests in five minutes are not judged.",
        "На одном маршруте p95 больше 1 с, а если он передаёт файлы (в среднем больше 100 кБ), "
        "больше 5 с. Маршруты, где меньше 20 запросов за пять минут, не оцениваются.",
    ),
    impact=Text(
        "Users of this page wait, and some give up.",
        "Пользователи этой страницы ждут, а некоторые уходят.",
    ),
    diagnosis=Text(
        "Open a trace from below: the longest span says who is waited for. A query: look at the "
        "database and at the rows that it returns. A gap before the first query: the pool of "
        "connections or the CPU. Another service: its own panels.",
        "Откройте трассу по ссылке ниже: самый длинный спан покажет, кого ждут. Запрос к базе: "
        "посмотрите на базу и на число возвращённых строк. Пауза перед первым запросом: "
        "пул соединений или процессор. Другой сервис: его собственные панели.",
    ),
    queries=(
        Query(quantile(0.95, REQUEST_DURATION, by=_ENDPOINT, over="5m"), _ROUTE),
        Query(rate(REQUEST_DURATION, by=_ENDPOINT, over="5m"), _ROUTE),
    ),
    mitigation=Text(
        "Take load away (fewer rows on a page, fewer clients at once) or add processes if the CPU "
        "is the limit. If it began with a new version, go back to the one before.",
        "Снимите нагрузку (меньше строк на странице, меньше одновременных клиентов) или добавьте "
        "процессы, если упёрлись в процессор. Если началось с новой версией, верните прежнюю.",
    ),
    inhibited_by=("ServiceRequestsPileUp",),
    inhibited_on=("job",),
    exemplars=selector(
        REQUEST_DURATION,
        {
            **_OF_JOB,
            "http.route": "{{ $labels.http_route }}",
            "http.request.method": "{{ $labels.http_request_method }}",
            "le": "!~0.*|1|1.0",
        },
        part="bucket",
    ),
)

PILES_UP = Alert(
    name="ServiceRequestsPileUp",
    expr=_piles_up(),
    lasts="2m",
    severity="critical",
    summary="Requests pile up in {{ $labels.job }}.",
    description="{{ $value }} requests are in progress; at the present pace the service needs "
    "more than 5 s for them.",
    meaning=Text(
        "At least five requests are in progress, and in the last two minutes the service ended "
        "so few that these need over five seconds. Requests that hang have no duration yet, so "
        "no other alert sees them. Long polls and streams look the same: leave them out of the "
        "measurement with OTEL_PYTHON_EXCLUDED_URLS.",
        "В работе не меньше пяти запросов, а за последние две минуты сервис завершал их так "
        "медленно, что на эти уйдёт больше пяти секунд. У зависших запросов ещё нет длительности, "
        "поэтому другие оповещения их не видят. Длинные опросы и потоки выглядят так же: "
        "исключите их из измерений через OTEL_PYTHON_EXCLUDED_URLS.",
    ),
    impact=Text(
        "The service hangs: soon all its threads are taken and nobody gets an answer.",
        "Сервис виснет: скоро все его потоки будут заняты и ответа не получит никто.",
    ),
    diagnosis=Text(
        "See whether anything still ends. Look at who is waited for: requests that wait for a "
        "connection of the pool, slow queries, a broker or a storage that does not answer. "
        "`py-spy dump --pid` of one process shows where its threads stand.",
        "Проверьте, завершается ли хоть что-то. Посмотрите, кого ждут: запросы в очереди за "
        "соединением из пула, медленные запросы к базе, молчащий брокер или хранилище. "
        "`py-spy dump --pid` одного процесса покажет, где стоят его потоки.",
    ),
    queries=(
        Query(alive(ACTIVE_REQUESTS, by=["job", "instance"]), "{{job}} {{instance}}"),
        Query(rate(REQUEST_DURATION, by=["job"], over="2m"), "{{job}}"),
    ),
    mitigation=Text(
        "Restore what is waited for; waiting requests then end by themselves. If they do not, "
        "restart the service, one process after the other.",
        "Восстановите того, кого ждут: тогда ожидающие запросы завершатся сами. Если нет, "
        "перезапустите сервис, процесс за процессом.",
    ),
)

ALERTS = (FAILS, SLOW, PILES_UP)
