# SPDX-License-Identifier: Apache-2.0
"""Alerts about the broker: it is down, blocks publishers, loses messages or connections."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, latest, rate, written
from otel_setup.catalogue.scraped.broker import (
    ALARM_DISK,
    ALARM_MEMORY,
    CHANNELS_CLOSED,
    CONNECTIONS,
    CONNECTIONS_CLOSED,
    CONNECTIONS_OPENED,
    DEAD_LETTERED,
    DISK,
    DISK_LIMIT,
    LOGINS_FAILED,
    MEMORY,
    MEMORY_LIMIT,
    UNROUTABLE,
)
from otel_setup.catalogue.scraped.queues import (
    MESSAGES_PUBLISHED,
    MESSAGES_REDELIVERED,
    READY,
    of_queues,
)
from otel_setup.catalogue.scraped.targets import NO_ANSWER, UP, down

#: The job that scrapes the broker as a whole.
JOB = "rabbitmq"

#: From these shares of a limit on somebody should look.
MEMORY_SHARE, DISK_SHARE = 0.85, 0.5

#: So many connections in ten minutes are no deploy any more, if it goes on. One client that loses
#: its only connection every two minutes is enough.
CLOSED = 4

_BY = ["instance"]

DOWN = Alert(
    name="RabbitmqDown",
    expr=down(JOB),
    lasts="30s",
    severity="critical",
    summary="RabbitMQ does not answer.",
    description=f"RabbitMQ is away for 30 seconds: {NO_ANSWER}",
    meaning=Text(
        "The metrics page of the broker has not answered for 30 seconds. A restart takes less.",
        "Страница метрик брокера не отвечает уже 30 секунд. Перезапуск занимает меньше.",
    ),
    impact=Text(
        "No service hears of another: orders are taken and wait in the outboxes, nothing is "
        "priced, nobody is notified.",
        "Сервисы не слышат друг друга: заказы принимаются и ждут в исходящих, ничего не "
        "оценивается, никого не уведомляют.",
    ),
    diagnosis=Text(
        "Does the process run, and does port 5672 answer? Its log says why it ended: memory, "
        "disk, or a node name that changed. If 5672 answers and 15692 does not, only the plugin "
        "rabbitmq_prometheus is off and services are well.",
        "Работает ли процесс, отвечает ли порт 5672? Почему он завершился, сказано в его журнале: "
        "память, диск или сменившееся имя узла. Если 5672 отвечает, а 15692 нет, выключен только "
        "плагин rabbitmq_prometheus, а с сервисами всё в порядке.",
    ),
    queries=(
        Query(latest(UP, where={"job": f"~{JOB}.*"}), "{{job}} {{instance}}"),
        Query(latest(MEMORY) / latest(MEMORY_LIMIT), "memory"),
    ),
    mitigation=Text(
        "Start the broker. Durable queues and persistent messages come back with it, services "
        "connect by themselves and publish what waited in their outboxes. Never delete its data "
        "folder to make it start.",
        "Запустите брокер. Вместе с ним вернутся очереди и сохранённые сообщения, сервисы "
        "подключатся сами и опубликуют то, что ждало. Никогда не удаляйте его каталог данных, "
        "лишь бы он запустился.",
    ),
    dashboard="rabbitmq",
)


def _alarm() -> Expr:
    memory, disk = (
        f'label_replace(max by (instance) ({each.name}) > 0, "alarm", "{alarm}", "", "")'
        for alarm, each in (("memory", ALARM_MEMORY), ("disk", ALARM_DISK))
    )
    return written(f"{memory} or {disk}", ALARM_MEMORY.unit, ALARM_MEMORY, ALARM_DISK)


ALARM = Alert(
    name="RabbitmqAlarm",
    expr=_alarm(),
    lasts="15s",
    severity="critical",
    summary="RabbitMQ blocks all publishers: {{ $labels.alarm }} alarm.",
    description="The {{ $labels.alarm }} alarm of {{ $labels.instance }} is on ({{ $value }}), so "
    "publishers wait.",
    meaning=Text(
        "The broker ran into its memory or disk limit and no longer reads from publishers.",
        "Брокер упёрся в предел памяти или диска и больше не читает у издателей.",
    ),
    impact=Text(
        "Publishing hangs without an error in every service; consumers go on.",
        "Публикация зависает без ошибки во всех сервисах; потребители работают дальше.",
    ),
    diagnosis=Text(
        "Memory: which queue is large? `rabbitmq-diagnostics memory_breakdown` says what holds "
        "it. Disk: what else fills the disk of the broker?",
        "Память: какая очередь велика? Чем она занята, скажет `rabbitmq-diagnostics "
        "memory_breakdown`. Диск: что ещё занимает диск брокера?",
    ),
    queries=(
        Query(latest(MEMORY) / latest(MEMORY_LIMIT), "{{instance}}"),
        Query(latest(DISK), "{{instance}}"),
        Query(of_queues(READY), "{{queue}}"),
    ),
    mitigation=Text(
        "Let consumers empty the large queues: start the missing ones. Free space on the disk. "
        "As a last resort raise the limit (`rabbitmqctl set_vm_memory_high_watermark`) if the "
        "machine has memory left. The alarm ends by itself.",
        "Дайте потребителям разобрать большие очереди: запустите недостающих. Освободите диск. В "
        "крайнем случае поднимите предел (`rabbitmqctl set_vm_memory_high_watermark`), если на "
        "машине есть память. Тревога снимется сама.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown",),
)

MEMORY_NEAR_LIMIT = Alert(
    name="RabbitmqMemoryNearLimit",
    expr=latest(MEMORY, by=_BY, fold="max") / latest(MEMORY_LIMIT, by=_BY, fold="max")
    > MEMORY_SHARE,
    lasts="5m",
    severity="warning",
    summary="RabbitMQ comes close to its memory limit.",
    description="{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the memory at "
    "which it blocks publishers.",
    meaning=Text(
        f"The broker has used more than {MEMORY_SHARE:.0%} of its memory limit for five minutes.",
        f"Брокер уже пять минут занимает больше {MEMORY_SHARE * 100:.0f} % предела памяти.",
    ),
    impact=Text(
        "None yet. At the limit every publisher is blocked.",
        "Пока никакого. На пределе блокируются все издатели.",
    ),
    diagnosis=Text(
        "Waiting messages are the usual reason: which queue grows? Otherwise count connections "
        "and channels, each costs memory.",
        "Обычная причина: ожидающие сообщения. Какая очередь растёт? Если не в них дело, "
        "сосчитайте соединения и каналы: память нужна каждому.",
    ),
    queries=(
        Query(of_queues(READY), "{{queue}}"),
        Query(latest(CONNECTIONS), "{{instance}}"),
    ),
    mitigation=Text(
        "Empty the queue that grows: start its consumers. Give the broker more memory if this is "
        "its normal load.",
        "Разберите растущую очередь: запустите её потребителей. Если это обычная нагрузка, дайте "
        "брокеру больше памяти.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown", "RabbitmqAlarm"),
    inhibited_on=("instance",),
)

DISK_NEAR_LIMIT = Alert(
    name="RabbitmqDiskNearLimit",
    expr=latest(DISK_LIMIT, by=_BY, fold="max") / latest(DISK, by=_BY, fold="min") > DISK_SHARE,
    lasts="1m",
    severity="warning",
    summary="The disk of RabbitMQ is nearly full.",
    description="The free space that {{ $labels.instance }} needs is {{ $value | "
    "humanizePercentage }} of what it has; at 100 % it blocks publishers.",
    meaning=Text(
        "Less than twice the free space is left below which the broker blocks publishers.",
        "Свободного места меньше двойного предела, ниже которого брокер блокирует издателей.",
    ),
    impact=Text(
        "None yet. At the limit every publisher is blocked.",
        "Пока никакого. На пределе блокируются все издатели.",
    ),
    diagnosis=Text(
        "What fills the disk: the broker's data folder, its logs, or a neighbour?",
        "Что занимает диск: данные брокера, его журналы или сосед?",
    ),
    queries=(Query(latest(DISK), "{{instance}}"), Query(of_queues(READY), "{{queue}}")),
    mitigation=Text(
        "Free space, or move what does not belong to the broker to another disk.",
        "Освободите место или перенесите чужое на другой диск.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown", "RabbitmqAlarm"),
    inhibited_on=("instance",),
)

_DIED = (
    Query(latest(DEAD_LETTERED) > 0, "{{reason}}, {{dead_letter_strategy}}"),
    Query(of_queues(READY, queue="~.*(dead|dlq|dlx).*"), "{{queue}}"),
)

DEAD = Alert(
    name="MessagesDeadLettered",
    expr=latest(DEAD_LETTERED, where={"dead_letter_strategy": "!disabled"}) > 0,
    lasts="0s",
    severity="critical",
    summary="Messages could not be processed and were dead-lettered ({{ $labels.reason }}).",
    description='Dead-lettered in the last 5 minutes: {{ printf "%.0f" $value }} '
    "(reason {{ $labels.reason }}).",
    meaning=Text(
        "Messages were given up and moved to the dead-letter exchange: a consumer refused them, "
        "they were given out too often, nobody took them in time, or their queue was full. Tells "
        "at once, and ends five minutes after the last one.",
        "От сообщений отказались, и они ушли в обменник погибших: потребитель их отверг, их "
        "отдавали слишком много раз, никто не забрал вовремя или очередь была полна. Сообщает "
        "сразу и гаснет через пять минут после последнего.",
    ),
    impact=Text(
        "What they asked for does not happen until somebody sends them again: an order is not "
        "priced, a customer is not told.",
        "То, ради чего их послали, не случится, пока их не отправят снова: заказ не оценят, "
        "клиенту не сообщат.",
    ),
    diagnosis=Text(
        "Open the dead-letter queue in the management page and look at a message's x-death "
        "header: from which queue, why, how often. Its traceparent header leads to the trace "
        "with the exception.",
        "Откройте очередь погибших на странице управления и посмотрите заголовок x-death "
        "сообщения: из какой очереди, почему, сколько раз. Заголовок traceparent ведёт к трассе "
        "с исключением.",
    ),
    queries=(*_DIED, Query(of_queues(MESSAGES_REDELIVERED), "{{queue}}")),
    mitigation=Text(
        "Mend the cause, then move the messages back from the dead-letter queue to the queue "
        "that they came from. They carry all that is needed; do not purge the queue.",
        "Устраните причину и верните сообщения из очереди погибших туда, откуда они пришли. В "
        "них есть всё нужное; не очищайте очередь.",
    ),
    dashboard="rabbitmq",
)

LOST = Alert(
    name="MessagesLost",
    expr=latest(DEAD_LETTERED, where={"dead_letter_strategy": "disabled"}) > 0,
    lasts="0s",
    severity="critical",
    summary="Messages died without a dead-letter exchange and are lost ({{ $labels.reason }}).",
    description='Thrown away in the last 5 minutes: {{ printf "%.0f" $value }} '
    "(reason {{ $labels.reason }}).",
    meaning=Text(
        "Messages died in a queue that has no dead-letter exchange. The broker threw them away.",
        "Сообщения погибли в очереди, у которой нет обменника погибших. Брокер их выбросил.",
    ),
    impact=Text(
        "They are gone, and nobody was told. What they asked for does not happen.",
        "Их больше нет, и никто об этом не узнал. То, ради чего их послали, не случится.",
    ),
    diagnosis=Text(
        "Which queues have no exchange? `rabbitmqctl list_queues name arguments policy`. The "
        "reason says what happened: rejected by the consumer, expired, maxlen (full), or given "
        "out too often.",
        "У каких очередей нет обменника? `rabbitmqctl list_queues name arguments policy`. "
        "Причина говорит, что случилось: отвергнуто потребителем, истёк срок, очередь полна или "
        "слишком много выдач.",
    ),
    queries=(*_DIED, Query(of_queues(MESSAGES_PUBLISHED), "{{queue}}")),
    mitigation=Text(
        "Give the queue a dead-letter exchange, by a policy this works without declaring it "
        "anew. Publish again what was lost: the senders' outboxes and traces say what it was. A "
        "queue whose messages may expire by design should not be a queue of orders.",
        "Задайте очереди обменник погибших: политикой это можно сделать, не создавая её заново. "
        "Опубликуйте потерянное снова: что это было, знают исходящие отправителей и трассы. "
        "Очередь, где сообщениям положено истекать, не должна быть очередью заказов.",
    ),
    dashboard="rabbitmq",
)

NOWHERE = Alert(
    name="MessagesUnroutable",
    expr=latest(UNROUTABLE) > 0,
    lasts="0s",
    severity="critical",
    summary="Published messages match no queue and are {{ $labels.outcome }}.",
    description='Without a queue in the last 5 minutes: {{ printf "%.0f" $value }}, all '
    "{{ $labels.outcome }}.",
    meaning=Text(
        "The broker found no queue for a message. If the publisher asked for it (mandatory), it "
        "got the message back; otherwise the message was dropped, that is lost.",
        "Брокер не нашёл для сообщения очереди. Если издатель просил об этом (mandatory), он "
        "получил сообщение обратно; иначе оно выброшено, то есть потеряно.",
    ),
    impact=Text(
        "dropped: nobody will ever hear of it. returned: it waits with the publisher, and what "
        "it asked for does not happen yet.",
        "dropped: о нём никто никогда не узнает. returned: оно ждёт у издателя, и то, ради чего "
        "оно послано, пока не происходит.",
    ),
    diagnosis=Text(
        "Compare `rabbitmqctl list_bindings` with what is published: a queue was deleted, a "
        "binding is missing, or a routing key is new or misspelt.",
        "Сравните `rabbitmqctl list_bindings` с тем, что публикуют: очередь удалили, привязки "
        "нет, или ключ маршрутизации новый либо с опечаткой.",
    ),
    queries=(
        Query(latest(UNROUTABLE), "{{outcome}}"),
        Query(of_queues(MESSAGES_PUBLISHED), "{{queue}}"),
    ),
    mitigation=Text(
        "Restore the queue or the binding; services that declare what they need do so when they "
        "connect, so restarting them is enough. Returned messages are sent again by an outbox, "
        "dropped ones must be published again.",
        "Верните очередь или привязку; сервисы, которые объявляют нужное сами, делают это при "
        "подключении, и достаточно их перезапустить. Возвращённые сообщения исходящие отправят "
        "снова, выброшенные нужно опубликовать повторно.",
    ),
    dashboard="rabbitmq",
)

FLAP = Alert(
    name="ConnectionsFlap",
    expr=(increase(CONNECTIONS_CLOSED, by=_BY, over="10m") > CLOSED).and_on(
        increase(CONNECTIONS_CLOSED, by=_BY, over="3m") > 0, "instance"
    ),
    lasts="5m",
    severity="warning",
    summary="Connections to RabbitMQ keep breaking.",
    description='{{ printf "%.0f" $value }} connections to {{ $labels.instance }} ended in the '
    "last 10 minutes, and it goes on.",
    meaning=Text(
        f"More than {CLOSED} connections ended in ten minutes, and it has gone on for five "
        "minutes. A deploy closes many at once and is over.",
        f"За десять минут закрылось больше {CLOSED} соединений, и это длится уже пять минут. При "
        "выкатке они закрываются разом, и всё.",
    ),
    impact=Text(
        "Each break gives the messages in work to somebody else, once more; publishing stops "
        "for seconds.",
        "При каждом обрыве сообщения в работе достаются другому ещё раз, а публикация на "
        "секунды прерывается.",
    ),
    diagnosis=Text(
        "The broker's log names each closed connection and the reason: missed heartbeats mean a "
        "client that is too busy or a bad network, refused logins a wrong password. Opened and "
        "closed in equal numbers mean a client that connects for every message.",
        "Журнал брокера называет каждое закрытое соединение и причину: пропущенные heartbeat "
        "означают занятого клиента или плохую сеть, отказы во входе: неверный пароль. Если "
        "открытий столько же, кто-то подключается ради каждого сообщения.",
    ),
    queries=(
        Query(rate(CONNECTIONS_OPENED, by=_BY, over="5m"), "opened"),
        Query(rate(CONNECTIONS_CLOSED, by=_BY, over="5m"), "closed"),
        Query(rate(CHANNELS_CLOSED, by=_BY, over="5m"), "channels closed"),
        Query(increase(LOGINS_FAILED, by=["protocol"], over="5m"), "{{protocol}} logins refused"),
    ),
    mitigation=Text(
        "Restart the client that flaps, or go back to its version before. If all of them flap, "
        "it is the network or the broker.",
        "Перезапустите клиента, который мечется, или верните его прежнюю версию. Если мечутся "
        "все, дело в сети или в брокере.",
    ),
    dashboard="rabbitmq",
    inhibited_by=("RabbitmqDown",),
)

ALERTS = (DOWN, ALARM, MEMORY_NEAR_LIMIT, DISK_NEAR_LIMIT, DEAD, LOST, NOWHERE, FLAP)
