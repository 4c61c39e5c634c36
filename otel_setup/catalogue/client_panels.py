# SPDX-License-Identifier: Apache-2.0
"""
Clients of RabbitMQ: panels about what they publish, and about their connections.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from otel_setup.catalogue.alerts.messaging_clients import BLOCKED, FAILED, UNCONFIRMED_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.messaging import (
    BLOCKED_TIME,
    CONFIRM_DURATION,
    CONNECTION_CLOSES,
    CONNECTION_OPENS,
    CONNECTIONS,
    CONNECTIONS_BLOCKED,
    OPERATION_DURATION,
    SENT,
    UNCONFIRMED,
    UNCONFIRMED_AGE,
)
from otel_setup.catalogue.jobs import alive, of
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import highest, increase, quantile, rate

_JOB = ["job"]
_DESTINATION = "messaging.destination.name"
_LEGEND = "{{messaging_destination_name}}"
_NO_CLIENT = Text("the service uses no RabbitMQ", "сервис не использует RabbitMQ")
_NOTHING_SENT = Text("the service sends no messages", "сервис не отправляет сообщений")
_NO_CONFIRMS = Text("nothing is published with confirms", "публикаций с подтверждением не было")


def sent(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages are published, the ten most frequent destinations."""
    return Panel(
        title=title or Text("What is published?", "Что публикуют?"),
        queries=(Query(highest(10, rate(SENT, by=[_DESTINATION], where=of(jobs))), _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NOTHING_SENT,
    )


def refused(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which messages the broker did not take, and why."""
    failed = rate(SENT, by=[_DESTINATION, "error.type"], where=of(jobs, **FAILED))
    return Panel(
        title=title or Text("What was not taken, and why?", "Чего брокер не взял и почему?"),
        queries=(Query(failed, f"{_LEGEND} {{{{error_type}}}}"),),
        why=Text(
            "returned: no queue wanted it; nack: the broker could not; lost: nobody knows; all "
            "else are exceptions of the client.",
            "returned: не нужно ни одной очереди; nack: брокер не смог; lost: судьба неизвестна; "
            "остальное — исключения клиента.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=Text("everything was taken", "брокер взял всё"),
    )


def operations(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long the broker takes for what clients ask of it: p95 by operation."""
    name = "messaging.operation.name"
    return Panel(
        title=title or Text("Is the broker slow (p95)?", "Медленный ли брокер (p95)?"),
        queries=(
            Query(
                quantile(0.95, OPERATION_DURATION, by=[name], where=of(jobs)),
                "{{messaging_operation_name}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CLIENT,
    )


def confirm_time(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long publishers wait until the broker has stored a message."""
    stored = of(jobs, **{"messaging.rabbitmq.confirmation": "ack"})
    return Panel(
        title=title or Text("How long until it is stored?", "Через сколько оно сохранено?"),
        queries=tuple(
            Query(quantile(share, CONFIRM_DURATION, where=stored), f"p{share * 100:g}")
            for share in (0.5, 0.95, 0.99)
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CONFIRMS,
    )


def confirms(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return what the broker answered publishers."""
    answer = "messaging.rabbitmq.confirmation"
    return Panel(
        title=title or Text("What did the broker answer?", "Что ответил брокер?"),
        queries=(
            Query(
                rate(CONFIRM_DURATION, by=[answer], where=of(jobs)),
                "{{messaging_rabbitmq_confirmation}}",
            ),
        ),
        why=Text(
            "Only ack is safe. lost is neither yes nor no: whoever published must do it again, "
            "and who consumes must bear it twice.",
            "Надёжно только ack. lost — ни да, ни нет: издатель должен повторить, а потребитель — "
            "выдержать повтор.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_CONFIRMS,
    )


def unconfirmed(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages wait for the broker's confirm, by service."""
    return Panel(
        title=title or Text("Messages without a confirm yet", "Ждут подтверждения брокера"),
        queries=(Query(alive(UNCONFIRMED, by=_JOB, where=of(jobs)), "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CONFIRMS,
    )


def unconfirmed_age(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long the oldest message waits for the broker's confirm, by service."""
    oldest = alive(UNCONFIRMED_AGE, by=_JOB, where=of(jobs), fold="max")
    return Panel(
        title=title or Text("Longest wait for a confirm", "Самое долгое ожидание ответа"),
        queries=(Query(oldest, "{{job}}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(UNCONFIRMED_SECONDS),),
        may_be_empty=_NO_CONFIRMS,
    )


def connected(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many connections services have open, and how many of them are blocked."""
    return Panel(
        title=title or Text("Connections of services", "Соединения сервисов"),
        queries=(
            Query(alive(CONNECTIONS, by=_JOB, where=of(jobs)), "{{job}}"),
            Query(alive(CONNECTIONS_BLOCKED, by=_JOB, where=of(jobs)), "{{job}} blocked"),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CLIENT,
    )


def opened(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many connections services open, and why others could not be opened."""
    return Panel(
        title=title or Text("Can services connect?", "Могут ли сервисы подключиться?"),
        queries=(
            Query(
                increase(CONNECTION_OPENS, by=["job", "error.type"], where=of(jobs)),
                "{{job}} {{error_type}}",
            ),
        ),
        why=Text(
            "Attempts of each service; with the class of the exception those that failed, of "
            "which the broker knows nothing.",
            "Попытки каждого сервиса; с классом исключения — неудачные, о которых брокер ничего "
            "не знает.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CLIENT,
    )


def closed(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many connections ended, by service and reason."""
    reason = "messaging.rabbitmq.close.reason"
    return Panel(
        title=title or Text("Why do connections end?", "Почему закрываются соединения?"),
        queries=(
            Query(
                increase(CONNECTION_CLOSES, by=["job", reason], where=of(jobs)),
                "{{job}} {{messaging_rabbitmq_close_reason}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CLIENT,
    )


def blocked(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which share of the time each service is kept from publishing."""
    return Panel(
        title=title or Text("Is anybody kept from publishing?", "Не заблокирован ли кто-нибудь?"),
        queries=(Query(rate(BLOCKED_TIME, by=_JOB, where=of(jobs)), "{{job}}"),),
        why=Text(
            "The share of the time that the broker took no messages: 1 is always, more are "
            "several connections. Short blocks are seen too.",
            "Доля времени, когда брокер не принимал сообщений: 1 — всё время, больше — несколько "
            "соединений. Видны и короткие блокировки.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(BLOCKED),),
        may_be_empty=_NO_CLIENT,
    )
