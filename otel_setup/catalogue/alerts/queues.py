# SPDX-License-Identifier: Apache-2.0
"""Alerts about queues: nobody consumes them, they grow, or their consumer does nothing."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, written
from otel_setup.catalogue.scraped.queues import (
    BY_QUEUE,
    CONSUMERS,
    DRAIN_TIME,
    MESSAGES_ACKED,
    MESSAGES_DELIVERED,
    MESSAGES_PUBLISHED,
    READY,
    UNACKED,
    of_queues,
)
from otel_setup.catalogue.scraped.targets import ALERTS as FIRING

#: Queues where dead letters wait for a person: that nobody consumes them is no fault.
DEAD_LETTERS = ".*(dead|dlq|dlx).*"

#: So many waiting messages are a lag, if they become more.
LAG = 100

#: Fewer are one too, if they are work for so many seconds.
_FEW, _LONG_SECONDS = 10, 10 * 60

_NOT_DEAD = {"queue": f"!~{DEAD_LETTERS}"}
_BY = "sum by (queue, vhost)"
_LEGEND = "{{queue}}"
_QUEUE = "queue {{ $labels.queue }}"
_OVERVIEW = (
    Query(of_queues(CONSUMERS), f"{_LEGEND} consumers"),
    Query(of_queues(READY), f"{_LEGEND} waiting"),
    Query(of_queues(UNACKED), f"{_LEGEND} held"),
    Query(of_queues(MESSAGES_ACKED), f"{_LEGEND} acknowledged"),
)


def _had_a_consumer() -> Expr:
    # The alert remembers by itself that there was one, so that it does not end after an hour.
    return written(
        f"{_BY} (max_over_time({CONSUMERS.name}[1h])) > 0 "
        f'or {FIRING.name}{{alertname="QueueHasNoConsumers"}}',
        CONSUMERS.unit,
        CONSUMERS,
        FIRING,
    )


NO_CONSUMERS = Alert(
    name="QueueHasNoConsumers",
    expr=of_queues(CONSUMERS, **_NOT_DEAD).equals(0).and_on(_had_a_consumer(), *BY_QUEUE),
    lasts="30s",
    severity="critical",
    summary=f"Nobody consumes {_QUEUE}.",
    description=f"{_QUEUE.capitalize()} has {{{{ $value }}}} consumers for 30 seconds and had one "
    "before.",
    meaning=Text(
        "A queue that had a consumer has none. Queues of dead letters, which people empty by "
        "hand, are left out, and so are queues that never had one.",
        "У очереди был потребитель, а теперь нет. Очереди погибших сообщений, которые разбирают "
        "вручную, не считаются, как и те, у кого потребителя никогда не было.",
    ),
    impact=Text(
        "What is published into the queue waits: orders are not priced, customers not told.",
        "Всё, что попадает в очередь, ждёт: заказы не оцениваются, клиентам не сообщают.",
    ),
    diagnosis=Text(
        "Does the worker run? If not, its own log says why it ended. If it runs, it lost its "
        "channel or connection: look for errors of the broker in its log, and whether its "
        "connection is in the list of `rabbitmqctl list_connections name state`.",
        "Работает ли обработчик? Если нет, причина в его журнале. Если да, он потерял канал или "
        "соединение: ищите в журнале ошибки брокера и проверьте, есть ли его соединение в выводе "
        "`rabbitmqctl list_connections name state`.",
    ),
    queries=_OVERVIEW,
    mitigation=Text(
        "Start or restart the worker; messages wait in the queue, none is lost. If the queue is "
        "no longer needed, delete it and the alert ends.",
        "Запустите или перезапустите обработчик: сообщения ждут в очереди и не теряются. Если "
        "очередь больше не нужна, удалите её, и алерт закончится.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown",),
)

_DRAINS = (
    "{{ with printf \"queue:messages_ready:drain_seconds{queue='%s'}\" $labels.queue | query }}"
    "At the present pace they take {{ . | first | value | humanizeDuration }}."
    "{{ else }}Nothing is acknowledged at present.{{ end }}"
)


def _grows() -> Expr:
    waiting = of_queues(READY, **_NOT_DEAD)
    # Where one message takes minutes, most minutes have no pace.
    times = written(f"min_over_time({DRAIN_TIME.name}[3m])", DRAIN_TIME.unit, DRAIN_TIME)
    slow = (waiting >= _FEW).and_on(times > _LONG_SECONDS, *BY_QUEUE)
    more = written(f"{_BY} (deriv({READY.name}[5m])) > 0", "{message}/s", READY)
    return (waiting > LAG).or_(slow).and_on(more, *BY_QUEUE)


GROWS = Alert(
    name="QueueGrows",
    expr=_grows(),
    lasts="2m",
    severity="warning",
    summary=f"A lag builds up in {_QUEUE}.",
    description=f"{{{{ $value }}}} messages wait in {_QUEUE}, and they become more. {_DRAINS}",
    meaning=Text(
        f"More than {LAG} messages wait in a queue, or at least {_FEW} that take longer than "
        f"{_LONG_SECONDS // 60} minutes at the present pace, and for two minutes they have been "
        "becoming more. A large queue that shrinks does not alert.",
        f"В очереди ждёт больше {LAG} сообщений либо не меньше {_FEW}, но при нынешнем темпе их "
        f"разбирать дольше {_LONG_SECONDS // 60} минут, и уже две минуты их становится больше. "
        "Большая очередь, которая убывает, алерта не вызывает.",
    ),
    impact=Text(
        "Everything that goes through the queue comes late, by the time in the description.",
        "Всё, что идёт через очередь, опаздывает на время, указанное в описании.",
    ),
    diagnosis=Text(
        "Compare published and acknowledged: did publishing rise, or did processing slow down? "
        "If processing slowed down, look at how long one message takes and at a trace of it; "
        "the worker mostly waits for a database or a storage. Redelivered messages mean that "
        "some fail and come back.",
        "Сравните публикацию и подтверждения: публиковать стали больше или обрабатывать "
        "медленнее? Если медленнее, посмотрите, сколько занимает одно сообщение, и его трассу: "
        "обработчик чаще всего ждёт базу или хранилище. Повторные выдачи означают, что часть "
        "сообщений падает и возвращается.",
    ),
    queries=(
        Query(of_queues(MESSAGES_PUBLISHED), f"{_LEGEND} published"),
        Query(of_queues(MESSAGES_ACKED), f"{_LEGEND} acknowledged"),
        Query(of_queues(DRAIN_TIME), _LEGEND),
    ),
    mitigation=Text(
        "Start further workers, if the part that they wait for can carry them. Otherwise mend "
        "that part first. The queue then empties by itself.",
        "Запустите ещё обработчики, если то, чего они ждут, их выдержит. Иначе сначала чините "
        "это. Очередь потом разойдётся сама.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("QueueHasNoConsumers", "QueueConsumerStuck", "QueueConsumerDeaf"),
    inhibited_on=BY_QUEUE,
)


def _stuck() -> Expr:
    held = written(f"{_BY} (min_over_time({UNACKED.name}[2m])) > 0", UNACKED.unit, UNACKED)
    acks = written(
        f"max_over_time({MESSAGES_ACKED.name}[1m]) > 0", MESSAGES_ACKED.unit, MESSAGES_ACKED
    )
    return (of_queues(UNACKED) > 0).and_on(held, *BY_QUEUE).unless_on(acks, *BY_QUEUE)


STUCK = Alert(
    name="QueueConsumerStuck",
    expr=_stuck(),
    lasts="1m",
    severity="critical",
    summary=f"The consumer of {_QUEUE} is stuck.",
    description=f"Held by consumers of {_QUEUE}: {{{{ $value }}}}. None was acknowledged for 3 "
    "minutes.",
    meaning=Text(
        "A consumer has held messages for three minutes without acknowledging one. It hangs, or "
        "refuses whatever it gets.",
        "Потребитель три минуты держит сообщения и ни одного не подтвердил. Он завис или "
        "отвергает всё, что получает.",
    ),
    impact=Text(
        "These messages and all behind them wait; no other consumer gets them.",
        "Эти сообщения и все за ними ждут; другому потребителю их не отдадут.",
    ),
    diagnosis=Text(
        "Does the worker use CPU? If so, it works on something too large: find it in the traces. "
        "If not, it waits: for a lock in the database, for a storage, or it was stopped. "
        "`py-spy dump --pid` shows where a Python process stands. Are messages refused? Then dead "
        "letters come, or the redeliveries rise.",
        "Расходует ли обработчик процессор? Если да, он занят чем-то слишком большим: ищите в "
        "трассах. Если нет, он ждёт: блокировку в базе, хранилище, или его остановили. Где стоит "
        "процесс Python, покажет `py-spy dump --pid`. Может быть, он отвергает сообщения? Тогда "
        "прибывают погибшие или растут повторные выдачи.",
    ),
    queries=(
        *_OVERVIEW,
        Query(of_queues(MESSAGES_DELIVERED), f"{_LEGEND} delivered"),
    ),
    mitigation=Text(
        "Restart the worker: the broker gives its messages to the next one. Look at the trace "
        "first, since the same message may hang the next one too. If a message may take longer "
        "than three minutes by design, acknowledge it earlier and keep its state elsewhere.",
        "Перезапустите обработчик: брокер отдаст его сообщения следующему. Сначала посмотрите "
        "трассу: то же сообщение может подвесить и следующего. Если сообщение по замыслу "
        "обрабатывается дольше трёх минут, подтверждайте его раньше, а состояние храните отдельно.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown",),
)


def _deaf() -> Expr:
    waiting = written(f"{_BY} (min_over_time({READY.name}[1m])) > 0", READY.unit, READY)
    return (
        (of_queues(READY) > 0)
        .and_on(waiting, *BY_QUEUE)
        .and_on(of_queues(CONSUMERS) > 0, *BY_QUEUE)
        # Held messages are the business of QueueConsumerStuck.
        .unless_on(of_queues(UNACKED) > 0, *BY_QUEUE)
        .unless_on(of_queues(MESSAGES_DELIVERED) > 0, *BY_QUEUE)
    )


DEAF = Alert(
    name="QueueConsumerDeaf",
    expr=_deaf(),
    lasts="1m",
    severity="critical",
    summary=f"The consumer of {_QUEUE} takes nothing.",
    description=f"Waiting in {_QUEUE}: {{{{ $value }}}}. It has a consumer, and for 2 minutes "
    "nothing was given out.",
    meaning=Text(
        "Messages wait, a consumer is registered and holds none, and the broker gives it none. "
        "The client looks connected and takes nothing.",
        "Сообщения ждут, потребитель зарегистрирован и ничего не держит, а брокер ему ничего не "
        "отдаёт. Клиент выглядит подключённым, но не берёт.",
    ),
    impact=Text(
        "The queue stands still while every list shows a consumer.",
        "Очередь стоит, хотя во всех списках потребитель есть.",
    ),
    diagnosis=Text(
        "`rabbitmqctl list_consumers` says whether the consumer is active, `rabbitmqctl "
        "list_connections name state` whether its connection is in flow or blocked. With a "
        "quorum queue `rabbitmq-queues quorum_status <queue>` says whether it has a leader.",
        "`rabbitmqctl list_consumers` покажет, активен ли потребитель, а `rabbitmqctl "
        "list_connections name state`, не заблокировано ли его соединение. Для кворумной "
        "очереди `rabbitmq-queues quorum_status <очередь>` покажет, есть ли у неё лидер.",
    ),
    queries=(
        *_OVERVIEW,
        Query(of_queues(MESSAGES_DELIVERED), f"{_LEGEND} delivered"),
    ),
    mitigation=Text(
        "Restart the worker. If it stays deaf, close its connection with `rabbitmqctl "
        "close_connection`; a quorum queue without a leader needs its nodes back.",
        "Перезапустите обработчик. Если не помогло, закройте его соединение командой "
        "`rabbitmqctl close_connection`; кворумной очереди без лидера нужно вернуть её узлы.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown",),
)

ALERTS = (NO_CONSUMERS, GROWS, STUCK, DEAF)
