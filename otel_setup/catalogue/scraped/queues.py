# SPDX-License-Identifier: Apache-2.0
"""
RabbitMQ queue by queue, with equal names for every version of the broker.

RabbitMQ 3 counts what happens to a queue by the channel through which it happened, RabbitMQ 4
by the queue. Rules record both under one name; panels and alerts read only that. While a
broker gives both, the count by the queue is taken: it does not vanish with a channel.
collector/rabbitmq-management.yaml gives what the management API tells the names of RabbitMQ 4.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Recorded, Text
from otel_setup.catalogue.promql import Expr, latest, written

BY_QUEUE = ("queue", "vhost")

_QUEUE = {
    "queue": Label(Text("name of the queue", "имя очереди"), at_most=100),
    "vhost": Label(Text("virtual host of the broker", "виртуальный хост брокера"), at_most=5),
}
_CHANNEL = {
    "channel": Label(
        Text(
            "channel of a connection, a new one at each connect",
            "канал соединения, новый при каждом подключении",
        ),
        at_most=200,
    )
}
_EXCHANGE = {
    "exchange": Label(
        Text(
            "exchange that routed the message; empty is the default one",
            "обменник, который направил сообщение; пустой: обменник по умолчанию",
        ),
        at_most=50,
    )
}

_OLD = Text(
    "By channel: absent while no channel is open, and in versions of RabbitMQ that drop it.",
    "По каналам: отсутствует, пока нет открытых каналов, и в версиях RabbitMQ без этого счёта.",
)
_NEW = Text("By queue: RabbitMQ has it from 4.0 on.", "По очередям: есть в RabbitMQ начиная с 4.0.")

READY = Gauge(
    name="rabbitmq_detailed_queue_messages_ready",
    unit="{message}",
    description=Text(
        "Messages in a queue that wait for a consumer.",
        "Сообщения в очереди, которые ждут потребителя.",
    ),
    why=Text(
        "This is the lag: what was promised to somebody and is not begun.",
        "Это и есть отставание: то, что кому-то обещано и ещё не начато.",
    ),
    attributes=_QUEUE,
    method=Method.SATURATION,
)

UNACKED = Gauge(
    name="rabbitmq_detailed_queue_messages_unacked",
    unit="{message}",
    description=Text(
        "Messages that a consumer holds and has not acknowledged yet.",
        "Сообщения у потребителя, обработку которых он ещё не подтвердил.",
    ),
    why=Text(
        "If they stay and nothing is acknowledged, the consumer is stuck.",
        "Если они не уходят, а подтверждений нет, потребитель завис.",
    ),
    attributes=_QUEUE,
    method=Method.SATURATION,
)

CONSUMERS = Gauge(
    name="rabbitmq_detailed_queue_consumers",
    unit="{consumer}",
    description=Text("Consumers of a queue.", "Потребители очереди."),
    why=Text(
        "A consumer may vanish without any error: its process lives, its channel is closed.",
        "Потребитель может исчезнуть без единой ошибки: процесс жив, а канал закрыт.",
    ),
    attributes=_QUEUE,
    method=Method.UTILIZATION,
)


def _pair(event: str, en: str, ru: str, why: Text, no_alert: str = "") -> tuple[Counter, Counter]:
    """Return the two counters of *event*: by channel and by queue."""
    return (
        Counter(
            name=f"rabbitmq_detailed_channel_messages_{event}_total",
            unit="{message}",
            description=Text(f"{en}, counted by channel.", f"{ru}, счёт по каналам."),
            why=why,
            attributes={**_QUEUE, **_CHANNEL},
            method=Method.RATE,
            rare=_OLD,
            no_alert=no_alert,
        ),
        Counter(
            name=f"rabbitmq_detailed_queue_messages_{event}_total",
            unit="{message}",
            description=Text(f"{en}, counted by queue.", f"{ru}, счёт по очередям."),
            why=why,
            attributes=_QUEUE,
            method=Method.RATE,
            rare=_NEW,
            no_alert=no_alert,
        ),
    )


_WHY_DELIVERED = Text(
    "Says whether consumers get anything at all.",
    "Показывает, получают ли потребители хоть что-то.",
)
_WHY_ACKED = Text(
    "Only an acknowledged message is done.", "Сделано только то сообщение, которое подтвердили."
)
_WHY_REDELIVERED = Text(
    "A message that comes again and again fails again and again, or its consumer dies with it.",
    "Сообщение, которое приходит снова и снова, снова и снова падает или роняет потребителя.",
)
_WHY_PUBLISHED = Text(
    "Says which part of the system went quiet or floods the others.",
    "Показывает, какая часть системы замолчала или заливает остальные.",
)

_NO_ALERT_REDELIVERED = Text(
    "Retries are normal. A message that fails for good is dead-lettered, and that alerts.",
    "Повторы нормальны. Сообщение, которое не прошло совсем, погибает, и об этом есть алерт.",
)
_NO_ALERT_PUBLISHED = Text(
    "How much is normal depends on the business, so alerts about too few orders stand there.",
    "Сколько нормально, зависит от бизнеса: алерты о нехватке заказов стоят в его разделе.",
)

DELIVERED_CHANNEL, DELIVERED_QUEUE = _pair(
    "delivered_ack",
    "Messages given to consumers that acknowledge them",
    "Сообщения, отданные потребителям с подтверждением",
    _WHY_DELIVERED,
)
DELIVERED_AUTO_CHANNEL, DELIVERED_AUTO_QUEUE = _pair(
    "delivered",
    "Messages given to consumers that do not acknowledge them",
    "Сообщения, отданные потребителям без подтверждения",
    _WHY_DELIVERED,
)
ACKED_CHANNEL, ACKED_QUEUE = _pair(
    "acked",
    "Messages that consumers acknowledged",
    "Сообщения, подтверждённые потребителями",
    _WHY_ACKED,
)
REDELIVERED_CHANNEL, REDELIVERED_QUEUE = _pair(
    "redelivered",
    "Messages given to a consumer not for the first time",
    "Сообщения, отданные потребителю не в первый раз",
    _WHY_REDELIVERED,
    _NO_ALERT_REDELIVERED,
)

PUBLISHED_CHANNEL = Counter(
    name="rabbitmq_detailed_queue_messages_published_total",
    unit="{message}",
    description=Text(
        "Messages published into a queue, counted by channel.",
        "Сообщения, опубликованные в очередь, счёт по каналам.",
    ),
    why=_WHY_PUBLISHED,
    attributes={
        "queue": _QUEUE["queue"],
        "queue_vhost": _QUEUE["vhost"],
        "exchange_vhost": _QUEUE["vhost"],
        **_CHANNEL,
        **_EXCHANGE,
    },
    method=Method.RATE,
    rare=_OLD,
    no_alert=_NO_ALERT_PUBLISHED,
)
PUBLISHED_QUEUE = Counter(
    name="rabbitmq_detailed_queue_exchange_messages_published_total",
    unit="{message}",
    description=Text(
        "Messages published into a queue, counted by exchange and queue.",
        "Сообщения, опубликованные в очередь, счёт по обменникам и очередям.",
    ),
    why=_WHY_PUBLISHED,
    attributes={**_QUEUE, **_EXCHANGE},
    method=Method.RATE,
    rare=_NEW,
    no_alert=_NO_ALERT_PUBLISHED,
)

_BY = "sum by (queue, vhost)"


def _rate(*counters: Counter) -> str:
    return " + ".join(f"{_BY} (rate({counter.name}[1m]))" for counter in counters)


def _either(*choices: tuple[Counter, ...]) -> Expr:
    """Return the rate of the first of *choices* whose counters a queue has, all together."""
    text = " or ".join(
        f"({_rate(*counters)})" if len(counters) > 1 else _rate(*counters) for counters in choices
    )
    return written(text, "{message}/s", *(each for counters in choices for each in counters))


MESSAGES_PUBLISHED = Recording(
    name="queue:messages_published:rate1m",
    unit="{message}/s",
    description=Text(
        "Messages published into a queue, each second of the last minute.",
        "Сообщения, публикуемые в очередь, в секунду за последнюю минуту.",
    ),
    why=_WHY_PUBLISHED,
    attributes=_QUEUE,
    method=Method.RATE,
    # Joining one label copies it. By channel also queues are counted that do not exist.
    expr=written(
        f"{_rate(PUBLISHED_QUEUE)} or "
        f'{_BY} (label_join(rate({PUBLISHED_CHANNEL.name}[1m]), "vhost", "", "queue_vhost")) '
        f"and on (queue, vhost) {READY.name}",
        "{message}/s",
        PUBLISHED_QUEUE,
        PUBLISHED_CHANNEL,
        READY,
    ),
    no_alert=_NO_ALERT_PUBLISHED,
)

MESSAGES_DELIVERED = Recording(
    name="queue:messages_delivered:rate1m",
    unit="{message}/s",
    description=Text(
        "Messages given to the consumers of a queue, each second of the last minute.",
        "Сообщения, отдаваемые потребителям очереди, в секунду за последнюю минуту.",
    ),
    why=_WHY_DELIVERED,
    attributes=_QUEUE,
    method=Method.RATE,
    # The management API tells only of consumers that acknowledge.
    expr=_either(
        (DELIVERED_QUEUE, DELIVERED_AUTO_QUEUE),
        (DELIVERED_QUEUE,),
        (DELIVERED_CHANNEL, DELIVERED_AUTO_CHANNEL),
    ),
)

MESSAGES_ACKED = Recording(
    name="queue:messages_acked:rate1m",
    unit="{message}/s",
    description=Text(
        "Messages that the consumers of a queue acknowledge, each second of the last minute.",
        "Сообщения, подтверждаемые потребителями очереди, в секунду за последнюю минуту.",
    ),
    why=_WHY_ACKED,
    attributes=_QUEUE,
    method=Method.RATE,
    expr=_either((ACKED_QUEUE,), (ACKED_CHANNEL,)),
)

MESSAGES_REDELIVERED = Recording(
    name="queue:messages_redelivered:rate1m",
    unit="{message}/s",
    description=Text(
        "Messages given out not for the first time, each second of the last minute.",
        "Сообщения, отдаваемые не в первый раз, в секунду за последнюю минуту.",
    ),
    why=_WHY_REDELIVERED,
    attributes=_QUEUE,
    method=Method.ERRORS,
    expr=_either((REDELIVERED_QUEUE,), (REDELIVERED_CHANNEL,)),
    no_alert=_NO_ALERT_REDELIVERED,
)

DRAIN_TIME = Recording(
    name="queue:messages_ready:drain_seconds",
    unit="s",
    description=Text(
        "How long the waiting messages of a queue take at the pace of the last minute.",
        "За сколько разойдутся ожидающие сообщения очереди при темпе последней минуты.",
    ),
    why=Text(
        "A thousand messages are a second of work or a day of it: the time says what to do.",
        "Тысяча сообщений может быть секундой работы или целым днём: решает время.",
    ),
    attributes=_QUEUE,
    method=Method.SATURATION,
    expr=written(f"{_BY} ({READY.name}) / ({MESSAGES_ACKED.name} > 0)", "s", READY, MESSAGES_ACKED),
    rare=Text("Absent while nothing is acknowledged.", "Отсутствует, пока ничего не подтверждают."),
)

METRICS = (
    READY,
    UNACKED,
    CONSUMERS,
    *(PUBLISHED_CHANNEL, PUBLISHED_QUEUE),
    *(DELIVERED_CHANNEL, DELIVERED_QUEUE, DELIVERED_AUTO_CHANNEL, DELIVERED_AUTO_QUEUE),
    *(ACKED_CHANNEL, ACKED_QUEUE),
    *(REDELIVERED_CHANNEL, REDELIVERED_QUEUE),
    MESSAGES_PUBLISHED,
    MESSAGES_DELIVERED,
    MESSAGES_ACKED,
    MESSAGES_REDELIVERED,
    DRAIN_TIME,
)


def of_queues(metric: Gauge | Recorded, **where: str) -> Expr:
    """Return the present value of *metric* by queue, put together over the nodes of a cluster."""
    return latest(metric, by=BY_QUEUE, where=where, fold="sum")
