# SPDX-License-Identifier: Apache-2.0
"""
RabbitMQ whose metrics page cannot be scraped: what the Collector reads from its management API.

Names, rules and panels are those of `otel_setup.catalogue.rabbitmq`; use this component in place
of that one, without its scrape jobs. What the API does not tell is left out: redeliveries, dead
letters by reason, messages without a queue, refused logins, CPU.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.alerts import queues as queue_alerts
from otel_setup.catalogue.alerts import rabbitmq as broker_alerts
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Source, Text
from otel_setup.catalogue.promql import Expr, latest, written
from otel_setup.catalogue.scraped import broker, queues
from otel_setup.catalogue.whole import Component

__all__ = ["ALERTS", "COMPONENT", "METRICS", "component"]

_UNTOLD = {queues.REDELIVERED_CHANNEL, queues.REDELIVERED_QUEUE, queues.MESSAGES_REDELIVERED}

METRICS = (
    *(metric for metric in queues.METRICS if metric not in _UNTOLD),
    *(broker.MEMORY, broker.MEMORY_LIMIT, broker.DISK, broker.DISK_LIMIT),
    *(broker.ALARM_MEMORY, broker.ALARM_DISK),
    *(broker.CONNECTIONS_OPENED, broker.CONNECTIONS_CLOSED, broker.CHANNELS_CLOSED),
)

#: The API is asked every 5 seconds; so long it may be slow.
_SILENT_SECONDS, _DAY_SECONDS = 45, 24 * 60 * 60


def _silence() -> Expr:
    """Return how long the broker has been silent; a day, if it was not heard in the last one."""
    heard = broker.MEMORY_LIMIT.name
    return written(
        f"(time() - max(max_over_time(timestamp({heard})[1d:1m])) > {_SILENT_SECONDS}"
        f" or {_DAY_SECONDS} * absent_over_time({heard}[1d]))"
        # The subquery looks at full minutes only: what came since ends the silence at once.
        f" unless on () time() - max(timestamp({heard})) <= {_SILENT_SECONDS}",
        "s",
        broker.MEMORY_LIMIT,
    )


_DOWN = replace(
    broker_alerts.DOWN,
    expr=_silence(),
    summary="RabbitMQ gives no data.",
    description="The Collector has heard nothing from its management API for "
    "{{ $value | humanizeDuration }}.",
    meaning=Text(
        f"The Collector could not read the management API of the broker for {_SILENT_SECONDS} "
        "seconds and more. Either the broker is down, or the Collector cannot log in.",
        f"Collector уже больше {_SILENT_SECONDS} секунд не может прочитать API управления "
        "брокера. Либо брокер не работает, либо Collector не может войти.",
    ),
    diagnosis=Text(
        "Does AMQP answer, do services publish? Then it is the way of the Collector: its log has "
        "a line of the receiver rabbitmq with the reason, such as 401 for a wrong password. If "
        "all else is silent too, it is the Collector itself.",
        "Отвечает ли AMQP, публикуют ли сервисы? Тогда дело в пути Collector: в его журнале есть "
        "строка приёмника rabbitmq с причиной, например 401 при неверном пароле. Если молчит и "
        "всё остальное, дело в самом Collector.",
    ),
    queries=(Query(latest(broker.MEMORY_LIMIT), "{{instance}}"),),
    mitigation=Text(
        "Start the broker, or ask whoever runs it. For the login set the Collector's "
        "OTELCOL_RABBITMQ_ENDPOINT, _USER and _PASSWORD; the user needs the tag monitoring.",
        "Запустите брокер или обратитесь к тому, кто его обслуживает. Для входа задайте Collector "
        "переменные OTELCOL_RABBITMQ_ENDPOINT, _USER и _PASSWORD; пользователю нужен тег "
        "monitoring.",
    ),
)


def _readable(alert: Alert) -> Alert:
    """Return *alert* without queries about what the API does not tell."""
    known = {metric.name for metric in METRICS}
    return replace(alert, queries=tuple(q for q in alert.queries if q.expr.metrics <= known))


ALERTS = tuple(
    map(
        _readable,
        (
            _DOWN,
            broker_alerts.ALARM,
            broker_alerts.MEMORY_NEAR_LIMIT,
            broker_alerts.DISK_NEAR_LIMIT,
            broker_alerts.FLAP,
            *queue_alerts.ALERTS,
        ),
    )
)


def component(*, owner: str = "platform", dashboard: str = "rabbitmq") -> Component:
    """Return the component whose alerts go to *owner* and lead to *dashboard*."""
    return Component(
        name="rabbitmq",
        title=Text("RabbitMQ", "RabbitMQ"),
        owner=owner,
        source=Source.RECEIVER,
        metrics=METRICS,
        alerts=tuple(replace(alert, dashboard=dashboard) for alert in ALERTS),
    )


COMPONENT = component()
