# SPDX-License-Identifier: Apache-2.0
"""
What the OpenTelemetry Collector tells about itself, and what became of telemetry on its way.

The names are those of 0.152 with its own reader for Prometheus: no ``_total`` at their end.
A failure that never happened has no series, so rules count the first one too (`_recent`).
"""

from __future__ import annotations

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text
from otel_setup.catalogue.promql import selector, written
from otel_setup.catalogue.scraped.targets import TARGET_INFO, UP

#: The job that scrapes the Collector.
JOB = "otelcol"

#: Signal → what the Collector calls one of it.
SIGNALS = {"traces": "spans", "metrics": "metric_points"}
_UNITS = {"traces": "{span}", "metrics": "{point}"}
_WORDS = {
    "traces": Text("Spans", "Спаны"),
    "metrics": Text("Metric points", "Точки метрик"),
}

_RECEIVER = {
    "receiver": Label(Text("receiver of the Collector", "приёмник Collector"), at_most=10),
    "transport": Label(
        Text("how it came; empty for what is fetched", "как пришло; пусто, если забирали сами"),
        values=("http", "grpc", ""),
    ),
}
_EXPORTER = {
    "exporter": Label(Text("exporter of the Collector", "экспортёр Collector"), at_most=10)
}
_PEER = {
    "server_address": Label(Text("where it goes", "куда уходит"), at_most=10),
    "server_port": Label(Text("port where it goes", "порт, куда уходит"), at_most=10),
    "url_path": Label(Text("path where it goes", "путь, куда уходит"), at_most=10),
}
_ERROR = {
    "error_type": Label(Text("status of the refusal", "код отказа"), at_most=20),
    "error_permanent": Label(
        Text("whether trying again is useless", "бесполезно ли повторять"),
        values=("true", "false"),
    ),
}
_SIGNAL = {
    "signal": Label(Text("kind of telemetry", "вид телеметрии"), values=tuple(SIGNALS)),
}

_NEVER = Text(
    "Absent until it happens for the first time.", "Отсутствует, пока не случится впервые."
)
_NO_ALERT_TRAFFIC = Text(
    "How much comes depends on the services; one that falls silent alerts: ServiceSilent.",
    "Сколько приходит, зависит от сервисов; о замолчавшем сообщит ServiceSilent.",
)


def _each(  # noqa: PLR0913 - one entry for each signal
    prefix: str,
    en: str,
    ru: str,
    why: Text,
    attributes: dict[str, Label],
    *,
    method: Method = Method.ERRORS,
    rare: str = "",
    no_alert: str = "",
) -> dict[str, Counter]:
    """Return the counters of all signals, by the signal."""
    return {
        signal: Counter(
            name=f"otelcol_{prefix}_{what}",
            unit=_UNITS[signal],
            description=Text(f"{_WORDS[signal]} {en}.", f"{_WORDS[signal].ru}, {ru}."),
            why=why,
            attributes=attributes,
            method=method,
            rare=rare,
            no_alert=no_alert,
        )
        for signal, what in SIGNALS.items()
    }


ACCEPTED = _each(
    "receiver_accepted",
    "that the Collector took",
    "принятые Collector",
    Text(
        "Says how much the services send; compared with what is sent on, what is missing.",
        "Показывает, сколько шлют сервисы, а в сравнении с отправленным, чего не хватает.",
    ),
    _RECEIVER,
    method=Method.RATE,
    no_alert=_NO_ALERT_TRAFFIC,
)

REFUSED = _each(
    "receiver_refused",
    "that the Collector did not take, so that the sender has to try again",
    "которые Collector не принял, и отправителю придётся повторить",
    Text(
        "The Collector is full. Senders keep the data for a while and then drop it.",
        "Collector переполнен. Отправители подержат данные и выбросят.",
    ),
    _RECEIVER,
)

FAILED = _each(
    "receiver_failed",
    "that the Collector could not process",
    "которые Collector не смог обработать",
    Text(
        "They are lost: the sender is told not to try again.",
        "Они потеряны: отправителю сказано не повторять.",
    ),
    _RECEIVER,
)

SENT = _each(
    "exporter_sent",
    "that the Collector sent on",
    "отправленные Collector дальше",
    Text(
        "If it stops while data comes in, the store behind is away and the queue fills.",
        "Если отправка встала, а данные приходят, хранилище недоступно и очередь растёт.",
    ),
    {**_EXPORTER, **_PEER},
    method=Method.RATE,
)

SEND_FAILED = _each(
    "exporter_send_failed",
    "that the Collector gave up",
    "от отправки которых Collector отказался",
    Text(
        "They are lost: the store behind refused them for good.",
        "Они потеряны: хранилище отказалось от них окончательно.",
    ),
    {**_EXPORTER, **_PEER, **_ERROR},
    rare=_NEVER,
)

ENQUEUE_FAILED = _each(
    "exporter_enqueue_failed",
    "that did not fit into the Collector's queue",
    "не поместившиеся в очередь Collector",
    Text(
        "The queue is full: what comes now is refused, and lost when the sender gives up.",
        "Очередь полна: новое отвергается и пропадёт, когда отправитель устанет повторять.",
    ),
    _EXPORTER,
    rare=_NEVER,
)

_DATA = {
    **_EXPORTER,
    "data_type": Label(
        Text("kind of telemetry", "вид телеметрии"), values=("traces", "metrics", "logs")
    ),
}

