# SPDX-License-Identifier: Apache-2.0
"""Alerts about Prometheus: its rules, notifications and storage, and the sign that it lives."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, latest, rate, written
from otel_setup.catalogue.scraped.prometheus import (
    ALERTMANAGERS,
    BLOCKS,
    COMPACTIONS_FAILED,
    CONFIG_OK,
    NOTIFICATIONS_DROPPED,
    NOTIFICATIONS_FAILED,
    NOTIFICATIONS_SENT,
    REFUSED,
    RULE_DURATION,
    RULE_FAILURES,
    RULE_INTERVAL,
    RULES_MISSED,
    SAMPLES,
    SERIES,
    WAL,
    WRITES_FAILED,
)
from otel_setup.catalogue.scraped.targets import SAMPLES_KEPT, SERIES_ADDED, UP

#: About 2 GB of memory are 500,000 series; a company of this size needs a tenth of them.
SERIES_LIMIT = 100_000

#: A few refused samples are left over when a queue is sent on after an outage.
REFUSED_LIMIT = 100

#: Missed evaluations in ten minutes that make alerts late.
MISSED_LIMIT = 3

_NODE = ["instance"]
_GROUP = ["rule_group"]
_LEGEND = "{{instance}}"

WATCHDOG = Alert(
    name="Watchdog",
    expr=written("vector(1)", "1"),
    lasts="0s",
    severity="info",
    labels={"heartbeat": "true"},
    summary="The alerting works.",
    description="This alert always fires (its value is {{ $value }}). Whoever receives it should "
    "raise the alarm when it stops coming.",
    meaning=Text(
        "The dead man's switch: it always fires and goes to a receiver outside, which raises the "
        "alarm when it has not come for minutes. The fault is its absence.",
        "Сигнал жизни: этот алерт горит всегда и уходит внешнему получателю, который "
        "поднимает тревогу, если его нет несколько минут. Поломка — это его отсутствие.",
    ),
    impact=Text(
        "While it does not come, no alert at all comes.",
        "Пока его нет, не приходит вообще ни один алерт.",
    ),
    diagnosis=Text(
        "Go the way from its end: does the receiver run, does Alertmanager, does it know the "
        "receiver (its log), does Prometheus, does it know Alertmanager?",
        "Пройдите путь с конца: работает ли получатель, работает ли Alertmanager и знает ли он "
        "получателя (см. журнал), работает ли Prometheus и знает ли он Alertmanager?",
    ),
    queries=(
        Query(latest(UP, where={"job": "~prometheus|alertmanager"}), "{{job}}"),
        Query(rate(NOTIFICATIONS_SENT, by=["alertmanager"], over="5m"), "{{alertmanager}}"),
    ),
    mitigation=Text(
        "Start what is missing. Until then look at the dashboards: nobody will be told.",
        "Запустите недостающее. До тех пор смотрите на панели сами: никому не сообщат.",
    ),
    dashboard="telemetry",
)

RULES_FAIL = Alert(
    name="PrometheusRulesFail",
    expr=increase(RULE_FAILURES, by=_GROUP, over="5m") > 0,
    lasts="30s",
    severity="critical",
    summary="Rules of Prometheus cannot be evaluated.",
    description="Failed evaluations of {{ $labels.rule_group }} in the last 5 minutes: "
    '{{ printf "%.0f" $value }}.',
    meaning=Text(
        "A rule ends with an error when Prometheus evaluates it, so it records nothing and never "
        "fires.",
        "Правило при вычислении заканчивается ошибкой: оно ничего не записывает и никогда не "
        "сработает.",
    ),
    impact=Text(
        "The faults that these rules watch go unseen.",
        "Поломки, за которыми следят эти правила, останутся незамеченными.",
    ),
    diagnosis=Text(
        "The page Status, Rule health of Prometheus shows each rule with its error. Most often "
        "two series match where one is expected.",
        "Страница Status, Rule health в Prometheus показывает каждое правило с его ошибкой. Чаще "
        "всего там, где ожидается один ряд, подходят два.",
    ),
    queries=(Query(increase(RULE_FAILURES, by=_GROUP, over="5m"), "{{rule_group}}"),),
    mitigation=Text(
        "Mend the expression in the catalogue and render again, or remove the series that came "
        "twice.",
        "Исправьте выражение в каталоге и создайте файлы заново или уберите удвоившийся ряд.",
    ),
    dashboard="telemetry",
)

RULES_LATE = Alert(
    name="PrometheusRulesLate",
    expr=increase(RULES_MISSED, by=_GROUP, over="10m") > MISSED_LIMIT,
    lasts="1m",
    severity="warning",
    summary="Rules of Prometheus are evaluated too rarely.",
    description='{{ printf "%.0f" $value }} evaluations of {{ $labels.rule_group }} were left out '
    "in the last 10 minutes.",
    meaning=Text(
        "A group of rules takes longer than its interval, so evaluations are left out.",
        "Группа правил вычисляется дольше своего интервала, и часть вычислений пропускается.",
    ),
    impact=Text(
        "Alerts come late, by seconds to minutes.", "Алерты опаздывают на секунды или минуты."
    ),
    diagnosis=Text(
        "Does one group take long, or all? One: an expression reads too much. All: the machine "
        "lacks CPU, or there are too many series.",
        "Долго вычисляется одна группа или все? Одна: выражение читает слишком много. Все: не "
        "хватает процессора или слишком много рядов.",
    ),
    queries=(
        Query(latest(RULE_DURATION) / latest(RULE_INTERVAL), "{{rule_group}}"),
        Query(latest(SERIES), _LEGEND),
    ),
    mitigation=Text(
        "Record the costly part by a rule of its own, shorten windows, or give the machine more "
        "CPU.",
        "Вынесите дорогую часть в отдельное записывающее правило, сократите окна или добавьте "
        "процессора.",
    ),
    dashboard="telemetry",
)

REFUSES = Alert(
    name="PrometheusRefusesSamples",
    expr=latest(REFUSED) > REFUSED_LIMIT,
    lasts="2m",
    severity="warning",
    summary="Prometheus refuses samples: {{ $labels.reason }}.",
    description='{{ printf "%.0f" $value }} samples were refused in the last 5 minutes: '
    "{{ $labels.reason }}.",
    meaning=Text(
        f"More than {REFUSED_LIMIT} samples in five minutes were not stored.",
        f"За пять минут не сохранено больше {REFUSED_LIMIT} значений.",
    ),
    impact=Text("Graphs have holes, rates are too low.", "На графиках дыры, скорости занижены."),
    diagnosis=Text(
        "out of order or duplicate: two processes send the same series, that is they have one "
        "service.instance.id; or a scrape brings a series twice. too old or out of bounds: "
        "somebody's clock is wrong, or data comes after an outage longer than "
        "out_of_order_time_window.",
        "out of order или duplicate: два процесса шлют один ряд, то есть у них одинаковый "
        "service.instance.id, или опрос приносит ряд дважды. too old или out of bounds: чьи-то "
        "часы неверны, или данные пришли после простоя дольше out_of_order_time_window.",
    ),
    queries=(
        Query(latest(REFUSED), "{{reason}}"),
        Query(rate(SAMPLES, by=["type"], over="5m"), "{{type}}"),
    ),
    mitigation=Text(
        "Give each process its own instance id, set the clocks by NTP, or widen "
        "out_of_order_time_window.",
        "Дайте каждому процессу свой идентификатор, настройте часы по NTP или увеличьте "
        "out_of_order_time_window.",
    ),
    dashboard="telemetry",
)


def _cannot_notify() -> Expr:
    failed = (
        f"sum by (instance) (increase({NOTIFICATIONS_FAILED.name}[3m])) + "
        f"sum by (instance) (increase({NOTIFICATIONS_DROPPED.name}[3m])) > 0"
    )
    return written(
        f"{failed} or sum by (instance) ({ALERTMANAGERS.name}) == 0",
        NOTIFICATIONS_FAILED.unit,
        NOTIFICATIONS_FAILED,
        NOTIFICATIONS_DROPPED,
        ALERTMANAGERS,
    )


CANNOT_NOTIFY = Alert(
    name="PrometheusCannotNotify",
    expr=_cannot_notify(),
    lasts="4m",
    severity="critical",
    summary="Prometheus cannot hand its alerts to Alertmanager.",
    description='{{ if gt $value 0.0 }}Not arrived in the last 3 minutes: {{ printf "%.0f" '
    "$value }}{{ else }}Alertmanagers that are known: {{ $value }}{{ end }}.",
    meaning=Text(
        "For minutes, alerts that fire have not reached Alertmanager, or Prometheus knows none.",
        "Уже несколько минут горящие алерты не доходят до Alertmanager, или Prometheus не знает "
        "ни одного.",
    ),
    impact=Text("Nobody is told of anything.", "Никому ни о чём не сообщают."),
    diagnosis=Text(
        "Does Alertmanager run, and is its address in targets/alertmanager.yml right? The log of "
        "Prometheus names the error of each attempt.",
        "Работает ли Alertmanager и верен ли его адрес в targets/alertmanager.yml? Журнал "
        "Prometheus называет ошибку каждой попытки.",
    ),
    queries=(
        Query(latest(ALERTMANAGERS), _LEGEND),
        Query(rate(NOTIFICATIONS_FAILED, by=["alertmanager"], over="5m"), "{{alertmanager}}"),
    ),
    mitigation=Text(
        "Start Alertmanager or mend its address. Until then look at the page Alerts of Prometheus.",
        "Запустите Alertmanager или исправьте адрес. До тех пор смотрите страницу Alerts в "
        "Prometheus.",
    ),
    dashboard="telemetry",
    inhibited_by=("AlertmanagerDown",),
)

CONFIG_REJECTED = Alert(
    name="PrometheusConfigRejected",
    expr=latest(CONFIG_OK).equals(0),
    lasts="1m",
    severity="warning",
    summary="Prometheus cannot read its new configuration.",
    description="The last reload failed (successful: {{ $value }}); the old configuration stays in "
    "force.",
    meaning=Text(
        "A changed configuration or rule file has an error; Prometheus goes on with the old one.",
        "В изменённой конфигурации или файле правил ошибка; Prometheus работает со старой.",
    ),
    impact=Text(
        "New rules and targets are not in force, and after its next restart Prometheus will not "
        "start.",
        "Новые правила и цели не действуют, а после следующего перезапуска Prometheus не "
        "запустится.",
    ),
    diagnosis=Text(
        "`promtool check config prometheus.yml` names file and line.",
        "`promtool check config prometheus.yml` назовёт файл и строку.",
    ),
    queries=(Query(latest(CONFIG_OK), _LEGEND),),
    mitigation=Text(
        "Mend the file and reload, or take back the change.",
        "Исправьте файл и перечитайте конфигурацию или отмените изменение.",
    ),
    dashboard="telemetry",
)

TOO_MANY_SERIES = Alert(
    name="PrometheusHasTooManySeries",
    expr=latest(SERIES) > SERIES_LIMIT,
    lasts="5m",
    severity="warning",
    summary="Prometheus holds too many series.",
    description=f"{{{{ $value | humanize }}}} series, more than {SERIES_LIMIT:,}.",
    meaning=Text(
        f"There are more than {SERIES_LIMIT:,} series. Most often one label has begun to take "
        "ever new values: an id, a path, an address.",
        f"Рядов больше {SERIES_LIMIT:_}. Чаще всего один ярлык стал принимать всё новые "
        "значения: идентификатор, путь, адрес.".replace("_", " "),
    ),
    impact=Text(
        "Each series costs memory: in the end the kernel kills Prometheus, and nobody sees "
        "anything.",
        "Каждый ряд стоит памяти: в конце концов ядро убьёт Prometheus, и никто ничего не увидит.",
    ),
    diagnosis=Text(
        "The page Status, TSDB status of Prometheus lists the metrics and labels with the most "
        "series. Which target adds them?",
        "Страница Status, TSDB status в Prometheus перечисляет метрики и ярлыки с наибольшим "
        "числом рядов. Какая цель их добавляет?",
    ),
    queries=(
        Query(latest(SERIES_ADDED, by=["job"], fold="sum"), "{{job}}"),
        Query(latest(SAMPLES_KEPT, by=["job"], fold="sum"), "{{job}}"),
        Query(latest(BLOCKS) + latest(WAL), _LEGEND),
    ),
    mitigation=Text(
        "Go back to the version that did not have the label, or drop the label in the Collector "
        "or by metric_relabel_configs. Old series leave the memory within three hours.",
        "Верните версию без этого ярлыка или отбрасывайте его в Collector либо в "
        "metric_relabel_configs. Старые ряды уйдут из памяти в течение трёх часов.",
    ),
    dashboard="telemetry",
)

STORAGE_FAILS = Alert(
    name="PrometheusStorageFails",
    expr=increase(WRITES_FAILED, by=_NODE, over="5m")
    + increase(COMPACTIONS_FAILED, by=_NODE, over="5m")
    > 0,
    lasts="30s",
    severity="critical",
    summary="Prometheus cannot store its data.",
    description='Failed writes and compactions in the last 5 minutes: {{ printf "%.0f" $value }}.',
    meaning=Text(
        "Prometheus cannot write to its disk, or cannot make blocks of what it has written.",
        "Prometheus не может писать на диск или собирать записанное в блоки.",
    ),
    impact=Text(
        "What is measured now is lost at the next restart, or not stored at all.",
        "Измеренное сейчас пропадёт при перезапуске или не сохранится вовсе.",
    ),
    diagnosis=Text(
        "Is the disk full or read-only? The log of Prometheus names the file.",
        "Диск полон или доступен только для чтения? Журнал Prometheus называет файл.",
    ),
    queries=(Query(latest(BLOCKS) + latest(WAL), _LEGEND),),
    mitigation=Text(
        "Free space or shorten the retention. Prometheus goes on by itself.",
        "Освободите место или сократите срок хранения. Prometheus продолжит сам.",
    ),
    dashboard="telemetry",
)

ALERTS = (
    WATCHDOG,
    RULES_FAIL,
    RULES_LATE,
    REFUSES,
    CANNOT_NOTIFY,
    CONFIG_REJECTED,
    TOO_MANY_SERIES,
    STORAGE_FAILS,
)
