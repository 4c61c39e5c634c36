# SPDX-License-Identifier: Apache-2.0
"""The alert about calls of other services: they fail."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.http_client import REQUEST_DURATION
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, quantile, rate

#: From this share of failures on; with fewer of them, chance decides.
FAILING_SHARE, _LEAST_FAILED = 0.1, 5

_CALL = ("job", "server.address")
#: An answer of 5xx, or none. What is 4xx may be an answer that the caller expects.
FAILED = {"error.type": "~5..|[A-Za-z_].*"}


def _failing_share(over: str) -> Expr:
    failed = rate(REQUEST_DURATION, by=_CALL, where=FAILED, over=over)
    return failed / rate(REQUEST_DURATION, by=_CALL, over=over)


FAIL = Alert(
    name="CallsFail",
    # The short window says that it still goes on; see ServiceFailsRequests.
    expr=(_failing_share("5m") > FAILING_SHARE)
    .and_on(_failing_share("1m") > FAILING_SHARE, *_CALL)
    .and_on(increase(REQUEST_DURATION, by=_CALL, where=FAILED, over="5m") >= _LEAST_FAILED, *_CALL),
    lasts="90s",
    severity="warning",
    summary="Calls from {{ $labels.job }} to {{ $labels.server_address }} fail.",
    description="{{ $value | humanizePercentage }} of the calls of the last 5 minutes got no "
    "answer, or one of 5xx, and it goes on.",
    meaning=Text(
        "More than a tenth of the calls that a service makes to one host get no answer or a 5xx, "
        "at least five of them in five minutes, and it goes on.",
        "Больше десятой части вызовов одного узла остаются без ответа или получают 5xx, таких не "
        "меньше пяти за пять минут, и это продолжается.",
    ),
    impact=Text(
        "What the service needs from there is missing: its own users may see errors, or wait for "
        "time-outs.",
        "Сервису не хватает того, что он там берёт: его собственные пользователи могут видеть "
        "ошибки или ждать тайм-аутов.",
    ),
    diagnosis=Text(
        "The error's type says whose turn it is. A status: the other service answers, so look at "
        "its own panels. A refused connection: it does not run, or the address is wrong. A "
        "time-out: it hangs, or the network does. Open a trace from below and see what it cost.",
        "Тип ошибки подскажет, где искать. Код ответа: тот сервис отвечает, смотрите его панели. "
        "Отказ в соединении: он не запущен или адрес неверен. Тайм-аут: завис он или сеть. "
        "Откройте трассу по ссылке ниже и посмотрите, чего это стоило.",
    ),
    queries=(
        Query(
            rate(REQUEST_DURATION, by=(*_CALL, "error.type"), where=FAILED, over="5m"),
            "{{job}} → {{server_address}} {{error_type}}",
        ),
        Query(
            quantile(0.95, REQUEST_DURATION, by=_CALL, over="5m"), "{{job}} → {{server_address}}"
        ),
    ),
    mitigation=Text(
        "Restore what is called, or correct the address. Until then shorten time-outs, so that "
        "users get an error soon instead of waiting for it.",
        "Восстановите того, кого вызывают, или исправьте адрес. До тех пор укоротите тайм-ауты: "
        "пусть пользователи получат ошибку сразу, а не после ожидания.",
    ),
)

ALERTS = (FAIL,)