QUEUE_SIZE = Gauge(
    name="otelcol_exporter_queue_size",
    unit="By",
    description=Text(
        "Telemetry that waits in the queue of an exporter, in the unit of its sizer.",
        "Телеметрия, ждущая в очереди экспортёра, в единицах, в которых очередь измеряется.",
    ),
    why=Text(
        "Says how much the Collector keeps for a store that is away or slow.",
        "Показывает, сколько Collector хранит для недоступного или медленного хранилища.",
    ),
    attributes=_DATA,
    method=Method.SATURATION,
)

QUEUE_CAPACITY = Gauge(
    name="otelcol_exporter_queue_capacity",
    unit="By",
    description=Text(
        "How much fits into the queue of an exporter.", "Сколько вмещает очередь экспортёра."
    ),
    why=Text("The limit of the other.", "Предел для занятого места."),
    attributes=_DATA,
    method=Method.SATURATION,
)

CPU = Counter(
    name="otelcol_process_cpu_seconds",
    unit="s",
    description=Text("CPU time of the Collector.", "Процессорное время Collector."),
    why=Text("Says what the pipeline costs.", "Показывает, сколько стоит конвейер."),
    method=Method.UTILIZATION,
    no_alert=Text(
        "A Collector that is too slow shows in its queue.",
        "Слишком медленный Collector выдаст его очередь.",
    ),
)

MEMORY = Gauge(
    name="otelcol_process_memory_rss",
    unit="By",
    description=Text("Memory that the Collector holds.", "Память, которую занимает Collector."),
    why=Text(
        "At its own limit the Collector refuses data rather than die.",
        "На своём пределе Collector отвергает данные, лишь бы не умереть.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "At the limit data is refused, and that is TelemetryLost.",
        "На пределе данные отвергаются, а это TelemetryLost.",
    ),
)

UPTIME = Counter(
    name="otelcol_process_uptime",
    unit="s",
    description=Text("Time since the start of the Collector.", "Время с запуска Collector."),
    why=Text(
        "Tells a count that began with the process from one that Prometheus sees again.",
        "Отличает счёт, начатый вместе с процессом, от того, который Prometheus увидел снова.",
    ),
    method=Method.USE_ERRORS,
)


def _recent(counter: Counter) -> str:
    """
    Return what *counter* rose by in the last 5 minutes, the first count included.

    ``increase`` does not see a series that is born with a value. Such a value counts if it was
    not there five minutes ago although the Collector was, or if the Collector is younger.
    """
    name = counter.name
    rise = f"increase({name}[5m])"
    if not counter.rare:
        return rise
    return (
        f"{rise} > 0 or ({name} unless {name} offset 5m) and on (instance) "
        f'(up{{job="{JOB}"}} offset 5m == 1 or {UPTIME.name} < 300)'
    )


_LOSSES = {
    "refused": REFUSED,
    "failed": FAILED,
    "queue full": ENQUEUE_FAILED,
    "not sent": SEND_FAILED,
}


def _lost() -> str:
    return " or ".join(
        f"label_replace(label_replace(sum by (instance) ({_recent(counters[signal])}), "
        f'"how", "{how}", "", ""), "signal", "{signal}", "", "")'
        for how, counters in _LOSSES.items()
        for signal in SIGNALS
    )


LOST = Recording(
    name="collector:items_lost:increase5m",
    unit="{item}",
    description=Text(
        "Spans and points of the last five minutes that did not get through, and how.",
        "Спаны и точки за последние пять минут, которые не прошли, и почему.",
    ),
    why=Text(
        "What is lost here is missing in every dashboard, and nothing else says so.",
        "Потерянного здесь нет ни на одной панели, и больше ничто об этом не скажет.",
    ),
    attributes={
        **_SIGNAL,
        "how": Label(
            Text(
                "refused: the sender has to try again; failed: could not be processed; "
                "queue full: did not fit; not sent: the store refused it",
                "refused: отправитель должен повторить; failed: не удалось обработать; "
                "queue full: не поместилось; not sent: отказалось хранилище",
            ),
            values=tuple(_LOSSES),
        ),
    },
    method=Method.ERRORS,
    expr=written(
        _lost(),
        "{item}",
        *(each for counters in _LOSSES.values() for each in counters.values()),
        UP,
        UPTIME,
    ),
)

LAST_REPORT = Recording(
    name="job:last_report:timestamp_seconds",
    unit="s",
    description=Text(
        "When a service that pushes its telemetry was last heard of, as Unix time.",
        "Когда сервис, сам шлющий телеметрию, подавал голос, время Unix.",
    ),
    why=Text(
        "A service that is dead sends no error; its silence is the only sign.",
        "Мёртвый сервис не шлёт ошибок: единственный знак — его молчание.",
    ),
    method=Method.USE_ERRORS,
    # A receiver of the Collector has no SDK. Of a target that is scraped `up` tells.
    expr=written(
        f"max by (job) (timestamp({selector(TARGET_INFO, {'telemetry_sdk_name': '!'})})) "
        f"unless on (job) {UP.name}",
        "s",
        TARGET_INFO,
        UP,
    ),
)

METRICS = (
    *(
        each
        for counters in (ACCEPTED, REFUSED, FAILED, SENT, SEND_FAILED, ENQUEUE_FAILED)
        for each in counters.values()
    ),
    *(QUEUE_SIZE, QUEUE_CAPACITY, CPU, MEMORY, UPTIME),
    *(LOST, LAST_REPORT),
)
