# SPDX-License-Identifier: Apache-2.0
"""
HTTP servers: rate, errors and duration of any service, by its ``job``.

A panel's *job* is the name of one service, or a regular expression after ``~`` such as
``~$job``, the variable of a dashboard.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts import http as alerts
from otel_setup.catalogue.alerts import users as alerts_of_users
from otel_setup.catalogue.alerts.http import (
    FAILING_SHARE,
    SLOW_FILE_SECONDS,
    SLOW_SECONDS,
)
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.http import (
    ACTIVE_REQUESTS,
    CPU_TIME,
    REQUEST_BODY_SIZE,
    REQUEST_DURATION,
    RESPONSE_BODY_SIZE,
    USER_REQUESTS,
)
from otel_setup.catalogue.jobs import alive, legend, of
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import (
    WINDOW,
    highest,
    or_zero,
    quantile,
    rate,
    volume,
)
from otel_setup.catalogue.whole import Component

__all__ = [
    "ACTIVE_REQUESTS",
    "ALERTS",
    "COMPONENT",
    "CPU_TIME",
    "METRICS",
    "REQUEST_BODY_SIZE",
    "REQUEST_DURATION",
    "RESPONSE_BODY_SIZE",
    "USER_REQUESTS",
    "active",
    "answers",
    "component",
    "cpu",
    "errors",
    "failing",
    "latency",
    "requests",
    "slowest",
    "surge",
    "uploads",
]

METRICS = (
    REQUEST_DURATION,
    ACTIVE_REQUESTS,
    REQUEST_BODY_SIZE,
    RESPONSE_BODY_SIZE,
    CPU_TIME,
    USER_REQUESTS,
)
ALERTS = (*alerts.ALERTS, *alerts_of_users.ALERTS)

_STATUS = "http.response.status_code"
_ENDPOINT = ("job", "http.request.method", "http.route")
_ROUTE = "{{http_request_method}} {{http_route}}"


def requests(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many requests come, by route."""
    return Panel(
        title=title or Text("Requests by route", "Запросы по маршрутам"),
        queries=(Query(rate(REQUEST_DURATION, by=_ENDPOINT, where=of(job)), legend(job, _ROUTE)),),
        why=Text(
            "Which routes are in use, and whether a surge or a silence began.",
            "Какими маршрутами пользуются и не начался ли наплыв или тишина.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def surge(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many requests come now, beside the mean of the last hour."""
    now, before = (
        rate(REQUEST_DURATION, by=["job"], where=of(job), over=over) for over in (WINDOW, "1h")
    )
    return Panel(
        title=title or Text("Is this a surge?", "Это наплыв?"),
        queries=(Query(now, legend(job, "now")), Query(before, legend(job, "mean of an hour"))),
        why=Text(
            "A campaign, a robot and a client that tries again and again all begin like this.",
            "Так начинаются и рекламная кампания, и робот, и клиент, который всё повторяет запрос.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def cpu(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how much of a core each route takes, the ten most expensive."""
    return Panel(
        title=title
        or Text("Which routes take the CPU? (of one core)", "Что занимает процессор? (доля ядра)"),
        queries=(
            Query(highest(10, rate(CPU_TIME, by=_ENDPOINT, where=of(job))), legend(job, _ROUTE)),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def answers(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many answers there are of each class of status: 2xx, 4xx and 5xx."""
    total = rate(REQUEST_DURATION, by=["job"], where=of(job))
    classes = [
        rate(REQUEST_DURATION, by=["job"], where=of(job, **{_STATUS: f"~{digit}.."}))
        for digit in (2, 4, 5)
    ]
    return Panel(
        title=title or Text("Answers by status", "Ответы по кодам"),
        queries=tuple(
            Query(or_zero(each, total), legend(job, f"{digit}xx"))
            for digit, each in zip((2, 4, 5), classes, strict=True)
        ),
        why=Text(
            "5xx are the service's faults, 4xx its clients': they lead to different people.",
            "5xx означает ошибку сервиса, 4xx ошибку клиента: идти надо к разным людям.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def errors(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of the requests fails; empty while there are none."""
    total = rate(REQUEST_DURATION, by=["job"], where=of(job))
    failed = rate(REQUEST_DURATION, by=["job"], where=of(job, **{_STATUS: "~5.."}))
    return Panel(
        title=title or Text("Which share of requests fails?", "Какая доля запросов падает?"),
        queries=(Query(or_zero(failed, total) / (total > 0), legend(job, "5xx")),),
        why=Text(
            "The share that users meet, whatever the traffic is.",
            "Доля, с которой сталкиваются пользователи, каким бы ни был трафик.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FAILING_SHARE),),
    )


def failing(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which routes answer 5xx, the worst ten."""
    failed = rate(REQUEST_DURATION, by=(*_ENDPOINT, _STATUS), where=of(job, **{_STATUS: "~5.."}))
    return Panel(
        title=title or Text("Which routes fail?", "Какие маршруты падают?"),
        queries=(
            Query(highest(10, failed > 0), legend(job, _ROUTE + " {{http_response_status_code}}")),
        ),
        why=Text(
            "One failing route is a fault of its code, all of them a fault of what they share.",
            "Один падающий маршрут указывает на его код, все сразу на то, что у них общее.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("no request failed", "ни один запрос не упал"),
    )


def latency(  # noqa: PLR0913 - all but the job are a choice
    job: str,
    *,
    route: str = "",
    method: str = "",
    rows: tuple[str, ...] = (),
    leads_to: str = "",
    title: str = "",
) -> Panel:
    """Return how long requests take, of the whole service or of one *route* and *method*."""
    chosen = of(
        job,
        **({"http.route": route} if route else {}),
        **({"http.request.method": method} if method else {}),
    )
    return Panel(
        title=title or Text("How long do requests take?", "Сколько длятся запросы?"),
        queries=tuple(
            Query(
                quantile(share, REQUEST_DURATION, by=["job"], where=chosen),
                legend(job, f"p{share * 100:g}"),
            )
            for share in (0.5, 0.95, 0.99)
        ),
        why=Text(
            "The median is what most users feel, p99 what the unlucky ones do; "
            "points lead to traces.",
            "Медиана — то, что чувствует большинство, p99 — то, что достаётся невезучим; "
            "точки ведут к трассам.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SLOW_SECONDS, "warning"),),
    )


def slowest(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return the ten routes with the highest p95."""
    return Panel(
        title=title or Text("Which routes are slow (p95)?", "Какие маршруты медленные (p95)?"),
        queries=(
            Query(
                highest(10, quantile(0.95, REQUEST_DURATION, by=_ENDPOINT, where=of(job))),
                legend(job, _ROUTE),
            ),
        ),
        why=Text(
            "Where to begin: a slow average hides which page it comes from.",
            "С чего начать: за медленным средним не видно, какая страница виновата.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="bars",
        thresholds=(Threshold(SLOW_SECONDS, "warning"), Threshold(SLOW_FILE_SECONDS)),
    )


def active(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many requests are being worked on."""
    return Panel(
        title=title or Text("Requests in progress", "Запросы в работе"),
        queries=(Query(alive(ACTIVE_REQUESTS, by=["job"], where=of(job)), legend(job, "active")),),
        rows=rows,
        leads_to=leads_to,
    )


def uploads(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many bytes clients send and get."""
    return Panel(
        title=title or Text("How much do clients send and get?", "Сколько передают клиенты?"),
        queries=(
            Query(volume(REQUEST_BODY_SIZE, by=["job"], where=of(job)), legend(job, "sent to us")),
            Query(volume(RESPONSE_BODY_SIZE, by=["job"], where=of(job)), legend(job, "answered")),
        ),
        why=Text(
            "Files load a service by their size: few requests can be much work.",
            "Файлы нагружают сервис размером: мало запросов не значит мало работы.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def component(
    *, owner: str = "platform", dashboard: str = "services", scraped: tuple[str, ...] = ()
) -> Component:
    """
    Return the component whose alerts go to *owner* and lead to *dashboard*.

    *scraped* names the jobs that Prometheus scrapes, if services serve /metrics themselves.
    """
    return Component(
        name="http",
        title=Text("HTTP servers", "HTTP-серверы"),
        owner=owner,
        source=Source.SEMCONV,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=scraped,
    )


COMPONENT = component()
