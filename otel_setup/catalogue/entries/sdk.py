# SPDX-License-Identifier: Apache-2.0
"""Metrics of the SDK about itself; names of the semantic conventions (otel namespace)."""

from otel_setup.catalogue.model import Counter, Label, Method, Text, UpDownCounter

COMPONENT = {
    "otel.component.name": Label(
        Text(
            "which part of the SDK: its kind and a number",
            "часть SDK: её вид и номер",
        ),
        at_most=10,
    ),
    "otel.component.type": Label(
        Text("kind of that part", "вид этой части"),
        at_most=10,
    ),
}
EXPORTER = {
    **COMPONENT,
    "server.address": Label(Text("host of the Collector", "узел Collector"), at_most=10),
    "server.port": Label(Text("port of the Collector", "порт Collector"), at_most=10),
    "error.type": Label(
        Text(
            "class of the exception; absent when the export succeeded",
            "класс исключения; отсутствует, если отправка удалась",
        ),
        at_most=20,
    ),
}

SPANS_STARTED = Counter(
    name="otel.sdk.span.started",
    unit="{span}",
    description=Text("Spans that were begun.", "Начатые спаны."),
    why=Text(
        "What tracing costs grows with it: tells which service to sample when traces get too many.",
        "От этого зависит цена трассировки: видно, какой сервис прореживать, "
        "когда трасс слишком много.",
    ),
    attributes={
        "otel.span.parent.origin": Label(
            Text(
                "where the parent is: in this process, in another, nowhere",
                "где родитель: в этом процессе, в другом, нигде",
            ),
            values=("local", "remote", "none"),
        ),
        "otel.span.sampling_result": Label(
            Text("what the sampler decided", "решение семплера"),
            values=("RECORD_AND_SAMPLE", "RECORD_ONLY", "DROP"),
        ),
    },
    method=Method.RATE,
    no_alert=Text("many spans are a cost, not a fault", "много спанов — это расходы, а не поломка"),
)

SPANS_PROCESSED = Counter(
    name="otel.sdk.processor.span.processed",
    unit="{span}",
    description=Text(
        "Ended spans that the process handed on, or dropped because its queue was full.",
        "Завершённые спаны: переданные дальше или выброшенные, потому что очередь полна.",
    ),
    why=Text(
        "A trace with holes misleads; this says that spans were lost, and that the queue is "
        "too small.",
        "Трасса с дырами вводит в заблуждение; здесь видно, что спаны потеряны, "
        "потому что очередь мала.",
    ),
    attributes={
        **COMPONENT,
        "error.type": Label(
            Text(
                "why the span was dropped; absent when it was not",
                "почему спан выброшен; отсутствует, если не выброшен",
            ),
            values=("queue_full", "already_shutdown"),
        ),
    },
    method=Method.ERRORS,
)

SPAN_QUEUE = UpDownCounter(
    name="otel.sdk.processor.span.queue.size",
    unit="{span}",
    description=Text(
        "Ended spans that wait for their export.", "Завершённые спаны, которые ждут отправки."
    ),
    why=Text(
        "It rises before anything is lost: the Collector is slow or away.",
        "Растёт раньше, чем что-то теряется: Collector медлит или недоступен.",
    ),
    attributes=COMPONENT,
    method=Method.SATURATION,
    no_alert=Text(
        "a queue that fills is no loss yet; what is lost is watched",
        "заполненная очередь ещё не потеря; за потерями следят",
    ),
)

SPAN_QUEUE_CAPACITY = UpDownCounter(
    name="otel.sdk.processor.span.queue.capacity",
    unit="{span}",
    description=Text(
        "Ended spans that may wait for their export.",
        "Сколько завершённых спанов может ждать отправки.",
    ),
    why=Text(
        "Says how much of an outage the queue can bridge.",
        "Показывает, насколько долгий перебой переживёт очередь.",
    ),
    attributes=COMPONENT,
    method=Method.SATURATION,
    no_panel=Text(
        "it never changes: OTEL_BSP_MAX_QUEUE_SIZE says it",
        "она не меняется: её задаёт OTEL_BSP_MAX_QUEUE_SIZE",
    ),
    no_alert=Text("it never changes; losses are watched", "она не меняется; следят за потерями"),
)

SPANS_EXPORTED = Counter(
    name="otel.sdk.exporter.span.exported",
    unit="{span}",
    description=Text(
        "Spans whose export ended, well or badly.",
        "Спаны, отправка которых завершилась, успешно или нет.",
    ),
    why=Text(
        "The process does not try again: an export that failed is a trace that nobody will see.",
        "Процесс не повторяет попытку: трассу, которую не удалось отправить, не увидит никто.",
    ),
    attributes=EXPORTER,
    method=Method.ERRORS,
)

POINTS_EXPORTED = Counter(
    name="otel.sdk.exporter.metric_data_point.exported",
    unit="{data_point}",
    description=Text(
        "Data points of metrics whose export ended, well or badly.",
        "Точки метрик, отправка которых завершилась, успешно или нет.",
    ),
    why=Text(
        "Explains gaps in all other panels of a service, and shows what its metrics cost.",
        "Объясняет пробелы на остальных панелях сервиса и показывает, сколько стоят его метрики.",
    ),
    attributes=EXPORTER,
    method=Method.ERRORS,
    no_alert=Text(
        "totals are sent again at the next export, so one failure loses only a point in time",
        "итоги уходят снова при следующей отправке, так что теряется лишь один момент времени",
    ),
)
