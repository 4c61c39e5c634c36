# SPDX-License-Identifier: Apache-2.0
"""
Messages as their consumers see them: panels about the wait, the work, and what became of them.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from otel_setup.catalogue.alerts.messaging import FAILED, FIRST, HELD_SECONDS, WAIT_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.messaging import (
    CLOCK_SKEWS,
    CONSUMED,
    CONSUMER_LOSSES,
    CONSUMERS,
    INVALID_CONTEXTS,
    PREFETCH,
    PROCESS_DURATION,
    QUEUE_DURATION,
    REDELIVERED,
    SETTLED,
    UNSETTLED,
    UNSETTLED_AGE,
)
from otel_setup.catalogue.jobs import alive, of
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, quantile, rate

_QUEUE = "messaging.rabbitmq.queue.name"
_LEGEND = "{{messaging_rabbitmq_queue_name}}"

#: Why a panel of any service may be empty.
NO_MESSAGES = Text("the service takes no messages", "сервис не получает сообщений")


def consumed(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages consumers get, by queue."""
    return Panel(
        title=title or Text("Messages that consumers get", "Сообщения, полученные потребителями"),
        queries=(Query(rate(CONSUMED, by=[_QUEUE], where=of(jobs)), _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=NO_MESSAGES,
    )


def waits(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long messages wait in each queue until a consumer begins with them."""
    chosen = of(jobs, **FIRST)
    return Panel(
        title=title
        or Text("How long do messages wait in the queue?", "Сколько сообщения ждут в очереди?"),
        queries=tuple(
            Query(
                quantile(share, QUEUE_DURATION, by=[_QUEUE], where=chosen),
                f"{_LEGEND} p{share * 100:g}",
            )
            for share in (0.5, 0.95, 0.99)
        ),
        why=Text(
            "From publishing until a consumer begins, for messages that come for the first time; "
            "points lead to traces.",
            "От публикации до начала обработки, для сообщений, пришедших впервые; точки ведут к "
            "трассам.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(WAIT_SECONDS, "warning"),),
        may_be_empty=NO_MESSAGES,
    )


def processing(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long consumers work on a message of each queue: median and p95."""
    return Panel(
        title=title or Text("How long does one message take?", "Сколько занимает одно сообщение?"),
        queries=tuple(
            Query(
                quantile(share, PROCESS_DURATION, by=[_QUEUE], where=of(jobs)),
                f"{_LEGEND} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        why=Text(
            "The work alone, without the wait. One consumer gets done in a second what fits into "
            "it: if messages take longer, fewer are done and the queue grows.",
            "Сама работа, без ожидания. За секунду потребитель успевает столько, сколько в неё "
            "помещается: сообщения стали дольше — сделано меньше, и очередь растёт.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def failing(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages fail, by queue and why: an exception, reject or requeue."""
    return Panel(
        title=title or Text("Which messages fail, and why?", "Какие сообщения падают и почему?"),
        queries=(
            Query(
                rate(PROCESS_DURATION, by=[_QUEUE, "error.type"], where=of(jobs, **FAILED)),
                f"{_LEGEND} {{{{error_type}}}}",
            ),
        ),
        why=Text(
            "The class of the exception; reject and requeue are messages that were turned down "
            "without one.",
            "Класс исключения; reject и requeue — отказ от сообщения без исключения.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=Text("no message failed", "ни одно сообщение не упало"),
    )


def settled(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return what became of messages, by queue: done, given up, or sent back."""
    outcome = "messaging.rabbitmq.settlement"
    return Panel(
        title=title or Text("What became of the messages?", "Что стало с сообщениями?"),
        queries=(
            Query(
                rate(SETTLED, by=[_QUEUE, outcome], where=of(jobs)),
                f"{_LEGEND} {{{{messaging_rabbitmq_settlement}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def redelivered(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages consumers get that were delivered before, by queue."""
    return Panel(
        title=title or Text("Messages that come once more", "Сообщения, пришедшие не в первый раз"),
        queries=(Query(rate(REDELIVERED, by=[_QUEUE], where=of(jobs)), _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def in_hand(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages consumers hold, and how many they may hold, by queue."""
    return Panel(
        title=title or Text("Held, of what may be held", "В работе и сколько разрешено"),
        queries=(
            Query(alive(UNSETTLED, by=[_QUEUE], where=of(jobs)), f"{_LEGEND} held"),
            Query(alive(PREFETCH, by=[_QUEUE], where=of(jobs)), f"{_LEGEND} may be held"),
        ),
        why=Text(
            "As many held as may be: the consumer is the bottleneck, not the broker. The second "
            "line is missing where no prefetch is set.",
            "Держит столько, сколько можно, — узкое место потребитель, а не брокер. Если prefetch "
            "не задан, второй линии нет.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def held(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long the oldest message of each queue is held without being settled."""
    oldest = alive(UNSETTLED_AGE, by=["job", _QUEUE], where=of(jobs), fold="max")
    return Panel(
        title=title
        or Text("For how long is a message held?", "Как долго держат самое старое сообщение?"),
        queries=(Query(oldest, f"{{{{job}}}} {_LEGEND}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(HELD_SECONDS, "warning"),),
        may_be_empty=NO_MESSAGES,
    )


def consumers(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many consumers of each queue listen, and how many went deaf."""
    state = "messaging.rabbitmq.consumer.state"
    return Panel(
        title=title or Text("Who listens, who is deaf?", "Кто слушает, кто оглох?"),
        queries=(
            Query(
                alive(CONSUMERS, by=[_QUEUE, state], where=of(jobs)),
                f"{_LEGEND} {{{{messaging_rabbitmq_consumer_state}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def losses(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many consumers ended by no will of their own, by queue and reason."""
    reason = "messaging.rabbitmq.loss.reason"
    return Panel(
        title=title or Text("Consumers that were lost", "Прерванные потребители"),
        queries=(
            Query(
                increase(CONSUMER_LOSSES, by=[_QUEUE, reason], where=of(jobs)),
                f"{_LEGEND} {{{{messaging_rabbitmq_loss_reason}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def skews(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages bear a time that cannot be, by queue."""
    skew = "messaging.rabbitmq.clock.skew"
    return Panel(
        title=title or Text("Messages with a wrong time", "Сообщения с неверным временем"),
        queries=(
            Query(
                increase(CLOCK_SKEWS, by=[_QUEUE, skew], where=of(jobs)),
                f"{_LEGEND} {{{{messaging_rabbitmq_clock_skew}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )


def untraced(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many messages came with trace headers that are none, by queue."""
    return Panel(
        title=title or Text("Trace headers that are none", "Негодные заголовки трассы"),
        queries=(Query(increase(INVALID_CONTEXTS, by=[_QUEUE], where=of(jobs)), _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=NO_MESSAGES,
    )
