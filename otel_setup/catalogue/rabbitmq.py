# SPDX-License-Identifier: Apache-2.0
"""
RabbitMQ: panels about the broker and its queues, and how Prometheus scrapes it.

What a panel shows is named alike for every version of the broker from 3.10 on; see
`otel_setup.catalogue.scraped.queues`.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerts import queues as queue_alerts
from otel_setup.catalogue.alerts import rabbitmq as broker_alerts
from otel_setup.catalogue.alerts.queues import LAG
from otel_setup.catalogue.alerts.rabbitmq import JOB
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.broker_panels import (
    alarms,
    channels_closed,
    churn,
    connections,
    cpu,
    disk,
    logins_failed,
    memory,
)
from otel_setup.catalogue.model import Recorded, Source, Text
from otel_setup.catalogue.promql import latest
from otel_setup.catalogue.scraped import broker, queues
from otel_setup.catalogue.scraped.queues import of_queues
from otel_setup.catalogue.whole import Component, Scrape

__all__ = [
    "ALERTS",
    "COMPONENT",
    "FAMILIES",
    "METRICS",
    "SCRAPES",
    "acked",
    "alarms",
    "channels_closed",
    "churn",
    "component",
    "connections",
    "consumers",
    "cpu",
    "dead_lettered",
    "dead_letters",
    "delivered",
    "depth",
    "disk",
    "drain",
    "logins_failed",
    "memory",
    "pace",
    "published",
    "published_yesterday",
    "redelivered",
    "unacked",
    "unroutable",
]

METRICS = (*queues.METRICS, *broker.METRICS)
ALERTS = (*broker_alerts.ALERTS, *queue_alerts.ALERTS)

#: A broker passes over families that it does not know, so one list serves all versions.
FAMILIES = (
    *("queue_coarse_metrics", "queue_consumer_count"),
    *("channel_queue_metrics", "channel_queue_exchange_metrics"),  # RabbitMQ 3
    *("queue_delivery_metrics", "queue_exchange_metrics"),  # RabbitMQ 4
)

SCRAPES = (
    Scrape(job=JOB, says="The broker as a whole: rates, connections, memory, alarms."),
    Scrape(
        job=f"{JOB}-detailed",
        says="The broker queue by queue. A job of its own, since the names of the pages overlap.",
        path="/metrics/detailed",
        params={"family": FAMILIES},
        targets=JOB,
    ),
)

_QUEUE = "{{queue}}"


def _by_queue(metric: Recorded) -> tuple[Query, ...]:
    return (Query(of_queues(metric), _QUEUE),)


def published(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much is published into each queue."""
    return Panel(
        title=Text("Published by queue", "Публикации по очередям"),
        queries=_by_queue(queues.MESSAGES_PUBLISHED),
        why=Text(
            "Which part of the system went quiet, or floods the others.",
            "Какая часть системы замолчала или заливает остальные.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def published_yesterday(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much publishers send, now and at the same time yesterday."""
    now = latest(broker.MESSAGES_RECEIVED)
    return Panel(
        title=Text("Do we publish less than yesterday?", "Публикуем ли меньше, чем вчера?"),
        queries=(Query(now, "now"), Query(now.offset("1d"), "yesterday")),
        why=Text(
            "A business that stops makes no errors: only the comparison shows it.",
            "Остановившийся бизнес ошибок не даёт: это видно только в сравнении.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("yesterday there was nothing yet", "вчера ещё ничего не было"),
    )


def delivered(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much the consumers of each queue get."""
    return Panel(
        title=Text("Delivered by queue", "Доставки по очередям"),
        queries=_by_queue(queues.MESSAGES_DELIVERED),
        why=Text(
            "A queue that publishes and does not deliver has a deaf consumer, or none.",
            "Если публикации есть, а доставок нет, потребитель глух или его нет.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def pace(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return what goes into all queues and what is done, side by side."""
    return Panel(
        title=Text("Do consumers keep up?", "Успевают ли потребители?"),
        queries=(
            Query(latest(queues.MESSAGES_PUBLISHED, fold="sum"), "published"),
            Query(latest(queues.MESSAGES_DELIVERED, fold="sum"), "delivered"),
            Query(latest(queues.MESSAGES_ACKED, fold="sum"), "acknowledged"),
        ),
        why=Text(
            "While the lines lie upon each other all is done as it comes; a gap becomes a lag.",
            "Пока линии совпадают, всё делается по мере поступления; зазор станет отставанием.",
        ),
        rows=rows,
        leads_to=leads_to,
    )


def acked(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much the consumers of each queue get done."""
    return Panel(
        title=Text("Acknowledged by queue", "Подтверждения по очередям"),
        queries=_by_queue(queues.MESSAGES_ACKED),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def redelivered(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much is given out not for the first time."""
    return Panel(
        title=Text("Redelivered by queue", "Повторные выдачи по очередям"),
        queries=_by_queue(queues.MESSAGES_REDELIVERED),
        rows=rows,
        leads_to=leads_to,
    )


def depth(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many messages lie in each queue, waiting or held by a consumer."""
    return Panel(
        title=Text("Is a lag building up?", "Копится ли отставание?"),
        queries=(Query(of_queues(queues.READY) + of_queues(queues.UNACKED), _QUEUE),),
        why=Text(
            "All messages of a queue, waiting and in work. A line that rises is a lag.",
            "Все сообщения очереди, ждущие и взятые в работу. Растущая линия означает отставание.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(LAG, "warning"),),
    )


def unacked(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many messages consumers hold."""
    return Panel(
        title=Text("Messages in flight (unacked)", "Сообщения в работе (unacked)"),
        queries=(Query(of_queues(queues.UNACKED), _QUEUE),),
        rows=rows,
        leads_to=leads_to,
    )


def drain(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long it takes to empty each queue at its present pace."""
    return Panel(
        title=Text("When will the queues be empty?", "Когда очереди опустеют?"),
        queries=_by_queue(queues.DRAIN_TIME),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("no consumer acknowledged anything", "никто ничего не подтвердил"),
    )


def consumers(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many consumers each queue has."""
    return Panel(
        title=Text("Consumers by queue", "Потребители по очередям"),
        queries=(Query(of_queues(queues.CONSUMERS), _QUEUE),),
        rows=rows,
        leads_to=leads_to,
    )


def unroutable(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many messages of the last five minutes matched no queue."""
    return Panel(
        title=Text("Messages without a queue (5 min)", "Сообщения без очереди (5 мин)"),
        queries=(Query(latest(broker.UNROUTABLE), "{{outcome}}"),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1),),
    )


def dead_lettered(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many messages died in the last five minutes, and why."""
    return Panel(
        title=Text("What died, and why? (5 min)", "Что погибло и отчего? (5 мин)"),
        queries=(Query(latest(broker.DEAD_LETTERED), "{{reason}}, {{dead_letter_strategy}}"),),
        why=Text(
            "By reason and by what became of it. Disabled means: no dead-letter exchange, lost.",
            "По причине и дальнейшей судьбе. Disabled: обменника погибших нет, сообщение потеряно.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1),),
    )


def dead_letters(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many dead letters wait for a person."""
    waiting = of_queues(queues.READY, queue=f"~{queue_alerts.DEAD_LETTERS}")
    return Panel(
        title=Text("Dead letters that wait", "Погибшие сообщения, ждущие разбора"),
        queries=(Query(waiting, _QUEUE),),
        why=Text(
            "Each is something that still has to be done; the queue is empty on a good day.",
            "Каждое из них — то, что ещё нужно сделать; в хороший день очередь пуста.",
        ),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(1, "warning"),),
    )


def component(*, owner: str = "platform", dashboard: str = "rabbitmq") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="rabbitmq",
        title=Text("RabbitMQ", "RabbitMQ"),
        owner=owner,
        source=Source.BROKER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
        scraped=tuple(scrape.job for scrape in SCRAPES),
    )


COMPONENT = component()
