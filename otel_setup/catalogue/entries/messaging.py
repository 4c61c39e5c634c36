# SPDX-License-Identifier: Apache-2.0
"""
Metrics of RabbitMQ's clients.

The first four have the names of the semantic conventions (messaging namespace, in development).
These have no metric for the time in a queue, for what became of a message, or for the state of a
client; the others fill that gap under ``messaging.rabbitmq``.
"""

from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    Counter,
    Gauge,
    Histogram,
    Label,
    Method,
    Text,
)

OPERATIONS = ("publish", "consume", "get", "process", "ack", "nack", "reject")

_OPERATION = {
    "messaging.system": Label(Text("kind of the broker", "вид брокера"), ("rabbitmq",)),
    "messaging.operation.name": Label(
        Text("what the client did, by the library's name", "что делал клиент, в словах библиотеки"),
        OPERATIONS,
    ),
    "messaging.destination.name": Label(
        Text(
            "exchange:routing key, and :queue where one consumes; ids in it are replaced by {id}",
            "обменник:ключ маршрутизации, у потребителя ещё :очередь; идентификаторы заменены "
            "на {id}",
        ),
        at_most=200,
    ),
    "server.address": Label(Text("host of the broker", "узел брокера"), at_most=20),
}
_ERROR = {
    "error.type": Label(
        Text(
            "class of the exception, or what became of the message: reject or requeue when it was "
            "turned down, returned, nack, lost or timeout when it was published; absent when all "
            "went well",
            "класс исключения или судьба сообщения: reject или requeue, если его не приняли, "
            "returned, nack, lost или timeout при публикации; отсутствует, если всё прошло хорошо",
        ),
        at_most=40,
    ),
}
_OF_QUEUE = {
    "messaging.rabbitmq.queue.name": Label(
        Text(
            "queue; those that the broker named are (anonymous)",
            "очередь; названные самим брокером: (anonymous)",
        ),
        at_most=100,
    ),
}

SENT = Counter(
    name="messaging.client.sent.messages",
    unit="{message}",
    description=Text(
        "Messages that a client tried to send.", "Сообщения, которые клиент пытался отправить."
    ),
    why=Text(
        "Says whether a service still speaks to the others, and which of its messages the broker "
        "did not take.",
        "Показывает, говорит ли ещё сервис с остальными и какие его сообщения брокер не принял.",
    ),
    attributes={**_OPERATION, **_ERROR},
    method=Method.RATE,
)

CONSUMED = Counter(
    name="messaging.client.consumed.messages",
    unit="{message}",
    description=Text(
        "Messages that were delivered to a client, each delivery counts.",
        "Сообщения, доставленные клиенту; считается каждая доставка.",
    ),
    why=Text(
        "Says whether a consumer gets anything at all, as it sees it itself.",
        "Показывает глазами самого потребителя, получает ли он хоть что-то.",
    ),
    attributes={**_OPERATION, **_OF_QUEUE},
    method=Method.RATE,
    no_alert=Text(
        "A consumer that gets nothing may have nothing to do.",
        "Потребителю, который ничего не получает, может быть нечего делать.",
    ),
)

OPERATION_DURATION = Histogram(
    name="messaging.client.operation.duration",
    unit="s",
    description=Text(
        "Duration of what a client asks the broker for; publishing lasts until the confirm.",
        "Длительность операций клиента с брокером; публикация длится до подтверждения.",
    ),
    why=Text(
        "A slow broker makes every publisher slow: this tells it from a slow service.",
        "Медленный брокер тормозит каждого издателя: здесь видно, что тормозит он, а не сервис.",
    ),
    attributes={
        **_OPERATION,
        "messaging.operation.type": Label(
            Text("kind of the operation", "вид операции"), ("send", "receive", "settle")
        ),
        **_ERROR,
    },
    method=Method.DURATION,
    no_alert=Text(
        "Who waits for a slow broker alerts himself; this says why.",
        "О медленном брокере сообщит тот, кто его ждёт; здесь видно почему.",
    ),
)

