# SPDX-License-Identifier: Apache-2.0
"""Alerts about clients of the broker: what they publish is not taken, or they lose connections."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
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
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, latest, quantile, rate, selector

#: A broker that works confirms within a fraction of a second.
UNCONFIRMED_SECONDS = 30.0

#: Connections that are blocked, on average over a minute.
BLOCKED = 0.2

#: So many in a quarter of an hour, and one in the last five minutes: it goes on.
_DROPPED = 3

_JOB = ["job"]
_REASON = "messaging.rabbitmq.close.reason"
_PUBLISHED = ("job", "messaging.destination.name", "error.type")
#: What was tried and did not succeed.
FAILED = {"error.type": "!"}
#: Who wanted to go is no loss, and being blocked has an alert of its own.
DROPPED = {_REASON: "~broker|heartbeat|lost"}

NOT_PUBLISHED = Alert(
    name="PublishingFails",
    expr=(increase(SENT, by=_PUBLISHED, where=FAILED, over="5m") > 0).and_on(
        # And it goes on: what a restart of the broker broke off is published again, or was lost.
        increase(SENT, by=_PUBLISHED, where=FAILED, over="2m") > 0,
        *_PUBLISHED,
    ),
    lasts="2m",
    severity="warning",
    summary="{{ $labels.job }} cannot publish to {{ $labels.messaging_destination_name }}.",
    description='Messages that were not taken in 5 minutes: {{ $value | printf "%.0f" }} '
    "({{ $labels.error_type }}), and it goes on.",
    meaning=Text(
        "For two minutes messages have been published that the broker did not take. returned: no "
        "queue wanted them; nack: the broker could not store them; lost: the connection ended "
        "before the answer; anything else is an exception of the client.",
        "Уже две минуты брокер не принимает публикуемые сообщения. returned: их не взяла ни одна "
        "очередь; nack: брокер не смог их сохранить; lost: соединение закрылось раньше ответа; "
        "всё остальное — исключение клиента.",
    ),
    impact=Text(
        "Without an outbox these messages are lost, and nobody does what they ask for; with one "
        "they wait.",
        "Без outbox эти сообщения потеряны, и того, ради чего они посланы, никто не сделает; с "
        "ним они ждут.",
    ),
    diagnosis=Text(
        "returned: compare `rabbitmqctl list_bindings` with the routing key in the name of the "
        "destination. nack: a queue that is full and refuses, or one without a leader. lost: do "
        "connections break? An exception: its class and the trace say where.",
        "returned: сравните `rabbitmqctl list_bindings` с ключом в имени назначения. nack: "
        "очередь полна и отказывает или осталась без лидера. lost: рвутся ли соединения? При "
        "исключении место укажут его класс и трасса.",
    ),
    queries=(
        Query(
            increase(SENT, by=_PUBLISHED, where=FAILED, over="15m"),
            "{{job}} {{messaging_destination_name}} {{error_type}}",
        ),
        Query(
            increase(CONFIRM_DURATION, by=("job", "messaging.rabbitmq.confirmation"), over="15m"),
            "{{job}} {{messaging_rabbitmq_confirmation}}",
        ),
    ),
    mitigation=Text(
        "Restore the queue, the binding or the broker; services that declare what they need do "
        "so when they connect. Publish again what was lost: the traces say what it was.",
        "Верните очередь, привязку или брокера; сервисы, которые объявляют нужное сами, делают "
        "это при подключении. Потерянное опубликуйте снова: что это было, скажут трассы.",
    ),
    exemplars=selector(
        SENT,
        {
            "job": "{{ $labels.job }}",
            "messaging.destination.name": "{{ $labels.messaging_destination_name }}",
            "error.type": "{{ $labels.error_type }}",
        },
    ),
    inhibited_by=("PublishersBlocked",),
)

UNANSWERED = Alert(
    name="ConfirmsMissing",
    expr=alive(UNCONFIRMED_AGE, by=_JOB, fold="max") > UNCONFIRMED_SECONDS,
    lasts="30s",
    severity="critical",
    summary="The broker takes messages of {{ $labels.job }} and does not confirm them.",
    description="The oldest one waits for {{ $value | humanizeDuration }}.",
    meaning=Text(
        f"A message was published over {UNCONFIRMED_SECONDS:g} s ago, and the broker has neither "
        "confirmed nor refused it. It confirms what is safe on disk, or with a majority.",
        f"Сообщение опубликовано больше {UNCONFIRMED_SECONDS:g} с назад, а брокер его не "
        "подтвердил и не отклонил. Подтверждает он то, что надёжно лежит на диске или у "
        "большинства узлов.",
    ),
    impact=Text(
        "Whoever waits for the confirm hangs. What is not confirmed is lost with the process "
        "that has no copy of it.",
        "Кто ждёт подтверждения, висит. Неподтверждённое пропадёт вместе с процессом, если у "
        "него нет копии.",
    ),
    diagnosis=Text(
        "Has the quorum queue a majority (`rabbitmq-queues quorum_status <queue>`)? Is the disk "
        "of the broker slow or full? An alarm of the broker stops publishers in the same way; "
        "then PublishersBlocked fires too.",
        "Есть ли у кворумной очереди большинство (`rabbitmq-queues quorum_status <очередь>`)? Не "
        "медленный ли, не полный ли у брокера диск? Тревога брокера останавливает издателей так "
        "же; тогда горит и PublishersBlocked.",
    ),
    queries=(
        Query(latest(UNCONFIRMED, by=("job", "instance"), fold="sum"), "{{job}} {{instance}}"),
        Query(quantile(0.99, CONFIRM_DURATION, by=_JOB, over="15m"), "{{job}}"),
        Query(
            increase(CONFIRM_DURATION, by=("job", "messaging.rabbitmq.confirmation"), over="15m"),
            "{{job}} {{messaging_rabbitmq_confirmation}}",
        ),
    ),
    mitigation=Text(
        "Bring the missing nodes back, or give the broker its disk. Do not restart publishers "
        "that keep no copy: they would lose what is not confirmed.",
        "Верните недостающие узлы или освободите брокеру диск. Не перезапускайте издателей, у "
        "которых нет копии: они потеряют неподтверждённое.",
    ),
    inhibited_by=("PublishersBlocked",),
)

PUBLISHERS_BLOCKED = Alert(
    name="PublishersBlocked",
    expr=rate(BLOCKED_TIME, by=_JOB, over="1m") > BLOCKED,
    lasts="30s",
    severity="critical",
    summary="The broker takes no messages from {{ $labels.job }}.",
    description="Connections that were blocked in the last minute, on average: "
    '{{ $value | printf "%.1f" }}.',
    meaning=Text(
        "The broker told publishers to stop: it has no memory or no disk left. Connections of "
        "this service have been blocked for at least a fifth of a minute, and still are.",
        "Брокер велел издателям остановиться: у него кончилась память или место на диске. "
        "Соединения этого сервиса заблокированы не меньше пятой части минуты, и это продолжается.",
    ),
    impact=Text(
        "Publishing hangs without an error, and so does whatever waits for it; consumers go on.",
        "Публикация зависает без ошибки, и всё, что её ждёт, тоже; потребители работают дальше.",
    ),
    diagnosis=Text(
        "`rabbitmq-diagnostics alarms` names the alarm. Memory: which queue is large? Disk: what "
        "fills it?",
        "Какая тревога, скажет `rabbitmq-diagnostics alarms`. Память: какая очередь велика? "
        "Диск: чем он занят?",
    ),
    queries=(
        Query(latest(CONNECTIONS_BLOCKED, by=_JOB, fold="sum"), "{{job}} now"),
        Query(rate(BLOCKED_TIME, by=("job", "instance"), over="5m"), "{{job}} {{instance}}"),
    ),
    mitigation=Text(
        "Let consumers empty the large queues, free space on the broker's disk, or raise its "
        "limit. Publishers go on by themselves.",
        "Дайте потребителям разобрать большие очереди, освободите диск брокера или поднимите его "
        "предел. Издатели продолжат сами.",
    ),
)

CONNECTIONS_DROPPED = Alert(
    name="ClientsLoseConnections",
    expr=(
        increase(CONNECTION_CLOSES, by=("job", _REASON), where=DROPPED, over="15m") >= _DROPPED
    ).and_on(
        # A restart of the broker drops many at once and is over.
        increase(CONNECTION_CLOSES, by=("job", _REASON), where=DROPPED, over="5m") > 0,
        "job",
        _REASON,
    ),
    lasts="5m",
    severity="warning",
    summary="{{ $labels.job }} keeps losing its connections to RabbitMQ.",
    description='Lost in 15 minutes: {{ $value | printf "%.0f" }} '
    "({{ $labels.messaging_rabbitmq_close_reason }}), and it goes on.",
    meaning=Text(
        f"A service has lost at least {_DROPPED} connections in a quarter of an hour for the same "
        "reason, and for five minutes it has not ended. A restart of the broker closes all at "
        "once and is over.",
        f"Сервис за четверть часа потерял не меньше {_DROPPED} соединений по одной причине, и "
        "уже пять минут это не прекращается. При перезапуске брокера они закрываются разом, и "
        "всё.",
    ),
    impact=Text(
        "Each break gives the messages in hand to somebody else, once more, and stops publishing "
        "until the service is connected again.",
        "При каждом обрыве сообщения в работе достаются другому ещё раз, а публикация "
        "прерывается, пока сервис не подключится.",
    ),
    diagnosis=Text(
        "heartbeat: the process was too busy to answer, so a handler blocks its loop or holds "
        "the thread of the connection; or the network swallows packets. lost: the network, a "
        "proxy that closes idle connections, or a broker that was killed. broker: it says why in "
        "its log and in the exception of the client.",
        "heartbeat: процесс был слишком занят, чтобы ответить: обработчик блокирует цикл или "
        "поток соединения; либо сеть теряет пакеты. lost: сеть, прокси, закрывающий "
        "простаивающие соединения, или убитый брокер. broker: причину он называет в журнале и в "
        "исключении клиента.",
    ),
    queries=(
        Query(
            increase(CONNECTION_CLOSES, by=("job", "instance", _REASON), over="15m"),
            "{{job}} {{instance}} {{messaging_rabbitmq_close_reason}}",
        ),
        Query(increase(CONNECTION_OPENS, by=("job", "error.type"), over="15m"), "{{job}}"),
        Query(latest(CONNECTIONS, by=_JOB, fold="sum"), "{{job}} open"),
    ),
    mitigation=Text(
        "heartbeat: move long work off the thread of the connection, or raise the interval of "
        "the heartbeat. lost: go back to the network or proxy of before.",
        "heartbeat: уберите долгую работу из потока соединения или увеличьте интервал heartbeat. "
        "lost: верните прежнюю сеть или прокси.",
    ),
)

UNCONNECTED = Alert(
    name="ClientCannotConnect",
    expr=increase(CONNECTION_OPENS, by=("job", "error.type"), where=FAILED, over="1m") > 0,
    # Twice the window: a few attempts during a restart of the broker are no fault.
    lasts="2m",
    severity="critical",
    summary="{{ $labels.job }} cannot connect to RabbitMQ.",
    description='Failed attempts in a minute: {{ $value | printf "%.0f" }} '
    "({{ $labels.error_type }}).",
    meaning=Text(
        "For two minutes a service has tried to connect to the broker and failed. The broker "
        "does not see who cannot reach it.",
        "Сервис уже две минуты пытается подключиться к брокеру, и не может. Тех, кто до него не "
        "достучался, брокер не видит.",
    ),
    impact=Text(
        "That process gets no message and sends none; it may look well otherwise.",
        "Этот процесс не получает и не отправляет сообщений, хотя в остальном может выглядеть "
        "здоровым.",
    ),
    diagnosis=Text(
        "The class of the exception says most. Refused: the broker does not run there, or the "
        "address is wrong. A time-out or an unknown name: network or DNS. ProbableAuthentication"
        "Error, ProbableAccessDeniedError: user, password or virtual host. An error of TLS: a "
        "certificate that ended.",
        "Больше всего говорит класс исключения. Отказ в соединении: брокер там не запущен или "
        "адрес неверен. Тайм-аут или неизвестное имя: сеть или DNS. ProbableAuthenticationError, "
        "ProbableAccessDeniedError: пользователь, пароль или виртуальный хост. Ошибка TLS: "
        "сертификат истёк.",
    ),
    queries=(
        Query(
            increase(CONNECTION_OPENS, by=("job", "instance", "error.type"), over="15m"),
            "{{job}} {{instance}} {{error_type}}",
        ),
        Query(latest(CONNECTIONS, by=_JOB, fold="sum"), "{{job}} open"),
        Query(
            rate(OPERATION_DURATION, by=("job", "messaging.operation.name"), over="5m"),
            "{{job}} {{messaging_operation_name}}",
        ),
    ),
    mitigation=Text(
        "Correct address, password or network; if a deployment changed them, roll it back. "
        "Services connect again by themselves.",
        "Исправьте адрес, пароль или сеть; если их изменила выкатка, откатите. Сервисы "
        "подключатся сами.",
    ),
)

ALERTS = (NOT_PUBLISHED, UNANSWERED, PUBLISHERS_BLOCKED, CONNECTIONS_DROPPED, UNCONNECTED)
