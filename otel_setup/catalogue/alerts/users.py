# SPDX-License-Identifier: Apache-2.0
"""The alert about users: one of them floods a service."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.http import REQUEST_DURATION, USER_REQUESTS
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, quantile, rate, written

#: From this share of all requests on, and from this many a second, one user is too many.
FLOODING_SHARE, _FLOODING_RATE = 0.5, 10

_HASH, _GROUP = "user.hash", "user.group"
_USER = ("job", _HASH, _GROUP)
_KNOWN = {_HASH: "!other"}


def _share(over: str) -> Expr:
    """Return which share of the requests of each service each of its busiest users sends."""
    each = rate(USER_REQUESTS, by=_USER, where=_KNOWN, over=over)
    every = rate(USER_REQUESTS, by=["job"], over=over)
    return written(f"{each.text} / on (job) group_left () {every.text}", "1", USER_REQUESTS)


FLOODS = Alert(
    name="OneUserFloods",
    # Until he has a series of his own he is one of the others: a longer window remembers that.
    expr=(_share("2m") > FLOODING_SHARE).and_on(
        rate(USER_REQUESTS, by=_USER, where=_KNOWN, over="1m") > _FLOODING_RATE, *_USER
    ),
    lasts="2m",
    severity="warning",
    summary="One user floods {{ $labels.job }}.",
    description="User {{ $labels.user_hash }}{{ with $labels.user_group }} ({{ . }}){{ end }} sent "
    "{{ $value | humanizePercentage }} of the requests of the last 2 minutes, and goes on with "
    "more than 10 a second.",
    meaning=Text(
        "One user sends more than half of all requests whose user is known, and more than ten a "
        "second. Somebody who works alone at night sends all of them, but few.",
        "Один пользователь шлёт больше половины всех запросов, пользователь которых известен, "
        "и больше десяти в секунду. Кто работает один ночью, шлёт их все, но их мало.",
    ),
    impact=Text(
        "He takes the place of all others: their requests get slower, and may soon fail.",
        "Он занимает место остальных: их запросы замедляются, а скоро могут и падать.",
    ),
    diagnosis=Text(
        "See which routes rose with him. The same request over and over is a client that tries "
        "again without a pause; page after page is somebody who collects our data. Traces of his "
        "requests have the attribute user.hash. Whose pseudonym it is finds out who has the key: "
        "it is HMAC-SHA256 of the id, its first 16 hexadecimal digits.",
        "Посмотрите, какие маршруты выросли вместе с ним. Один и тот же запрос снова и снова шлёт "
        "клиент, который повторяет попытки без паузы; страницу за страницей читает тот, кто "
        "собирает наши данные. У трасс его запросов есть атрибут user.hash. Чей это псевдоним, "
        "узнает тот, у кого есть ключ: это HMAC-SHA256 от идентификатора, первые 16 "
        "шестнадцатеричных цифр.",
    ),
    queries=(
        Query(rate(USER_REQUESTS, by=_USER, over="5m"), "{{job}} {{user_hash}} {{user_group}}"),
        Query(
            rate(REQUEST_DURATION, by=["job", "http.request.method", "http.route"], over="5m"),
            "{{job}} {{http_request_method}} {{http_route}}",
        ),
        Query(quantile(0.95, REQUEST_DURATION, by=["job"], over="5m"), "{{job}} p95"),
    ),
    mitigation=Text(
        "Limit how often one user may ask, or lock him out until he was talked to. If it is our "
        "own client, give it pauses that grow.",
        "Ограничьте, как часто один пользователь может обращаться, или закройте ему доступ, пока "
        "с ним не поговорят. Если это наш клиент, научите его делать растущие паузы.",
    ),
)

ALERTS = (FLOODS,)