PROCESS_DURATION = Histogram(
    name="messaging.process.duration",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time that a consumer spent on a message.",
        "Время, которое потребитель потратил на сообщение.",
    ),
    why=Text(
        "How many messages a consumer gets done, how many fail and why: what no broker knows.",
        "Сколько сообщений потребитель обработал, сколько не смог и почему: этого брокер не знает.",
    ),
    attributes={**_OPERATION, **_OF_QUEUE, **_ERROR},
    method=Method.DURATION,
)

QUEUE_DURATION = Histogram(
    name="messaging.rabbitmq.queue.duration",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description=Text(
        "Time from the publishing of a message until a consumer began with it.",
        "Время от публикации сообщения до начала его обработки.",
    ),
    why=Text(
        "How long somebody waits before anybody begins. The length of a queue does not say it: "
        "a thousand messages may be a second or a day.",
        "Сколько ждут, пока за сообщение возьмутся. Длина очереди этого не говорит: тысяча "
        "сообщений может быть и секундой, и днём.",
    ),
    attributes={
        **_OF_QUEUE,
        "messaging.rabbitmq.redelivered": Label(
            Text(
                "true: it was delivered before, and the time counts from its publishing",
                "true: сообщение уже доставлялось, время считается от его публикации",
            ),
            ("false", "true"),
        ),
        "messaging.rabbitmq.clock": Label(
            Text(
                "whose clock took the beginning: the broker's, the publisher's, or the broker's "
                "when the message came here as a dead letter, in whole seconds",
                "по чьим часам взято начало: брокера, издателя или брокера в момент, когда "
                "сообщение попало сюда как погибшее, с точностью до секунды",
            ),
            ("broker", "death", "publisher"),
        ),
    },
    method=Method.LATENCY,
)

CLOCK_SKEWS = Counter(
    name="messaging.rabbitmq.clock.skews",
    unit="{message}",
    description=Text(
        "Messages whose publisher's clock was wrong.",
        "Сообщения, у издателя которых неверно шли часы.",
    ),
    why=Text(
        "Times in the queue are as true as the clocks: this says when not to believe them.",
        "Время в очереди верно настолько, насколько верны часы: здесь видно, когда ему не верить.",
    ),
    attributes={
        **_OF_QUEUE,
        "messaging.rabbitmq.clock.skew": Label(
            Text(
                "ahead: the message seemed to come from the future; behind: the broker's stamp is "
                "over a second later than the publisher's",
                "ahead: сообщение как будто из будущего; behind: отметка брокера больше чем на "
                "секунду позже отметки издателя",
            ),
            ("ahead", "behind"),
        ),
    },
    method=Method.ERRORS,
)

SETTLED = Counter(
    name="messaging.rabbitmq.settled.messages",
    unit="{message}",
    description=Text(
        "Messages that a consumer settled, by how.",
        "Сообщения, судьбу которых потребитель решил, и как.",
    ),
    why=Text(
        "A consumer that sends everything back looks busy and does nothing.",
        "Потребитель, который всё возвращает, выглядит занятым и ничего не делает.",
    ),
    attributes={
        **_OF_QUEUE,
        "messaging.rabbitmq.settlement": Label(
            Text(
                "ack: done; requeue: back into the queue; reject: to the dead letters, or lost",
                "ack: сделано; requeue: обратно в очередь; reject: к погибшим, если их собирают, "
                "иначе потеряно",
            ),
            ("ack", "reject", "requeue"),
        ),
    },
    method=Method.RATE,
    no_alert=Text(
        "Turning a message down may be a way to wait; what fails is told where it fails.",
        "Отказ от сообщения бывает и способом подождать; об ошибке скажет тот, у кого она.",
    ),
)

