# SPDX-License-Identifier: Apache-2.0
"""
RabbitMQ as a whole: what it took, refused and lost, its memory, disk and connections.

The names are those of 3.10 and later, proven on 3.10, 4.0 and 4.3; where they differ a rule
records both under one name.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text
from otel_setup.catalogue.promql import rate, written

_PROTOCOL = {
    "protocol": Label(
        Text("protocol of the publisher", "протокол того, кто публикует"),
        at_most=8,
    )
}

RECEIVED = Counter(
    name="rabbitmq_global_messages_received_total",
    unit="{message}",
    description=Text(
        "Messages that publishers sent to the broker.",
        "Сообщения, которые издатели отправили брокеру.",
    ),
    why=Text(
        "Compared with the same time yesterday it shows an outage that no error reports.",
        "Сравнение с тем же часом вчера показывает сбой, о котором не сообщает ни одна ошибка.",
    ),
    attributes=_PROTOCOL,
    method=Method.RATE,
    no_alert=Text(
        "How much is normal depends on the business, so alerts about too few orders stand there.",
        "Сколько нормально, зависит от бизнеса: алерты о нехватке заказов стоят в его разделе.",
    ),
)

UNROUTABLE_DROPPED = Counter(
    name="rabbitmq_global_messages_unroutable_dropped_total",
    unit="{message}",
    description=Text(
        "Messages that matched no queue and were thrown away.",
        "Сообщения, для которых не нашлось очереди и которые выброшены.",
    ),
    why=Text(
        "They are lost, and neither side gets an error.",
        "Они потеряны, и ни одна сторона не видит ошибки.",
    ),
    attributes=_PROTOCOL,
    method=Method.ERRORS,
)

UNROUTABLE_RETURNED = Counter(
    name="rabbitmq_global_messages_unroutable_returned_total",
    unit="{message}",
    description=Text(
        "Messages that matched no queue and were given back to the publisher.",
        "Сообщения, для которых не нашлось очереди и которые возвращены издателю.",
    ),
    why=Text(
        "A binding is missing. The publisher knows and has to keep the message.",
        "Нет нужной привязки. Издатель об этом знает и должен сохранить сообщение.",
    ),
    attributes=_PROTOCOL,
    method=Method.ERRORS,
)

_DEAD = {
    "queue_type": Label(
        Text("kind of the queue", "вид очереди"),
        values=("rabbit_classic_queue", "rabbit_quorum_queue", "rabbit_volatile_queue"),
    ),
    "dead_letter_strategy": Label(
        Text(
            "what happens to it: disabled means that it is lost",
            "что с ним станет: disabled означает, что оно потеряно",
        ),
        values=("at_least_once", "at_most_once", "disabled"),
    ),
}


def _dead(reason: str, en: str, ru: str) -> Counter:
    return Counter(
        name=f"rabbitmq_global_messages_dead_lettered_{reason}_total",
        unit="{message}",
        description=Text(f"Messages that died: {en}.", f"Погибшие сообщения: {ru}."),
        why=Text(
            "Each is something that was to be done and is not: an order, a notification.",
            "Каждое из них — что-то не сделанное: заказ или уведомление.",
        ),
        attributes=_DEAD,
        method=Method.ERRORS,
    )


DEAD_REJECTED = _dead("rejected", "a consumer refused them", "потребитель от них отказался")
DEAD_EXPIRED = _dead("expired", "nobody took them in time", "их не забрали вовремя")
DEAD_MAXLEN = _dead("maxlen", "their queue was full", "очередь была полна")
DEAD_LIMIT = _dead(
    "delivery_limit", "they were given out too often", "их отдавали слишком много раз"
)

_DEATHS = {
    "rejected": DEAD_REJECTED,
    "expired": DEAD_EXPIRED,
    "maxlen": DEAD_MAXLEN,
    "delivery_limit": DEAD_LIMIT,
}


def _named(label: str, counters: dict[str, Counter], by: str) -> str:
    """Return the increase of *counters*, whose keys become the values of *label*."""
    return " or ".join(
        f'label_replace({by} (increase({counter.name}[5m])), "{label}", "{value}", "", "")'
        for value, counter in counters.items()
    )


DEAD_LETTERED = Recording(
    name="broker:messages_dead_lettered:increase5m",
    unit="{message}",
    description=Text(
        "Messages that died in the last five minutes, by reason and by what became of them.",
        "Сообщения, погибшие за последние пять минут, по причине и дальнейшей судьбе.",
    ),
    why=Text(
        "Each is something that was to be done and is not; by the reason one knows whom to ask.",
        "Каждое из них — что-то не сделанное; причина говорит, кого спрашивать.",
    ),
    attributes={
        "reason": Label(Text("why it died", "отчего погибло"), values=tuple(_DEATHS)),
        "dead_letter_strategy": _DEAD["dead_letter_strategy"],
    },
    method=Method.ERRORS,
    expr=written(
        _named("reason", _DEATHS, "sum by (dead_letter_strategy)"),
        "{message}",
        *_DEATHS.values(),
    ),
)

_OUTCOMES = {"dropped": UNROUTABLE_DROPPED, "returned": UNROUTABLE_RETURNED}

UNROUTABLE = Recording(
    name="broker:messages_unroutable:increase5m",
    unit="{message}",
    description=Text(
        "Messages of the last five minutes that matched no queue.",
        "Сообщения за последние пять минут, для которых не нашлось очереди.",
    ),
    why=Text(
        "A binding is missing: what was published reaches nobody.",
        "Нет нужной привязки: опубликованное ни до кого не доходит.",
    ),
    attributes={
        "outcome": Label(
            Text(
                "thrown away, or given back to the publisher", "выброшено или возвращено издателю"
            ),
            values=tuple(_OUTCOMES),
        )
    },
    method=Method.ERRORS,
    expr=written(_named("outcome", _OUTCOMES, "sum"), "{message}", *_OUTCOMES.values()),
)

MESSAGES_RECEIVED = Recording(
    name="broker:messages_received:rate5m",
    unit="{message}/s",
    description=Text(
        "Messages that publishers send to the broker, each second of the last five minutes.",
        "Сообщения, отправляемые брокеру, в секунду за последние пять минут.",
    ),
    why=RECEIVED.why,
    method=Method.RATE,
    expr=rate(RECEIVED, over="5m"),
    no_alert=RECEIVED.no_alert,
)

MEMORY = Gauge(
    name="rabbitmq_process_resident_memory_bytes",
    unit="By",
    description=Text("Memory that the broker holds.", "Память, которую занимает брокер."),
    why=Text(
        "At its limit the broker blocks every publisher.",
        "На пределе брокер блокирует всех издателей.",
    ),
    method=Method.UTILIZATION,
)

MEMORY_LIMIT = Gauge(
    name="rabbitmq_resident_memory_limit_bytes",
    unit="By",
    description=Text(
        "Memory from which on the broker blocks publishers.",
        "Память, начиная с которой брокер блокирует издателей.",
    ),
    why=Text("The limit of the other.", "Предел для занятой памяти."),
    method=Method.UTILIZATION,
)

DISK = Gauge(
    name="rabbitmq_disk_space_available_bytes",
    unit="By",
    description=Text("Free space on the broker's disk.", "Свободное место на диске брокера."),
    why=Text(
        "Below its limit the broker blocks every publisher.",
        "Ниже предела брокер блокирует всех издателей.",
    ),
    method=Method.SATURATION,
)

DISK_LIMIT = Gauge(
    name="rabbitmq_disk_space_available_limit_bytes",
    unit="By",
    description=Text(
        "Free space below which the broker blocks publishers.",
        "Свободное место, ниже которого брокер блокирует издателей.",
    ),
    why=Text("The limit of the other.", "Предел для свободного места."),
    method=Method.SATURATION,
)

ALARM_MEMORY = Gauge(
    name="rabbitmq_alarms_memory_used_watermark",
    unit="{alarm}",
    description=Text(
        "1 while the broker blocks publishers because of its memory.",
        "1, пока брокер блокирует издателей из-за памяти.",
    ),
    why=Text(
        "Publishers wait without an error: orders stand still and nothing looks broken.",
        "Издатели ждут без ошибок: заказы стоят, а сломанным ничто не выглядит.",
    ),
    method=Method.USE_ERRORS,
)

ALARM_DISK = Gauge(
    name="rabbitmq_alarms_free_disk_space_watermark",
    unit="{alarm}",
    description=Text(
        "1 while the broker blocks publishers because of its disk.",
        "1, пока брокер блокирует издателей из-за диска.",
    ),
    why=ALARM_MEMORY.why,
    method=Method.USE_ERRORS,
)

CONNECTIONS = Gauge(
    name="rabbitmq_connections",
    unit="{connection}",
    description=Text("Open connections.", "Открытые соединения."),
    why=Text(
        "Each service has its own, so a missing one is a service that lost the broker.",
        "У каждого сервиса своё: недостающее означает сервис, потерявший брокера.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "How many there should be is known by queue: QueueHasNoConsumers.",
        "Сколько их должно быть, видно по очередям: QueueHasNoConsumers.",
    ),
)

CONNECTIONS_OPENED = Counter(
    name="rabbitmq_connections_opened_total",
    unit="{connection}",
    description=Text("Connections that were opened.", "Сколько соединений открыто."),
    why=Text(
        "As many opened as closed, all the time: somebody connects anew for each message.",
        "Если их всё время открывают столько же, сколько закрывают, кто-то подключается заново "
        "ради каждого сообщения.",
    ),
    method=Method.TRAFFIC,
    no_alert=Text(
        "ConnectionsFlap counts those that end.", "ConnectionsFlap считает закрытые соединения."
    ),
)

CONNECTIONS_CLOSED = Counter(
    name="rabbitmq_connections_closed_total",
    unit="{connection}",
    description=Text("Connections that ended.", "Сколько соединений закрылось."),
    why=Text(
        "Says whether the network or a client keeps losing the broker.",
        "Показывает, что сеть или клиент раз за разом теряют брокера.",
    ),
    method=Method.ERRORS,
)

CHANNELS_CLOSED = Counter(
    name="rabbitmq_channels_closed_total",
    unit="{channel}",
    description=Text("Channels that ended.", "Сколько каналов закрылось."),
    why=Text(
        "The broker closes a channel at an error while its connection stays open: the client "
        "looks connected and is deaf.",
        "При ошибке брокер закрывает канал, а соединение остаётся: клиент выглядит подключённым, "
        "но глух.",
    ),
    method=Method.ERRORS,
    no_alert=Text(
        "What a closed channel does is watched: QueueHasNoConsumers.",
        "Следим за последствием закрытого канала: QueueHasNoConsumers.",
    ),
)

LOGINS_FAILED = Counter(
    name="rabbitmq_auth_attempts_failed_total",
    unit="{attempt}",
    description=Text("Logins that the broker refused.", "Входы, в которых брокер отказал."),
    why=Text(
        "A changed password looks like a broken network from the service's side.",
        "Со стороны сервиса сменённый пароль выглядит как неисправная сеть.",
    ),
    attributes={
        "protocol": Label(
            Text("protocol of the login", "протокол входа"),
            at_most=8,
        )
    },
    method=Method.ERRORS,
    no_alert=Text(
        "Strangers try passwords too. A service that cannot log in has no consumer, and that "
        "alerts.",
        "Пароли пробуют и чужие. У сервиса, который не может войти, нет потребителя, и об этом "
        "есть алерт.",
    ),
)

_NO_ALERT_CPU = Text(
    "A busy broker is no fault; queues that grow are.",
    "Занятый брокер не поломка; поломка, когда растут очереди.",
)
_WHY_CPU = Text(
    "Says whether a slow broker lacks CPU or waits for its disk.",
    "Показывает, не хватает ли медленному брокеру процессора или он ждёт диска.",
)


def _clock(part: str, suffix: str, en: str, ru: str, rare: Text) -> Counter:
    return Counter(
        name=f"erlang_vm_statistics_{part}_{suffix}",
        unit="ms",
        description=Text(en, ru),
        why=_WHY_CPU,
        method=Method.UTILIZATION,
        rare=rare,
        no_alert=_NO_ALERT_CPU,
    )


_BEFORE = Text("Named so up to RabbitMQ 4.0.", "Называется так до RabbitMQ 4.0 включительно.")
_AFTER = Text(
    "Named so in later versions of RabbitMQ 4; in milliseconds, against its name, in 4.3.",
    "Называется так в поздних версиях RabbitMQ 4; в 4.3, вопреки имени, в миллисекундах.",
)
_RUNTIME = ("CPU time of the broker.", "Процессорное время брокера.")
_WALL = ("Time since the broker's start.", "Время с запуска брокера.")

RUNTIME = _clock("runtime", "milliseconds", *_RUNTIME, _BEFORE)
RUNTIME_NEW = _clock("runtime", "seconds_total", *_RUNTIME, _AFTER)
WALL = _clock("wallclock_time", "milliseconds", *_WALL, _BEFORE)
WALL_NEW = _clock("wallclock_time", "seconds_total", *_WALL, _AFTER)


def _share(runtime: Counter, wall: Counter) -> str:
    return f"rate({runtime.name}[1m]) / rate({wall.name}[1m])"


CPU = Recording(
    name="broker:cpu:cores",
    unit="1",
    description=Text(
        "CPU cores that the broker keeps busy; 1 is one whole core.",
        "Сколько ядер процессора занято брокером; 1: одно ядро целиком.",
    ),
    why=_WHY_CPU,
    method=Method.UTILIZATION,
    # Divided by its own clock, the unit falls out: later versions name seconds what are not.
    expr=written(
        f"{_share(RUNTIME, WALL)} or {_share(RUNTIME_NEW, WALL_NEW)}",
        "1",
        RUNTIME,
        WALL,
        RUNTIME_NEW,
        WALL_NEW,
    ),
    no_alert=_NO_ALERT_CPU,
)

METRICS = (
    *(RECEIVED, MESSAGES_RECEIVED),
    *(UNROUTABLE_DROPPED, UNROUTABLE_RETURNED, UNROUTABLE),
    *(DEAD_REJECTED, DEAD_EXPIRED, DEAD_MAXLEN, DEAD_LIMIT, DEAD_LETTERED),
    *(MEMORY, MEMORY_LIMIT, DISK, DISK_LIMIT, ALARM_MEMORY, ALARM_DISK),
    *(CONNECTIONS, CONNECTIONS_OPENED, CONNECTIONS_CLOSED, CHANNELS_CLOSED, LOGINS_FAILED),
    *(RUNTIME, RUNTIME_NEW, WALL, WALL_NEW, CPU),
)
