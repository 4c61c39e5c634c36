# SPDX-License-Identifier: Apache-2.0
"""Dead letters: what no service could handle, and whether anybody looks after it."""

from __future__ import annotations

from collections.abc import Mapping

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Source, Text
from otel_setup.catalogue.promql import Expr, increase, latest, selector, written
from otel_setup.catalogue.whole import Component
from services_demo.catalogue import bus

#: Stands for a queue or a reason that is none of these: strangers must not make labels.
UNKNOWN = bus.UNKNOWN

QUEUES = (*bus.QUEUES, UNKNOWN)
REASONS = ("rejected", "delivery_limit", "expired", "maxlen", UNKNOWN)
ACTIONS = ("replayed", "dropped")

#: A person should have looked at a dead letter within so many seconds.
LOOKED_AT_SECONDS = 3600.0

_QUEUE = "messaging.destination.name"
_BY = (_QUEUE, "reason")
_LEGEND = "{{messaging_destination_name}} {{reason}}"
_COMMAND = "python -m services_demo.deadletters"

_OF_LETTERS = {
    _QUEUE: Label(
        Text(
            "queue in which the message died; unknown for a queue that is none of the services'",
            "очередь, где сообщение погибло; unknown — очередь не из наших сервисов",
        ),
        QUEUES,
    ),
    "reason": Label(
        Text(
            "rejected by the service, given out too often (delivery_limit), expired, or the queue "
            "was full (maxlen); unknown if the broker did not say",
            "rejected — сервис отказался, delivery_limit — слишком много выдач, expired — истёк "
            "срок, maxlen — очередь была полна; unknown — брокер не сказал",
        ),
        REASONS,
    ),
}

KEPT = Counter(
    name="dead_letters.kept",
    unit="{message}",
    description=Text(
        "Dead letters that were taken from the queue orders.dead into the table.",
        "«Мёртвые письма», перенесённые из очереди orders.dead в таблицу.",
    ),
    why=Text(
        "Each is an order that stands still somewhere. The broker counts deaths by reason alone; "
        "here the queue is known as well.",
        "Каждое письмо — заказ, который где-то остановился. Брокер знает только причину, а здесь "
        "известна ещё и очередь.",
    ),
    attributes=_OF_LETTERS,
    method=Method.ERRORS,
    rows=("Q11",),
)

WAITING = Gauge(
    name="dead_letters.waiting",
    unit="{message}",
    description=Text(
        "Dead letters that nobody has replayed or dropped yet.",
        "«Мёртвые письма», которые ещё никто не отправил снова и не отбросил.",
    ),
    why=Text(
        "What is left to do. It is 0 on a good day; a number that stays is orders that somebody "
        "forgot.",
        "Сколько осталось разобрать. В хороший день это 0; если число не убывает, о заказах "
        "забыли.",
    ),
    attributes=_OF_LETTERS,
    method=Method.SATURATION,
    rows=("Q11",),
    no_alert=Text(
        "One that comes is told by its counter, one that stays by its age.",
        "О новом письме сообщает счётчик, о залежавшемся — его возраст.",
    ),
)

OLDEST_AGE = Gauge(
    name="dead_letters.oldest.age",
    unit="s",
    description=Text(
        "How long ago the oldest dead letter that waits has died; 0 if none waits.",
        "Сколько времени назад погибло самое старое из неразобранных сообщений; 0, если их нет.",
    ),
    why=Text(
        "The customer behind it has waited for so long.",
        "Столько времени ждёт клиент, чьё это сообщение.",
    ),
    attributes=_OF_LETTERS,
    method=Method.SATURATION,
    rows=("Q11",),
)

HANDLED = Counter(
    name="dead_letters.handled",
    unit="{message}",
    description=Text(
        "Dead letters that a person has replayed or dropped.",
        "«Мёртвые письма», которые человек отправил снова или отбросил.",
    ),
    why=Text(
        "Replayed ones that come back were not mended. The total is kept in the database, since "
        "the command that handles them ends at once.",
        "Если отправленные снова возвращаются, причина не устранена. Счёт ведётся в базе: команда, "
        "которая их разбирает, сразу завершается.",
    ),
    attributes={
        **_OF_LETTERS,
        "action": Label(Text("what was done with it", "что с письмом сделали"), ACTIONS),
    },
    method=Method.BUSINESS,
    rows=("Q11",),
    no_alert=Text("A person did it.", "Это сделал человек."),
)

_TEAM = (
    '{{ if eq $labels.messaging_destination_name "unknown" }}platform'
    '{{ else }}{{ reReplaceAll "[.].*" "" $labels.messaging_destination_name }}{{ end }}'
)

#: An increase is extrapolated to the edges of its window, here by 5 of 300 seconds at most.
_EXTRAPOLATED, _LESS_THAN_ONE = 1.02, 0.5

#: So often a message is tried at least before it dies of it.
_TRIES = 5


def _arrived() -> Expr:
    """
    Return what came in five minutes, without that of which EventHandlingFails has told.

    A letter may be kept before its service has reported why, so what services report is looked
    at ten seconds later. Everything else has no reporter and is told at once.
    """
    others = increase(KEPT, by=_BY, where={"reason": "!~rejected|delivery_limit"}, over="5m") > 0
    refused = _untold("rejected", {"outcome": "refused"}, times=1)
    # NotYet is expected, and nobody tells of it: a message that dies of it is news.
    failed = _untold("delivery_limit", {"outcome": "retried", "error.type": "!NotYet"}, _TRIES)
    return others.or_(refused).or_(failed)