REDELIVERED = Counter(
    name="messaging.rabbitmq.redelivered.messages",
    unit="{message}",
    description=Text(
        "Messages that the client got although they were delivered before.",
        "Сообщения, полученные клиентом не в первый раз.",
    ),
    why=Text(
        "Work that is done twice: somebody fails, or dies, with these messages.",
        "Работа, которую делают дважды: кто-то на этих сообщениях падает.",
    ),
    attributes=_OF_QUEUE,
    method=Method.ERRORS,
    no_alert=Text(
        "Each restart gives messages out anew; what fails is told where it fails.",
        "Перезапуск выдаёт сообщения заново; об ошибке скажет тот, у кого она случилась.",
    ),
)

INVALID_CONTEXTS = Counter(
    name="messaging.rabbitmq.invalid.contexts",
    unit="{message}",
    description=Text(
        "Messages whose trace headers could not be read.",
        "Сообщения, заголовки трассы в которых не читаются.",
    ),
    why=Text(
        "Their traces begin anew: a publisher writes headers that are none.",
        "Их трассы начинаются заново: какой-то издатель пишет негодные заголовки.",
    ),
    attributes=_OF_QUEUE,
    method=Method.ERRORS,
    no_alert=Text(
        "It costs a trace, and no message.",
        "Страдает трасса, а не сообщение.",
    ),
)

UNSETTLED = Gauge(
    name="messaging.rabbitmq.unsettled.messages",
    unit="{message}",
    description=Text(
        "Messages that this process holds and has not settled.",
        "Сообщения, которые держит этот процесс и судьбу которых не решил.",
    ),
    why=Text(
        "Says which process holds what the broker shows as unacked.",
        "Показывает, какой процесс держит то, что у брокера числится в работе.",
    ),
    attributes=_OF_QUEUE,
    method=Method.SATURATION,
    no_alert=Text(
        "Many may be right; MessagesHeldTooLong looks at their age.",
        "Много — не всегда плохо; MessagesHeldTooLong смотрит на возраст.",
    ),
)

UNSETTLED_AGE = Gauge(
    name="messaging.rabbitmq.unsettled.age",
    unit="s",
    description=Text(
        "How long this process holds the oldest message that it has not settled.",
        "Как давно процесс держит самое старое из неподтверждённых сообщений.",
    ),
    why=Text(
        "A consumer that hangs looks like one that works; only the age tells. The broker closes "
        "its channel after 30 minutes.",
        "Зависший потребитель выглядит работающим; выдаёт только возраст. Через 30 минут брокер "
        "закроет его канал.",
    ),
    attributes=_OF_QUEUE,
    method=Method.SATURATION,
)

PREFETCH = Gauge(
    name="messaging.rabbitmq.prefetch",
    unit="{message}",
    description=Text(
        "How many messages this process may hold at once, over its consumers of a queue.",
        "Сколько сообщений процесс может держать сразу, по всем его потребителям очереди.",
    ),
    why=Text(
        "As many held as may be: the consumer is the bottleneck. No limit at all: one slow "
        "consumer takes the whole queue with it.",
        "Держит сколько можно — узкое место он. Предела нет вовсе — один медленный потребитель "
        "уведёт за собой всю очередь.",
    ),
    attributes=_OF_QUEUE,
    method=Method.SATURATION,
    rare=Text("Absent where no limit is set.", "Отсутствует, если предел не задан."),
    no_alert=Text(
        "A setting, which is read beside what is held.",
        "Настройка: её читают рядом с тем, сколько сообщений в работе.",
    ),
)

CONSUMERS = Gauge(
    name="messaging.rabbitmq.consumers",
    unit="{consumer}",
    description=Text(
        "Consumers of this process, and those that it lost and did not replace.",
        "Потребители этого процесса и те, кого он потерял и не заменил.",
    ),
    why=Text(
        "A process whose channel was closed lives on and hears nothing: nothing else tells.",
        "Процесс, чей канал закрыт, живёт дальше и ничего не слышит: больше это ничем не видно.",
    ),
    attributes={
        **_OF_QUEUE,
        "messaging.rabbitmq.consumer.state": Label(
            Text(
                "deaf: lost by no will of its own, on an open connection, and not begun anew",
                "deaf: потерян не по своей воле при открытом соединении и не запущен заново",
            ),
            ("consuming", "deaf"),
        ),
    },
    method=Method.UTILIZATION,
)

