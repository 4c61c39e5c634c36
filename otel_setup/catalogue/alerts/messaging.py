# SPDX-License-Identifier: Apache-2.0
"""
Alerts about messages as their consumers see them: they fail, wait, or are held without an end.

They name the service, which no broker knows; where the broker's own alerts are there too, they
are held back by those that say the same.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.messaging import (
    CLOCK_SKEWS,
    CONSUMED,
    CONSUMER_LOSSES,
    CONSUMERS,
    PREFETCH,
    PROCESS_DURATION,
    QUEUE_DURATION,
    SETTLED,
    UNSETTLED,
    UNSETTLED_AGE,
)
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text, prometheus_label
from otel_setup.catalogue.promql import Expr, increase, latest, quantile, rate, selector
from otel_setup.catalogue.urgent import untold

#: A message should be taken up within so many seconds, if nobody says otherwise.
WAIT_SECONDS = 30.0

#: RabbitMQ closes the channel of whoever holds a message for half an hour.
HELD_SECONDS = 600.0

#: So many messages with a wrong time in ten minutes are a wrong clock, and no single hiccup.
_SKEWED = 5

_QUEUE_LABEL = "messaging.rabbitmq.queue.name"
_OF_QUEUE = ("job", _QUEUE_LABEL)
#: The broker's alerts call the queue by this label: what says the same is found by it.
_LABELS = {"queue": "{{ $labels.messaging_rabbitmq_queue_name }}"}
_QUEUE = "queue {{ $labels.messaging_rabbitmq_queue_name }}"
_SAME_QUEUE = {
    "job": "{{ $labels.job }}",
    _QUEUE_LABEL: "{{ $labels.messaging_rabbitmq_queue_name }}",
}
_LEGEND = "{{job}} {{messaging_rabbitmq_queue_name}}"

#: What was not done: an exception, or a message that was turned down. A handler that is cut off
#: by the end of its program or task has not failed: its message comes again.
FAILED = {"error.type": "!~|CancelledError|KeyboardInterrupt|SystemExit"}
#: Who gets a message again waited for the failure before, too.
FIRST = {"messaging.rabbitmq.redelivered": "false"}

_FAILURE = (*_OF_QUEUE, "messaging.destination.name", "error.type")


def _failed() -> Expr:
    found = untold(PROCESS_DURATION, "MessageProcessingFails", by=_FAILURE, where=FAILED)
    # It also reads what Prometheus writes by itself, which needs no entry.
    return replace(found, metrics=frozenset({PROCESS_DURATION.name}))


FAILS = Alert(
    name="MessageProcessingFails",
    expr=_failed(),
    lasts="0s",
    urgent=True,
    severity="critical",
    summary=f"{{{{ $labels.job }}}} could not process a message of {_QUEUE}.",
    description='Failed attempts: {{ $value | printf "%.0f" }} '
    "({{ $labels.error_type }}, {{ $labels.messaging_destination_name }}).",
    meaning=Text(
        "The handler of a message raised an exception, or turned the message down: reject gives "
        "it up, requeue puts it back. Tells within seconds, and ends a minute after the last one.",
        "Обработчик сообщения завершился исключением или отказался от сообщения: reject — "
        "насовсем, requeue — вернул в очередь. Приходит за секунды и гаснет через минуту после "
        "последней ошибки.",
    ),
    impact=Text(
        "What the message asked for has not happened: it is tried again, lies with the dead "
        "letters, or is lost where nobody collects them.",
        "То, ради чего послали сообщение, не сделано: его попробуют ещё раз, оно лежит среди "
        "погибших или потеряно, если погибшие никто не собирает.",
    ),
    diagnosis=Text(
        "Open the trace: the span of the processing has the exception with its stack, and its "
        "parent is the publisher. The same class for all messages is a defect or a part that is "
        "away, for one routing key a contract that publisher and consumer do not share, often "
        "after a deployment. requeue that never ends is a message that goes in circles.",
        "Откройте трассу: у спана обработки есть исключение со стеком, а его родитель — "
        "издатель. Один класс ошибки у всех сообщений — дефект или недоступная часть системы; у "
        "одного ключа — издатель и потребитель по-разному понимают сообщение, чаще всего после "
        "выкатки. Бесконечные requeue — сообщение ходит по кругу.",
    ),
    queries=(
        Query(
            increase(PROCESS_DURATION, by=(*_OF_QUEUE, "error.type"), where=FAILED, over="15m"),
            f"{_LEGEND} {{{{error_type}}}}",
        ),
        Query(
            increase(SETTLED, by=(*_OF_QUEUE, "messaging.rabbitmq.settlement"), over="15m"),
            f"{_LEGEND} {{{{messaging_rabbitmq_settlement}}}}",
        ),
    ),
    mitigation=Text(
        "Mend the cause; if a deployment brought it, roll it back. Then have what was turned "
        "down processed again from where the dead letters are.",
        "Устраните причину; если её принесла выкатка, откатите. Затем отправьте отвергнутые "
        "сообщения на обработку снова оттуда, где собираются погибшие.",
    ),
    labels=_LABELS,
    exemplars=selector(
        PROCESS_DURATION,
        # All of them: a trace of another failure would mislead.
        {label: f"{{{{ $labels.{prometheus_label(label)} }}}}" for label in _FAILURE},
        part="bucket",
    ),
)


def _waited(over: str) -> Expr:
    return quantile(0.95, QUEUE_DURATION, by=_OF_QUEUE, where=FIRST, over=over)


def wait_long(seconds: float = WAIT_SECONDS) -> Alert:
    """Return the alert about messages of which 5 % wait in their queue for over *seconds*."""
    return Alert(
        name="MessagesWaitLong",
        # And it goes on: what an outage held up comes at once when it is over.
        expr=(_waited("5m") > seconds).and_on(_waited("2m") > seconds, *_OF_QUEUE),
        lasts="5m",
        severity="warning",
        summary=f"Messages wait long in {_QUEUE}.",
        description=f"5 % of what {{{{ $labels.job }}}} takes from {_QUEUE} waited over "
        "{{ $value | humanizeDuration }}.",
        meaning=Text(
            f"Of the messages that a consumer gets for the first time, one in twenty waited "
            f"longer than {seconds:g} s in the queue, and it has gone on for five minutes.",
            f"Из сообщений, которые потребитель получает впервые, каждое двадцатое ждало в "
            f"очереди дольше {seconds:g} с, и так уже пять минут.",
        ),
        impact=Text(
            "Whatever the messages ask for comes late by that time.",
            "Всё, ради чего посылают эти сообщения, на столько же опаздывает.",
        ),
        diagnosis=Text(
            "Does one message take longer than before, or do more of them come? A consumer that "
            "holds as many as its prefetch lets it is the bottleneck; open a trace of a slow "
            "message and see what it waits for. One that holds few waits itself: for its "
            "database, or for the broker. ClockSkewed at the same time: do not believe the number.",
            "Сообщение стало обрабатываться дольше или сообщений стало больше? Если потребитель "
            "держит столько, сколько разрешает prefetch, узкое место — он: откройте трассу "
            "медленного сообщения и посмотрите, чего оно ждёт. Если держит мало, ждёт он сам: "
            "базу или брокера. Горит и ClockSkewed — числу верить нельзя.",
        ),
        queries=(
            Query(_waited("5m"), _LEGEND),
            Query(quantile(0.95, PROCESS_DURATION, by=_OF_QUEUE, over="5m"), f"{_LEGEND} takes"),
            Query(rate(CONSUMED, by=_OF_QUEUE, over="5m"), f"{_LEGEND} gets"),
            Query(latest(UNSETTLED, by=_OF_QUEUE, fold="sum"), f"{_LEGEND} holds"),
            Query(latest(PREFETCH, by=_OF_QUEUE, fold="sum"), f"{_LEGEND} may hold"),
        ),
        mitigation=Text(
            "Start further consumers, if what they wait for can carry them. The queue then "
            "empties by itself.",
            "Запустите ещё потребителей, если то, чего они ждут, это выдержит. Очередь потом "
            "разойдётся сама.",
        ),
        labels=_LABELS,
        exemplars=selector(QUEUE_DURATION, _SAME_QUEUE, part="bucket"),
    )


DEAF = Alert(
    name="ConsumerDeaf",
    expr=alive(
        CONSUMERS,
        by=("instance", *_OF_QUEUE),
        where={"messaging.rabbitmq.consumer.state": "deaf"},
    )
    > 0,
    # Longer than a process that is gone seems to be alive.
    lasts="2m",
    severity="critical",
    summary=f"{{{{ $labels.job }}}} no longer hears {_QUEUE}.",
    description="Consumers that process {{ $labels.instance }} lost and did not begin anew: "
    "{{ $value }}.",
    meaning=Text(
        "A consumer ended by no will of its own, its connection is still open, and for two "
        "minutes nothing took its place. The process lives, answers and gets no message.",
        "Потребитель прерван не по своей воле, соединение при этом открыто, и уже две минуты "
        "его никто не заменил. Процесс жив, отвечает и не получает ни одного сообщения.",
    ),
    impact=Text(
        "Nobody takes its share of the queue. If it was the only consumer, the queue stands still.",
        "Его долю сообщений никто не берёт. Если он был единственным, очередь стоит.",
    ),
    diagnosis=Text(
        "The reason of the loss says what happened. cancelled: the queue was deleted or its node "
        "left. channel_closed: an error of AMQP, such as settling a message twice, or a message "
        "that was held beyond consumer_timeout; the broker's log names the channel and the "
        "reason. Then ask why the program did not begin to consume again: most libraries do not "
        "by themselves.",
        "Что произошло, говорит причина потери. cancelled: очередь удалили или ушёл её узел. "
        "channel_closed: ошибка AMQP, например двойное подтверждение, или сообщение держали "
        "дольше consumer_timeout; канал и причину называет журнал брокера. Затем выясните, почему "
        "программа не подписалась снова: большинство библиотек сами этого не делают.",
    ),
    queries=(
        Query(
            increase(CONSUMER_LOSSES, by=(*_OF_QUEUE, "messaging.rabbitmq.loss.reason"), over="1h"),
            f"{_LEGEND} {{{{messaging_rabbitmq_loss_reason}}}}",
        ),
        Query(
            latest(CONSUMERS, by=(*_OF_QUEUE, "messaging.rabbitmq.consumer.state"), fold="sum"),
            f"{_LEGEND} {{{{messaging_rabbitmq_consumer_state}}}}",
        ),
    ),
    mitigation=Text(
        "Restart the process: it declares what it needs and consumes again. Messages wait in the "
        "queue meanwhile. Then let the program end, or subscribe again, when its consumer does.",
        "Перезапустите процесс: он объявит нужное и подпишется снова. Сообщения пока ждут в "
        "очереди. Потом научите программу завершаться или подписываться заново, когда "
        "потребитель прерван.",
    ),
    labels=_LABELS,
)

HELD = Alert(
    name="MessagesHeldTooLong",
    expr=alive(UNSETTLED_AGE, by=_OF_QUEUE, fold="max") > HELD_SECONDS,
    lasts="30s",
    severity="warning",
    summary=f"{{{{ $labels.job }}}} holds a message of {_QUEUE} and does not settle it.",
    description="The oldest one for {{ $value | humanizeDuration }}. After 30 minutes the broker "
    "closes the channel.",
    meaning=Text(
        f"A process has held a message for over {HELD_SECONDS / 60:g} minutes without "
        "acknowledging or refusing it. RabbitMQ closes its channel after 30 minutes "
        "(consumer_timeout) and gives all that it held to others, once more.",
        f"Процесс держит сообщение больше {HELD_SECONDS / 60:g} минут, не подтверждая его и не "
        "отказываясь. Через 30 минут (consumer_timeout) RabbitMQ закроет его канал и отдаст всё, "
        "что он держал, другим, ещё раз.",
    ),
    impact=Text(
        "That message waits, and keeps a place of the prefetch from others. When the channel is "
        "closed its work is done a second time, and the consumer may stay deaf.",
        "Это сообщение ждёт и занимает место в prefetch. Когда канал закроют, работу сделают "
        "второй раз, а потребитель может остаться глухим.",
    ),
    diagnosis=Text(
        "Does the handler still work on it? `py-spy dump --pid` shows where the process stands. "
        "If it waits for nothing, the message was forgotten: a branch that neither acknowledges "
        "nor refuses, a batch that is never full, a thread that died with it.",
        "Работает ли ещё над ним обработчик? Где стоит процесс, покажет `py-spy dump --pid`. Если "
        "он ничего не ждёт, о сообщении забыли: ветка, где нет ни подтверждения, ни отказа, "
        "пачка, которая никак не наберётся, или поток, умерший вместе с ним.",
    ),
    queries=(
        Query(latest(UNSETTLED_AGE, by=("instance", *_OF_QUEUE), fold="max"), _LEGEND),
        Query(latest(UNSETTLED, by=("instance", *_OF_QUEUE), fold="sum"), _LEGEND),
        Query(quantile(0.99, PROCESS_DURATION, by=_OF_QUEUE, over="30m"), f"{_LEGEND} takes"),
    ),
    mitigation=Text(
        "Restart the process: the broker gives the message to the next one. Work that takes so "
        "long by design is acknowledged when it is stored, and done from there.",
        "Перезапустите процесс: брокер отдаст сообщение следующему. Если работа по замыслу такая "
        "долгая, подтверждайте её, когда она сохранена, и выполняйте оттуда.",
    ),
    labels=_LABELS,
)

SKEWED = Alert(
    name="ClockSkewed",
    expr=increase(CLOCK_SKEWS, by=(*_OF_QUEUE, "messaging.rabbitmq.clock.skew"), over="10m")
    >= _SKEWED,
    lasts="5m",
    severity="warning",
    summary=f"The clock of who publishes into {_QUEUE} is {{{{ $labels."
    "messaging_rabbitmq_clock_skew }}.",
    description='Messages with a wrong time in 10 minutes: {{ $value | printf "%.0f" }}, as '
    "{{ $labels.job }} sees it.",
    meaning=Text(
        f"At least {_SKEWED} messages in ten minutes bear a time that cannot be: ahead is after "
        "their arrival, behind is more than a second before the broker took them. The clock of "
        "the publisher or that of the consumer is wrong.",
        f"Не меньше {_SKEWED} сообщений за десять минут несут время, которого быть не может: "
        "ahead — позже их прихода, behind — больше чем на секунду раньше, чем их принял брокер. "
        "Неверно идут часы издателя или потребителя.",
    ),
    impact=Text(
        "Times in the queue are wrong by as much, and so may be all else that this machine "
        "measures or signs. No message is lost.",
        "Время в очереди неверно на столько же, и всё остальное, что эта машина измеряет или "
        "подписывает, тоже может быть неверно. Сообщения не теряются.",
    ),
    diagnosis=Text(
        "All queues of one consumer: its own clock. All consumers of one publisher's messages: "
        "the publisher's; a trace names its host. `timedatectl` or `chronyc tracking` says "
        "whether the clock is kept right.",
        "Все очереди одного потребителя: его собственные часы. Все потребители сообщений одного "
        "издателя: часы издателя, его узел назовёт трасса. Сверяются ли часы, скажет "
        "`timedatectl` или `chronyc tracking`.",
    ),
    queries=(
        Query(
            increase(CLOCK_SKEWS, by=(*_OF_QUEUE, "messaging.rabbitmq.clock.skew"), over="1h"),
            f"{_LEGEND} {{{{messaging_rabbitmq_clock_skew}}}}",
        ),
    ),
    mitigation=Text(
        "Have the machine keep its time by NTP. With RabbitMQ 3.12 and later let the broker "
        "stamp messages (message_interceptors.incoming.set_header_timestamp.overwrite): then "
        "publishers' clocks no longer matter.",
        "Включите на машине сверку времени по NTP. В RabbitMQ 3.12 и новее пусть время "
        "проставляет брокер (message_interceptors.incoming.set_header_timestamp.overwrite): "
        "тогда часы издателей не важны.",
    ),
    labels=_LABELS,
    exemplars=selector(CLOCK_SKEWS, _SAME_QUEUE),
)


def alerts(wait_seconds: float = WAIT_SECONDS) -> tuple[Alert, ...]:
    """Return all of them; messages should not wait for longer than *wait_seconds*."""
    return (FAILS, wait_long(wait_seconds), DEAF, HELD, SKEWED)
