# SPDX-License-Identifier: Apache-2.0
"""What Prometheus tells about itself: rules, notifications, storage and refused samples."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text
from otel_setup.catalogue.promql import written

#: The job with which Prometheus scrapes itself.
JOB = "prometheus"

_GROUP = {
    "rule_group": Label(
        Text("file and name of a group of rules", "файл и имя группы правил"), at_most=50
    )
}
_ALERTMANAGER = {
    "alertmanager": Label(Text("address of an Alertmanager", "адрес Alertmanager"), at_most=5)
}
_TYPE = {
    "type": Label(
        Text("numbers or native histograms", "числа или нативные гистограммы"),
        values=("float", "histogram"),
    )
}

RULE_FAILURES = Counter(
    name="prometheus_rule_evaluation_failures_total",
    unit="{failure}",
    description=Text(
        "Evaluations of a rule that ended with an error.",
        "Вычисления правил, закончившиеся ошибкой.",
    ),
    why=Text(
        "A rule that cannot be evaluated never fires: the fault that it watches goes unseen.",
        "Правило, которое не вычисляется, никогда не сработает: его поломку никто не увидит.",
    ),
    attributes=_GROUP,
    method=Method.ERRORS,
)

RULES_MISSED = Counter(
    name="prometheus_rule_group_iterations_missed_total",
    unit="{evaluation}",
    description=Text(
        "Evaluations of a group that were left out because the one before was not done.",
        "Вычисления группы, пропущенные, потому что предыдущее не закончилось.",
    ),
    why=Text(
        "Alerts come late, and rates recorded by rules have holes.",
        "Алерты опаздывают, а в записанных правилами рядах появляются дыры.",
    ),
    attributes=_GROUP,
    method=Method.SATURATION,
)

RULE_DURATION = Gauge(
    name="prometheus_rule_group_last_duration_seconds",
    unit="s",
    description=Text(
        "How long the last evaluation of a group took.",
        "Сколько длилось последнее вычисление группы.",
    ),
    why=Text(
        "A group that needs more than its interval misses evaluations.",
        "Группа, которой не хватает её интервала, пропускает вычисления.",
    ),
    attributes=_GROUP,
    method=Method.DURATION,
    no_alert=Text(
        "What it leads to is watched: PrometheusRulesLate.",
        "Следим за последствием: PrometheusRulesLate.",
    ),
)

RULE_INTERVAL = Gauge(
    name="prometheus_rule_group_interval_seconds",
    unit="s",
    description=Text("How often a group is evaluated.", "Как часто вычисляется группа."),
    why=Text("The limit of the other.", "Предел для длительности."),
    attributes=_GROUP,
    no_alert=RULE_DURATION.no_alert,
)

NOTIFICATIONS_SENT = Counter(
    name="prometheus_notifications_sent_total",
    unit="{alert}",
    description=Text("Alerts sent to Alertmanager.", "Алерты, отправленные в Alertmanager."),
    why=Text(
        "The heartbeat alone makes them flow, so a line at zero is a broken way.",
        "Одного сердцебиения хватает, чтобы они шли: линия на нуле значит, что путь сломан.",
    ),
    attributes=_ALERTMANAGER,
    method=Method.RATE,
    no_alert=Text(
        "That none arrive is noticed by who receives the heartbeat: Watchdog.",
        "Что их нет, заметит тот, кто получает сердцебиение: Watchdog.",
    ),
)

NOTIFICATIONS_FAILED = Counter(
    name="prometheus_notifications_errors_total",
    unit="{alert}",
    description=Text(
        "Alerts that Alertmanager did not take.", "Алерты, которые Alertmanager не принял."
    ),
    why=Text(
        "An alert that fires and reaches nobody is as bad as none.",
        "Алерт, который горит и ни до кого не дошёл, всё равно что его нет.",
    ),
    attributes=_ALERTMANAGER,
    method=Method.ERRORS,
)

NOTIFICATIONS_DROPPED = Counter(
    name="prometheus_notifications_dropped_total",
    unit="{alert}",
    description=Text(
        "Alerts that Prometheus gave up sending.", "Алерты, от отправки которых отказались."
    ),
    why=NOTIFICATIONS_FAILED.why,
    attributes=_ALERTMANAGER,
    method=Method.ERRORS,
)

ALERTMANAGERS = Gauge(
    name="prometheus_notifications_alertmanagers_discovered",
    unit="{alertmanager}",
    description=Text(
        "Alertmanagers that Prometheus knows.", "Сколько Alertmanager известно Prometheus."
    ),
    why=Text(
        "With none, alerts fire and go nowhere, without any error.",
        "Если ни одного, алерты горят и никуда не уходят, без единой ошибки.",
    ),
    no_panel=Text("It is one, or it alerts.", "Он один, иначе сработает алерт."),
)

CONFIG_OK = Gauge(
    name="prometheus_config_last_reload_successful",
    unit="{configuration}",
    description=Text(
        "1 if the last reading of the configuration succeeded.",
        "1, если конфигурация в последний раз прочиталась.",
    ),
    why=Text(
        "Prometheus goes on with the old one: new rules seem to be there and are not.",
        "Prometheus работает со старой: новые правила как будто есть, но их нет.",
    ),
    method=Method.USE_ERRORS,
    no_panel=Text("It is 1, or it alerts.", "Там 1, иначе сработает алерт."),
)

SERIES = Gauge(
    name="prometheus_tsdb_head_series",
    unit="{series}",
    description=Text(
        "Series that had a sample in the last hours.", "Ряды, в которых недавно были значения."
    ),
    why=Text(
        "Each costs memory, so a label without a bound kills Prometheus.",
        "Каждый стоит памяти, поэтому ярлык без предела убивает Prometheus.",
    ),
    method=Method.SATURATION,
)

SAMPLES = Counter(
    name="prometheus_tsdb_head_samples_appended_total",
    unit="{sample}",
    description=Text("Samples that were stored.", "Сохранённые значения."),
    why=Text(
        "Says how much load the telemetry is, scraped and pushed together.",
        "Показывает, какую нагрузку даёт телеметрия, и опрошенная, и присланная.",
    ),
    attributes=_TYPE,
    method=Method.TRAFFIC,
    no_alert=Text(
        "The number of series is watched, and what is refused.",
        "Следим за числом рядов и за отвергнутым.",
    ),
)

BLOCKS = Gauge(
    name="prometheus_tsdb_storage_blocks_bytes",
    unit="By",
    description=Text("Space of the stored blocks.", "Место, занятое сохранёнными блоками."),
    why=Text(
        "Says when the retention no longer fits the disk.",
        "Показывает, когда срок хранения перестанет помещаться на диск.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "The disk of the host is watched.", "За диском машины следят алерты самой машины."
    ),
)

WAL = Gauge(
    name="prometheus_tsdb_wal_storage_size_bytes",
    unit="By",
    description=Text(
        "Space of the samples that are not in a block yet.",
        "Место, занятое значениями, ещё не попавшими в блок.",
    ),
    why=Text(
        "If it only grows, blocks are no longer made.",
        "Если оно только растёт, блоки больше не создаются.",
    ),
    method=Method.UTILIZATION,
    no_alert=BLOCKS.no_alert,
)

COMPACTIONS_FAILED = Counter(
    name="prometheus_tsdb_compactions_failed_total",
    unit="{failure}",
    description=Text("Blocks that could not be made.", "Блоки, которые не удалось создать."),
    why=Text(
        "Data stays in memory and in the log until both overflow.",
        "Данные остаются в памяти и в журнале, пока то и другое не переполнится.",
    ),
    method=Method.ERRORS,
    no_panel=Text("It is 0, or it alerts.", "Там 0, иначе сработает алерт."),
)

WRITES_FAILED = Counter(
    name="prometheus_tsdb_wal_writes_failed_total",
    unit="{failure}",
    description=Text(
        "Samples that could not be written to disk.",
        "Записи значений на диск, которые не удались.",
    ),
    why=Text(
        "Nothing is stored any more; most often the disk is full.",
        "Больше ничего не сохраняется; чаще всего кончился диск.",
    ),
    method=Method.ERRORS,
    no_panel=COMPACTIONS_FAILED.no_panel,
)

_WHY_REFUSED = Text(
    "A refused sample is a hole in a graph. The reason says whose clock or labels are wrong.",
    "Отвергнутое значение — дыра на графике. Причина говорит, чьи часы или ярлыки неверны.",
)


def _refused(name: str, en: str, ru: str, attributes: dict[str, Label] | None = None) -> Counter:
    return Counter(
        name=f"prometheus_{name}_total",
        unit="{sample}",
        description=Text(f"Refused samples: {en}.", f"Отвергнутые значения: {ru}."),
        why=_WHY_REFUSED,
        attributes=attributes or {},
        method=Method.ERRORS,
    )


OUT_OF_ORDER = _refused(
    "tsdb_out_of_order_samples", "older than the last", "старше последнего", _TYPE
)
TOO_OLD = _refused(
    "tsdb_too_old_samples", "older than may come late", "старше допустимого опоздания", _TYPE
)
OUT_OF_BOUNDS = _refused(
    "tsdb_out_of_bound_samples", "older than the storage", "старше хранилища", _TYPE
)
DUPLICATE = _refused(
    "target_scrapes_sample_duplicate_timestamp",
    "two values of one series at one time in a scrape",
    "два значения одного ряда за один момент в опросе",
)

_REASONS = {
    "out of order": OUT_OF_ORDER,
    "too old": TOO_OLD,
    "out of bounds": OUT_OF_BOUNDS,
    "duplicate": DUPLICATE,
}

REFUSED = Recording(
    name="prometheus:samples_refused:increase5m",
    unit="{sample}",
    description=Text(
        "Samples of the last five minutes that Prometheus did not store, by reason.",
        "Значения за последние пять минут, которые Prometheus не сохранил, по причинам.",
    ),
    why=_WHY_REFUSED,
    attributes={
        "reason": Label(Text("why it was refused", "почему отвергнуто"), values=tuple(_REASONS))
    },
    method=Method.ERRORS,
    expr=written(
        " or ".join(
            f"label_replace(sum by (instance) (increase({counter.name}[5m])), "
            f'"reason", "{reason}", "", "")'
            for reason, counter in _REASONS.items()
        ),
        "{sample}",
        *_REASONS.values(),
    ),
)

METRICS = (
    *(RULE_FAILURES, RULES_MISSED, RULE_DURATION, RULE_INTERVAL),
    *(NOTIFICATIONS_SENT, NOTIFICATIONS_FAILED, NOTIFICATIONS_DROPPED, ALERTMANAGERS),
    *(CONFIG_OK, SERIES, SAMPLES, BLOCKS, WAL, COMPACTIONS_FAILED, WRITES_FAILED),
    *(OUT_OF_ORDER, TOO_OLD, OUT_OF_BOUNDS, DUPLICATE, REFUSED),
)