CONSUMER_LOSSES = Counter(
    name="messaging.rabbitmq.consumer.losses",
    unit="{consumer}",
    description=Text(
        "Consumers that ended by no will of their own.", "Потребители, прерванные не по своей воле."
    ),
    why=Text(
        "Tells a deleted queue from a closed channel and from a lost connection.",
        "Отличает удалённую очередь от закрытого канала и от потерянного соединения.",
    ),
    attributes={
        **_OF_QUEUE,
        "messaging.rabbitmq.loss.reason": Label(
            Text(
                "cancelled: the queue is gone; channel_closed: an error, or nothing settled for "
                "too long; connection_lost: broker or network",
                "cancelled: очереди больше нет; channel_closed: ошибка или слишком долго ничего "
                "не подтверждали; connection_lost: брокер или сеть",
            ),
            ("cancelled", "channel_closed", "connection_lost"),
        ),
    },
    method=Method.ERRORS,
    no_alert=Text(
        "One that is replaced costs nothing; ConsumerDeaf tells of one that is not.",
        "Если потребителя заменили, потерь нет; о незаменённом сообщает ConsumerDeaf.",
    ),
)

CONFIRM_DURATION = Histogram(
    name="messaging.rabbitmq.confirm.duration",
    unit="s",
    description=Text(
        "Time from the publishing of a message until the broker answered for it.",
        "Время от публикации сообщения до ответа брокера о нём.",
    ),
    why=Text(
        "Only a confirmed message is safe: this says how long a publisher waits for that, and "
        "what the broker did not take.",
        "Надёжно только подтверждённое: здесь видно, сколько издатель ждёт и чего брокер не взял.",
    ),
    attributes={
        "messaging.destination.name": _OPERATION["messaging.destination.name"],
        "messaging.rabbitmq.confirmation": Label(
            Text(
                "ack: stored; nack: the broker could not; returned: no queue wanted it; lost: the "
                "channel ended before the answer; timeout: the client waited no longer. Of the "
                "last two nobody knows what became",
                "ack: сохранено; nack: брокер не смог; returned: ни одна очередь не взяла; lost: "
                "канал закрылся раньше ответа; timeout: издатель не дождался. В двух последних "
                "случаях судьба сообщения неизвестна",
            ),
            ("ack", "lost", "nack", "returned", "timeout"),
        ),
    },
    method=Method.DURATION,
    no_alert=Text(
        "ConfirmsMissing and PublishingFails tell what is not confirmed.",
        "О неподтверждённом сообщают ConfirmsMissing и PublishingFails.",
    ),
)

UNCONFIRMED = Gauge(
    name="messaging.rabbitmq.unconfirmed.messages",
    unit="{message}",
    description=Text(
        "Messages that wait for the broker's confirm.", "Сообщения, ждущие подтверждения брокера."
    ),
    why=Text(
        "What is lost if this process ends now and keeps no copy.",
        "Что пропадёт, если процесс сейчас завершится и копии у него нет.",
    ),
    method=Method.SATURATION,
    no_alert=Text(
        "Many may be right; ConfirmsMissing looks at their age.",
        "Много — не всегда плохо; ConfirmsMissing смотрит на возраст.",
    ),
)

UNCONFIRMED_AGE = Gauge(
    name="messaging.rabbitmq.unconfirmed.age",
    unit="s",
    description=Text(
        "How long the oldest message waits for the broker's confirm.",
        "Как давно самое старое сообщение ждёт подтверждения брокера.",
    ),
    why=Text(
        "A broker that takes messages and confirms none has lost its disk or its majority.",
        "Брокер, который берёт сообщения и не подтверждает, лишился диска или кворума.",
    ),
    method=Method.SATURATION,
)

