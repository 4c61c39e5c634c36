# SPDX-License-Identifier: Apache-2.0
"""Metrics of the SDK about log records that it exports; semantic conventions (otel namespace)."""

from otel_setup.catalogue.entries.sdk import COMPONENT, EXPORTER
from otel_setup.catalogue.model import Counter, Label, Method, Text, UpDownCounter

_RARE = Text("only with OTEL_LOGS_EXPORTER=otlp", "только с OTEL_LOGS_EXPORTER=otlp")
_NO_PANEL = Text(
    "logs are read where they are stored; what is missing there is asked for here by hand",
    "логи читают там, где они хранятся; если там чего-то нет, сюда заглядывают вручную",
)
_NO_ALERT = Text(
    "the same lines stand in the service's own output", "те же строки есть в выводе самого сервиса"
)

CREATED = Counter(
    name="otel.sdk.log.created",
    unit="{log_record}",
    description=Text("Log records that were handed to the SDK.", "Записи лога, переданные в SDK."),
    why=Text(
        "Says which service writes so much that storing it costs more than it tells.",
        "Показывает, какой сервис пишет столько, что хранить это дороже, чем оно стоит.",
    ),
    method=Method.RATE,
    no_panel=_NO_PANEL,
    no_alert=_NO_ALERT,
    rare=_RARE,
)

PROCESSED = Counter(
    name="otel.sdk.processor.log.processed",
    unit="{log_record}",
    description=Text(
        "Log records that the process handed on, or dropped because its queue was full.",
        "Записи лога: переданные дальше или выброшенные, потому что очередь полна.",
    ),
    why=Text(
        "A line that is not found may never have been sent: this says whether any were dropped.",
        "Строка, которой нет в хранилище, могла не уйти вовсе: здесь видно, выброшены ли записи.",
    ),
    attributes={
        **COMPONENT,
        "error.type": Label(
            Text(
                "why the record was dropped; absent when it was not",
                "почему запись выброшена; отсутствует, если не выброшена",
            ),
            values=("queue_full", "already_shutdown"),
        ),
    },
    method=Method.ERRORS,
    no_panel=_NO_PANEL,
    no_alert=_NO_ALERT,
    rare=_RARE,
)

QUEUE = UpDownCounter(
    name="otel.sdk.processor.log.queue.size",
    unit="{log}",
    description=Text(
        "Log records that wait for their export.", "Записи лога, которые ждут отправки."
    ),
    why=Text(
        "It rises before anything is lost: the Collector is slow or away.",
        "Растёт раньше, чем что-то теряется: Collector медлит или недоступен.",
    ),
    attributes=COMPONENT,
    method=Method.SATURATION,
    no_panel=_NO_PANEL,
    no_alert=_NO_ALERT,
    rare=_RARE,
)

QUEUE_CAPACITY = UpDownCounter(
    name="otel.sdk.processor.log.queue.capacity",
    unit="{log_record}",
    description=Text(
        "Log records that may wait for their export.", "Сколько записей лога может ждать отправки."
    ),
    why=Text(
        "Says how much of an outage the queue can bridge.",
        "Показывает, насколько долгий перебой переживёт очередь.",
    ),
    attributes=COMPONENT,
    method=Method.SATURATION,
    no_panel=_NO_PANEL,
    no_alert=_NO_ALERT,
    rare=_RARE,
)

EXPORTED = Counter(
    name="otel.sdk.exporter.log.exported",
    unit="{log_record}",
    description=Text(
        "Log records whose export ended, well or badly.",
        "Записи лога, отправка которых завершилась, успешно или нет.",
    ),
    why=Text(
        "The process does not try again: what failed is in the service's own output only.",
        "Процесс не повторяет попытку: что не удалось отправить, есть только в выводе сервиса.",
    ),
    attributes=EXPORTER,
    method=Method.ERRORS,
    no_panel=_NO_PANEL,
    no_alert=_NO_ALERT,
    rare=_RARE,
)

METRICS = (CREATED, PROCESSED, QUEUE, QUEUE_CAPACITY, EXPORTED)
