# SPDX-License-Identifier: Apache-2.0
"""
Events between the services, as those who handle them see them.

The broker knows how many messages wait; only the consumer knows how long ago the order was
placed that it has just handled, and which event it could not handle.
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    Counter,
    Gauge,
    Histogram,
    Label,
    Method,
    Source,
    Text,
    prometheus_label,
)
from otel_setup.catalogue.promql import Expr, increase, latest, quantile, selector
from otel_setup.catalogue.urgent import untold
from otel_setup.catalogue.whole import Component

#: Every event that the services send each other, by its routing key.
EVENTS = (
    "order.placed",
    "order.priced",
    "order.pricing_failed",
    "order.approved",
    "order.cancelled",
    "order.state_changed",
)

#: Stands for the type of a message that is none of them.
UNKNOWN = "unknown"

#: Stands for every class of error that has no name of its own here.
OTHER = "_OTHER"

#: Why handling an event may fail. The set is closed so that each can be counted from 0 on.
ERRORS = ("Refuse", "NotYet", "DatabaseError", OTHER)

#: The queues that the services consume.
QUEUES = ("shop.orders", "mes.orders", "crm.orders")

#: An event is in time if its effect is there within so many seconds.
IN_TIME_SECONDS = 30.0

#: The relay publishes within moments: an event that waits for so long is stuck.
STUCK_SECONDS = 60.0

QUEUE = Label(Text("queue that the event came from", "очередь, из которой пришло событие"), QUEUES)

_OF_FAILURES = {
    "messaging.destination.name": QUEUE,
    "event": Label(
        Text(
            "what happened, by the routing key; unknown for what is no event of ours",
            "что произошло: ключ маршрутизации; unknown — сообщение, которого мы не знаем",
        ),
        (*EVENTS, UNKNOWN),
    ),
    "outcome": Label(
        Text(
            "refused: it went to the dead letters; retried: handled again, five times at most",
            "refused — ушло в «мёртвые письма»; retried — будет обработано ещё раз, до пяти раз",
        ),
        ("refused", "retried"),
    ),
    "error.type": Label(
        Text(
            "Refuse and NotYet are said by the handler, DatabaseError by PostgreSQL; "
            "_OTHER is any other exception, whose class is in the trace and the log",
            "Refuse и NotYet — решение обработчика, DatabaseError — ошибка PostgreSQL; "
            "_OTHER — любое другое исключение, его класс есть в трассе и в логе",
        ),
        ERRORS,
    ),
}

EVENT_DELAY = Histogram(
    name="orders.event.delay",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time from the moment something happened to an order until a service has handled it.",
        "Время от события с заказом до момента, когда сервис это событие обработал.",
    ),
    why=Text(
        "It is what a late event costs, whoever is to blame: outbox, broker or consumer. "
        "Scale the consumer when one queue is late, look at the broker when all are.",
        "Показывает цену опоздания, кто бы ни был виноват: outbox, брокер или потребитель. "
        "Опаздывает одна очередь — добавьте потребителей, опаздывают все — смотрите на брокер.",
    ),
    attributes={
        "messaging.destination.name": QUEUE,
        "event": Label(
            Text("what happened, by the routing key", "что произошло: ключ маршрутизации"), EVENTS
        ),
    },
    method=Method.DURATION,
    rows=("Q9",),
)

EVENT_FAILURES = Counter(
    name="orders.event.failures",
    unit="{failure}",
    description=Text(
        "Attempts to handle an event that failed.",
        "Неудачные попытки обработать событие.",
    ),
    why=Text(
        "A failed event is an order that stands still in one service while the others go on. "
        "Somebody has to act before its customer calls.",
        "Необработанное событие — это заказ, который в одном сервисе стоит, а в других движется. "
        "Вмешаться нужно раньше, чем позвонит клиент.",
    ),
    attributes=_OF_FAILURES,
    method=Method.ERRORS,
    rows=("Q8",),
    urgent=True,
)

_FAILURE = ("job", "messaging.destination.name", "event", "outcome", "error.type")
_TEAM_OF_QUEUE = '{{ reReplaceAll "[.].*" "" $labels.messaging_destination_name }}'

EVENT_HANDLING_FAILS = Alert(
    name="EventHandlingFails",
    # NotYet is how events that overtook each other wait for their turn.
    expr=untold(EVENT_FAILURES, "EventHandlingFails", by=_FAILURE, where={"error.type": "!NotYet"}),
    lasts="0s",
    urgent=True,
    severity="critical",
    summary="{{ $labels.job }} could not handle an event {{ $labels.event }} of queue "
    "{{ $labels.messaging_destination_name }}.",
    description='Failed attempts: {{ $value | printf "%.0f" }} '
    "({{ $labels.error_type }}, {{ $labels.outcome }}).",
    meaning=Text(
        "A service got an event and could not take it over. Refused events are dead "
        "letters already; retried ones follow after five failed attempts. Tells within "
        "seconds and ends a minute after the last failure; while it goes on, it tells again with "
        "the number of the last minute.",
        "Сервис получил событие и не смог его обработать. Отклонённые события (refused) уже "
        "лежат среди «мёртвых писем», остальные окажутся там после пяти неудачных попыток. Алерт "
        "приходит за секунды и гаснет через минуту после последней ошибки; пока ошибки "
        "продолжаются, он повторяется с их числом за последнюю минуту.",
    ),
    impact=Text(
        "That order stands still in the service that owns the queue: no price, no notification, "
        "or a state that others no longer agree with.",
        "Заказ остановился в сервисе, которому принадлежит очередь: нет цены, нет уведомления "
        "или статус расходится с остальными сервисами.",
    ),
    diagnosis=Text(
        "Open the trace behind the exemplar, or search the worker's log for the message id: both "
        "have the class of the error. Refuse means a contract that sender and receiver do not "
        "share, often after a deployment; DatabaseError a constraint; _OTHER a defect.",
        "Откройте трассу из exemplar или найдите message id в логе воркера: там есть класс "
        "ошибки. Refuse — отправитель и получатель понимают контракт по-разному, чаще всего после "
        "выкатки; DatabaseError — нарушено ограничение базы; _OTHER — дефект в коде.",
    ),
    queries=(
        Query(
            increase(
                EVENT_FAILURES,
                by=["messaging.destination.name", "event", "error.type"],
                over="15m",
            ),
            "{{messaging_destination_name}} {{event}} {{error_type}}",
        ),
    ),
    mitigation=Text(
        "Mend the cause, by rolling back if a deployment brought it. Then "
        "`python -m services_demo.deadletters replay --queue QUEUE` sends the dead letters back to "
        "their queue; handling one twice has no second effect.",
        "Устраните причину; если её принесла выкатка — откатите. Затем "
        "`python -m services_demo.deadletters replay --queue ОЧЕРЕДЬ` вернёт «мёртвые письма» в "
        "исходную очередь: повторная обработка ничего не испортит.",
    ),
    labels={"team": _TEAM_OF_QUEUE},
    rows=("Q8",),
    dashboard="rabbitmq",
    exemplars=selector(
        EVENT_FAILURES,
        # All of them: a trace of another failure would mislead.
        {label: f"{{{{ $labels.{prometheus_label(label)} }}}}" for label in _FAILURE},
    ),
)


def _late(over: str) -> Expr:
    return quantile(0.95, EVENT_DELAY, by=["messaging.destination.name"], over=over)


EVENTS_DELAYED = Alert(
    name="EventsDelayed",
    expr=(_late("5m") > IN_TIME_SECONDS).and_on(
        # And it goes on: what an outage held up comes at once when it is over.
        _late("2m") > IN_TIME_SECONDS,
        "messaging.destination.name",
    ),
    lasts="3m",
    severity="warning",
    summary="Events of {{ $labels.messaging_destination_name }} are handled late.",
    description="5 % of them take over {{ $value | humanizeDuration }} from what happened "
    "until it is handled.",
    meaning=Text(
        "From what happens in one service until another has taken it over, more than half a "
        "minute passes.",
        "Между событием в одном сервисе и его обработкой в другом проходит больше полминуты.",
    ),
    impact=Text(
        "Customers wait for prices and notifications; the three services disagree about orders "
        "for that long.",
        "Клиенты дольше ждут цену и уведомления, а сервисы всё это время по-разному видят заказ.",
    ),
    diagnosis=Text(
        "All queues late: the sender's outbox or the broker. One queue late: its consumer is too "
        "slow, waits for its database, or was away and catches up. The trace behind the exemplar "
        "shows where the time went.",
        "Опаздывают все очереди — причина в outbox отправителя или в брокере. Опаздывает одна — "
        "потребитель медленный, ждёт базу или догоняет после простоя. На что ушло время, видно "
        "в трассе из exemplar.",
    ),
    queries=(
        Query(
            quantile(0.95, EVENT_DELAY, by=["messaging.destination.name", "event"], over="5m"),
            "{{messaging_destination_name}} {{event}}",
        ),
    ),
    mitigation=Text(
        "Start the consumer that is away. If it is up and busy, start a second one: events are "
        "handled once, however many consumers there are.",
        "Поднимите потребителя, если он не работает. Если работает и загружен — запустите второй: "
        "каждое событие обрабатывается один раз при любом числе потребителей.",
    ),
    # The alert about the wait in the queue alone finds its cause by the queue.
    labels={"team": _TEAM_OF_QUEUE, "queue": "{{ $labels.messaging_destination_name }}"},
    rows=("Q9",),
    dashboard="rabbitmq",
    exemplars=selector(
        EVENT_DELAY,
        {"messaging.destination.name": "{{ $labels.messaging_destination_name }}"},
        part="bucket",
    ),
    inhibited_by=("RabbitmqDown", "RabbitmqAlarm", "ShopOutboxStuck", "MesOutboxStuck"),
)

COMPONENT = Component(
    name="bus",
    title=Text("Events between the services", "События между сервисами"),
    owner="platform",
    source=Source.OURS,
    metrics=(EVENT_DELAY, EVENT_FAILURES),
    alerts=(EVENT_HANDLING_FAILS, EVENTS_DELAYED),
)


def outbox_stuck(name: str, age: Gauge, sender: Text, waits: Text) -> Alert:
    """Return the alert about an outbox that is not emptied; *waits* says what is held up."""
    return Alert(
        name=name,
        expr=latest(age, fold="max") > STUCK_SECONDS,
        lasts="1m",
        severity="critical",
        summary=f"Events of the {sender} do not reach the broker.",
        description="The oldest one waits for {{ $value | humanizeDuration }}.",
        meaning=Text(
            f"The {sender} writes events to its outbox, and nobody publishes them: its relay or "
            "the way to the broker is broken.",
            f"{sender.ru} пишет события в outbox, но их никто не публикует: не работает relay "
            "или путь до брокера.",
        ),
        impact=Text(
            f"{waits} Nothing is lost: the events wait in the database.",
            f"{waits.ru} Ничего не потеряно: события ждут в базе данных.",
        ),
        diagnosis=Text(
            "The worker's log says what the relay lost: broker or database. A broker with a "
            "memory or disk alarm takes connections and blocks publishers. A worker that does not "
            "run leaves its last value here for five minutes.",
            "В логе воркера сказано, что потерял relay: брокер или базу. Брокер в состоянии "
            "memory alarm или disk alarm принимает соединения, но блокирует публикацию. Если "
            "воркер не запущен, его последнее значение видно здесь ещё пять минут.",
        ),
        queries=(Query(latest(age, fold="max"), "oldest"),),
        mitigation=Text(
            "Bring the broker back, or restart the worker. The relay sends what waits, in order.",
            "Восстановите брокер или перезапустите воркер: relay отправит накопившееся по порядку.",
        ),
        rows=("Q1",),
        dashboard="overview",
        inhibited_by=("RabbitmqDown", "RabbitmqAlarm"),
    )