CONNECTIONS = Gauge(
    name="messaging.rabbitmq.connections",
    unit="{connection}",
    description=Text("Connections to the broker that are open.", "Открытые соединения с брокером."),
    why=Text(
        "Says which process is connected; the broker only knows addresses.",
        "Показывает, какой процесс подключён; брокер знает только адреса.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "Who loses or cannot open them is told by what counts that.",
        "О потере и неудачных попытках сообщают те, кто их считает.",
    ),
)

CONNECTION_OPENS = Counter(
    name="messaging.rabbitmq.connection.opens",
    unit="{connection}",
    description=Text(
        "Connections that a client opened, or could not open.",
        "Соединения, которые клиент открыл или не смог открыть.",
    ),
    why=Text(
        "The broker does not know of those who cannot reach it: only the client counts them.",
        "О тех, кто не может до него достучаться, брокер не знает: считает только клиент.",
    ),
    attributes={
        "error.type": Label(
            Text(
                "class of the exception; absent when it is open",
                "класс исключения; отсутствует, если соединение открыто",
            ),
            at_most=20,
        )
    },
    method=Method.ERRORS,
)

CONNECTION_CLOSES = Counter(
    name="messaging.rabbitmq.connection.closes",
    unit="{connection}",
    description=Text("Connections that ended, by why.", "Завершившиеся соединения и почему."),
    why=Text(
        "Tells a restart of the broker from a network that drops connections.",
        "Отличает перезапуск брокера от сети, которая рвёт соединения.",
    ),
    attributes={
        "messaging.rabbitmq.close.reason": Label(
            Text(
                "client: it wanted to; broker: it was told to go; lost: the network; heartbeat: "
                "no sign of life; blocked: the broker took no messages for too long",
                "client: закрыл сам; broker: велел брокер; lost: сеть; heartbeat: нет признаков "
                "жизни; blocked: брокер слишком долго не принимал сообщений",
            ),
            ("blocked", "broker", "client", "heartbeat", "lost"),
        )
    },
    method=Method.ERRORS,
)

CONNECTIONS_BLOCKED = Gauge(
    name="messaging.rabbitmq.connection.blocked",
    unit="{connection}",
    description=Text(
        "Connections on which the broker takes no messages now.",
        "Соединения, по которым брокер сейчас не принимает сообщений.",
    ),
    why=Text(
        "Memory or disk of the broker are full; whoever publishes hangs.",
        "У брокера кончилась память или диск; все, кто публикует, висят.",
    ),
    method=Method.SATURATION,
    no_alert=Text(
        "PublishersBlocked looks at the time that they are.",
        "PublishersBlocked смотрит на то, сколько это длится.",
    ),
)

BLOCKED_TIME = Counter(
    name="messaging.rabbitmq.connection.blocked.time",
    unit="s",
    description=Text(
        "Time that connections were blocked by the broker.",
        "Время, которое соединения были заблокированы брокером.",
    ),
    why=Text(
        "Blocks that come and go between two looks are seen here.",
        "Блокировки, которые случаются между двумя взглядами, видны здесь.",
    ),
    method=Method.SATURATION,
)

METRICS = (
    *(SENT, CONSUMED, OPERATION_DURATION, PROCESS_DURATION),
    *(QUEUE_DURATION, CLOCK_SKEWS, SETTLED, REDELIVERED, INVALID_CONTEXTS),
    *(UNSETTLED, UNSETTLED_AGE, PREFETCH, CONSUMERS, CONSUMER_LOSSES),
    *(CONFIRM_DURATION, UNCONFIRMED, UNCONFIRMED_AGE),
    *(CONNECTIONS, CONNECTION_OPENS, CONNECTION_CLOSES, CONNECTIONS_BLOCKED, BLOCKED_TIME),
)