def _untold(reason: str, reports: Mapping[str, str], times: int) -> Expr:
    """Return letters of a *reason* that are more than services reported, *times* for each."""
    came = f"(increase({selector(KEPT, {'reason': reason})}[5m] offset 10s))"
    # A minute more than the five: no report is forgotten before its message.
    reported = increase(bus.EVENT_FAILURES, by=[_QUEUE], where=reports, over="6m")
    return written(
        f"sum by (messaging_destination_name, reason) {came} > 0 "
        "unless on (messaging_destination_name) "
        f"sum by (messaging_destination_name) {came} "
        f"<= {reported.text} * {_EXTRAPOLATED / times:g} + {_LESS_THAN_ONE}",
        KEPT.unit,
        KEPT,
        bus.EVENT_FAILURES,
    )


ARRIVE = Alert(
    name="DeadLettersArrive",
    expr=_arrived(),
    lasts="0s",
    severity="critical",
    summary="Messages of queue {{ $labels.messaging_destination_name }} died "
    "({{ $labels.reason }}).",
    description='Kept in the last 5 minutes: {{ $value | printf "%.0f" }} '
    "(queue {{ $labels.messaging_destination_name }}, {{ $labels.reason }}).",
    meaning=Text(
        "The broker gave messages of this queue up, and they wait in the table of dead letters. "
        "What a service refused or failed to handle is told by EventHandlingFails alone; what is "
        "left are messages that expired, found the queue full, or were given out too often "
        "because their consumer died with them.",
        "Брокер отказался от сообщений этой очереди, и они ждут в таблице «мёртвых писем». О том, "
        "что сервис отклонил или не смог обработать, сообщает только EventHandlingFails. "
        "Остаются сообщения с истёкшим сроком, не поместившиеся в очередь или выданные слишком "
        "много раз, потому что потребитель падал вместе с ними.",
    ),
    impact=Text(
        "That order stands still in the service that owns the queue. Nothing is lost: the message "
        "is in the CRM's database, with body and trace.",
        "Заказ остановился в сервисе, которому принадлежит очередь. Ничего не потеряно: сообщение "
        "лежит в базе CRM вместе с телом и трассой.",
    ),
    diagnosis=Text(
        f"`{_COMMAND} list` shows them with their trace ids, `show ID` one of them and whether it "
        "keeps its contract. The trace ends where the message died. delivery_limit: the log of "
        "the worker says why it failed or died. unknown: somebody published to orders.dead.",
        f"`{_COMMAND} list` покажет письма и номера трасс, `show ID` — одно из них и соблюдён ли "
        "контракт. Трасса обрывается там, где сообщение погибло. delivery_limit: почему "
        "обработчик падал, сказано в его логе. unknown: кто-то опубликовал прямо в orders.dead.",
    ),
    queries=(
        Query(increase(KEPT, by=_BY, over="15m"), _LEGEND),
        Query(latest(WAITING, by=_BY, fold="max"), _LEGEND),
    ),
    mitigation=Text(
        f"Mend the cause, then `{_COMMAND} replay --queue QUEUE`: each goes back to the queue that "
        "it died in, and handling one twice has no second effect. What must not happen any more: "
        "`drop ID --because WHY`.",
        f"Устраните причину, затем `{_COMMAND} replay --queue ОЧЕРЕДЬ`: каждое письмо вернётся в "
        "очередь, где погибло, а повторная обработка ничего не испортит. То, что исполнять уже "
        "не нужно: `drop ID --because ПРИЧИНА`.",
    ),
    labels={"team": _TEAM},
    rows=("Q11",),
    dashboard="dead-letters",
    exemplars=selector(bus.EVENT_FAILURES, {_QUEUE: "{{ $labels.messaging_destination_name }}"}),
)

WAIT = Alert(
    name="DeadLettersWait",
    expr=latest(OLDEST_AGE, by=_BY, fold="max") > LOOKED_AT_SECONDS,
    lasts="1m",
    severity="warning",
    summary="Nobody looks after the dead letters of queue "
    "{{ $labels.messaging_destination_name }} ({{ $labels.reason }}).",
    description="The oldest one has waited for {{ $value | humanizeDuration }}.",
    meaning=Text(
        "A message died more than an hour ago, and nobody has replayed or dropped it.",
        "Сообщение погибло больше часа назад, и никто не отправил его снова и не отбросил.",
    ),
    impact=Text(
        "Its order stands still, and its customer waits or calls.",
        "Заказ стоит, а клиент ждёт или звонит.",
    ),
    diagnosis=Text(
        f"`{_COMMAND} list --older-than 1h` shows which. Were they replayed and came back? The "
        "column REPLAYS says so: then the cause was not mended.",
        f"`{_COMMAND} list --older-than 1h` покажет какие. Возвращались ли они после повторной "
        "отправки? Это видно в столбце REPLAYS: значит, причина не устранена.",
    ),
    queries=(
        Query(latest(OLDEST_AGE, by=_BY, fold="max"), _LEGEND),
        Query(increase(HANDLED, by=(*_BY, "action"), over="1h"), f"{_LEGEND} {{{{action}}}}"),
    ),
    mitigation=Text(
        f"`{_COMMAND} replay` if the cause is mended, `drop --because` if the order went on "
        "without it.",
        f"`{_COMMAND} replay`, если причина устранена, или `drop --because`, если заказ обошёлся "
        "без него.",
    ),
    labels={"team": _TEAM},
    rows=("Q11",),
    dashboard="dead-letters",
)

COMPONENT = Component(
    name="deadletters",
    title=Text("Dead letters", "«Мёртвые письма»"),
    owner="platform",
    source=Source.OURS,
    metrics=(KEPT, WAITING, OLDEST_AGE, HANDLED),
    alerts=(ARRIVE, WAIT),
)
