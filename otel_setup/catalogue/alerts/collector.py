# SPDX-License-Identifier: Apache-2.0
"""Alerts about telemetry on its way: the Collector is down, loses or delays it, or none comes."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, latest, rate, written
from otel_setup.catalogue.scraped.collector import (
    ACCEPTED,
    JOB,
    LAST_REPORT,
    LOST,
    MEMORY,
    QUEUE_CAPACITY,
    QUEUE_SIZE,
    SENT,
    SIGNALS,
)
from otel_setup.catalogue.scraped.targets import NO_ANSWER, START_TIME, UP, down

#: From this share on a queue is filling up.
FULL_SHARE = 0.5

#: A service that was not heard of for so long is silent: three exports at the default interval.
SILENT_SECONDS = 45

#: So long a silent service is missed; then it is taken for removed.
REMEMBERED = "6h"

_BY_QUEUE = ["exporter", "data_type"]
_QUEUE = "{{exporter}} {{data_type}}"
_AGE = Query(
    written(f"time() - {LAST_REPORT.name}", LAST_REPORT.unit, LAST_REPORT),
    "{{job}}",
)
_FLOW = (
    *(
        Query(rate(ACCEPTED[signal], by=["receiver"], over="5m"), f"{{{{receiver}}}} {signal} in")
        for signal in SIGNALS
    ),
    *(
        Query(rate(SENT[signal], by=["exporter"], over="5m"), f"{{{{exporter}}}} {signal} out")
        for signal in SIGNALS
    ),
)

DOWN = Alert(
    name="CollectorDown",
    expr=down(JOB),
    lasts="30s",
    severity="critical",
    summary="The OpenTelemetry Collector does not answer.",
    description=f"The Collector is away for 30 seconds: {NO_ANSWER}",
    meaning=Text(
        "The Collector's own metrics page has not answered for 30 seconds.",
        "Страница собственных метрик Collector не отвечает уже 30 секунд.",
    ),
    impact=Text(
        "Nobody sees the services: no metrics, no traces, no alerts about them. They work on and "
        "keep their telemetry for minutes, then drop it.",
        "Сервисов никто не видит: ни метрик, ни трасс, ни алертов о них. Они работают и несколько "
        "минут хранят телеметрию у себя, а потом выбрасывают.",
    ),
    diagnosis=Text(
        "Does the process run? Its log says why it ended; a configuration that it cannot read is "
        "said in the first lines. Does its machine have memory and disk left?",
        "Работает ли процесс? Почему он завершился, сказано в журнале, о нечитаемой конфигурации "
        "в первых строках. Остались ли на машине память и место на диске?",
    ),
    queries=(Query(latest(UP, where={"job": JOB}), "{{instance}}"), _AGE),
    mitigation=Text(
        "Start it. What was in its queue on disk is sent on; services send what they kept.",
        "Запустите его. То, что лежит в его очереди на диске, уйдёт дальше, а сервисы пришлют "
        "то, что сохранили.",
    ),
    dashboard="telemetry",
)

LOSES = Alert(
    name="TelemetryLost",
    expr=latest(LOST) > 0,
    lasts="0s",
    severity="critical",
    summary="Telemetry gets lost: {{ $labels.signal }}, {{ $labels.how }}.",
    description='Not through in the last 5 minutes: {{ printf "%.0f" $value }} items of '
    "{{ $labels.signal }} ({{ $labels.how }}).",
    meaning=Text(
        "Data did not get through. refused and queue full: the sender tries again for a while "
        "and then drops it. failed and not sent: it is lost now.",
        "Данные не прошли. refused и queue full: отправитель повторит и со временем выбросит. "
        "failed и not sent: потеряны уже сейчас.",
    ),
    impact=Text(
        "Dashboards and alerts are wrong from here on: they show less than there was.",
        "С этого места панели и алерты неверны: они показывают меньше, чем было.",
    ),
    diagnosis=Text(
        "refused: the Collector is at its memory limit, or a queue is full. queue full: the "
        "store behind is away or slow; see what is sent. not sent: the store refused the data "
        "for good, the Collector's log names the error: too old, too large, a label that it "
        "does not take.",
        "refused: Collector на пределе памяти, или полна очередь. queue full: хранилище "
        "недоступно или медленно; смотрите, что отправляется. not sent: хранилище отказалось "
        "окончательно, ошибка названа в журнале Collector: слишком старые, слишком большие, "
        "неприемлемый ярлык.",
    ),
    queries=(
        Query(latest(LOST), "{{signal}} {{how}}"),
        Query(
            latest(QUEUE_SIZE, by=_BY_QUEUE, fold="sum")
            / latest(QUEUE_CAPACITY, by=_BY_QUEUE, fold="sum"),
            _QUEUE,
        ),
        Query(latest(MEMORY), "{{instance}}"),
    ),
    mitigation=Text(
        "Bring the store back, or give the Collector more memory or a larger queue. What is "
        "refused for good is a fault of the sender: mend the metric or the span.",
        "Верните хранилище, дайте Collector больше памяти или очередь побольше. Если хранилище "
        "отказывает окончательно, виноват отправитель: исправьте метрику или спан.",
    ),
    dashboard="telemetry",
)

FILLS = Alert(
    name="TelemetryQueueFills",
    expr=latest(QUEUE_SIZE, by=_BY_QUEUE, fold="sum")
    / latest(QUEUE_CAPACITY, by=_BY_QUEUE, fold="sum")
    > FULL_SHARE,
    lasts="1m",
    severity="warning",
    summary="The Collector's queue for {{ $labels.exporter }} fills up.",
    description="It is full to {{ $value | humanizePercentage }} ({{ $labels.data_type }}). What "
    "does not fit is refused.",
    meaning=Text(
        f"The queue of an exporter is over {FULL_SHARE:.0%} full for a minute.",
        f"Очередь экспортёра уже минуту заполнена больше чем на {FULL_SHARE * 100:.0f} %.",
    ),
    impact=Text(
        "None yet: all is kept on disk and comes late. When the queue is full, data is refused.",
        "Пока никакого: всё лежит на диске и придёт с опозданием. Когда очередь заполнится, "
        "данные начнут отвергаться.",
    ),
    diagnosis=Text(
        "Is the store behind the exporter away (nothing is sent) or too slow (less is sent than "
        "comes)?",
        "Хранилище за экспортёром недоступно (ничего не уходит) или медленно (уходит меньше, чем "
        "приходит)?",
    ),
    queries=_FLOW,
    mitigation=Text(
        "Bring the store back. If it is only slow, send less to it: sample traces, raise the "
        "export interval.",
        "Верните хранилище. Если оно лишь медленное, шлите меньше: прореживайте трассы, "
        "увеличьте интервал выгрузки.",
    ),
    dashboard="telemetry",
)


def _stands() -> Expr:
    """Return the queues that hold something and send nothing on."""
    standing = " or ".join(
        f'sum by (exporter, data_type) ({QUEUE_SIZE.name}{{data_type="{signal}"}}) > 0 '
        f"unless on (exporter) sum by (exporter) (rate({SENT[signal].name}[1m])) > 0"
        for signal in SIGNALS
    )
    return written(standing, QUEUE_SIZE.unit, QUEUE_SIZE, *SENT.values())


DELAYED = Alert(
    name="TelemetryDelayed",
    expr=_stands(),
    lasts="1m",
    severity="warning",
    summary="The Collector cannot send to {{ $labels.exporter }}.",
    description="{{ $value | humanize1024 }}B of {{ $labels.data_type }} wait, and nothing was "
    "sent for 2 minutes.",
    meaning=Text(
        "An exporter has data in its queue and has sent nothing for two minutes: the store "
        "behind it is away or refuses everything.",
        "В очереди экспортёра есть данные, а он две минуты ничего не отправил: хранилище за ним "
        "недоступно или отвергает всё.",
    ),
    impact=Text(
        "New traces or metrics cannot be seen. Nothing is lost while the queue has room.",
        "Новых трасс или метрик не видно. Пока в очереди есть место, ничего не теряется.",
    ),
    diagnosis=Text(
        "The Collector's log repeats the error of the exporter: connection refused, timeout, "
        "status. Does the address of the store answer?",
        "Журнал Collector повторяет ошибку экспортёра: отказ в соединении, истекло время, код. "
        "Отвечает ли адрес хранилища?",
    ),
    queries=(Query(latest(QUEUE_SIZE), _QUEUE), *_FLOW),
    mitigation=Text(
        "Bring the store back. The queue is sent on by itself, oldest first.",
        "Верните хранилище. Очередь уйдёт сама, начиная с самого старого.",
    ),
    dashboard="telemetry",
    inhibited_by=("CollectorDown",),
)


def _silent() -> Expr:
    """
    Return for how long each service has been silent.

    While the Collector or Prometheus was away a moment ago, every service looks silent: then
    nothing is said for two minutes.
    """
    return written(
        f"(time() - max_over_time({LAST_REPORT.name}[{REMEMBERED}]) > {SILENT_SECONDS}) "
        f'and on () (min(min_over_time(up{{job="{JOB}"}}[2m])) == 1) '
        f'and on () (time() - max({START_TIME.name}{{job="prometheus"}}) > 120)',
        LAST_REPORT.unit,
        LAST_REPORT,
        UP,
        START_TIME,
    )


SILENT = Alert(
    name="ServiceSilent",
    expr=_silent(),
    lasts="10s",
    severity="critical",
    summary="{{ $labels.job }} has fallen silent.",
    description="No process of {{ $labels.job }} has reported for {{ $value | humanizeDuration }}.",
    meaning=Text(
        f"A service that sends its telemetry to the Collector has sent none for "
        f"{SILENT_SECONDS} seconds, from none of its processes. One process that restarts among "
        f"others does not alert. A service that was removed on purpose alerts for {REMEMBERED}; "
        "silence it, and then it is forgotten.",
        f"Сервис, который шлёт телеметрию в Collector, молчит {SILENT_SECONDS} секунд, и молчат "
        "все его процессы. Перезапуск одного процесса из нескольких алерта не вызывает. Об "
        f"удалённом намеренно сервисе алерт горит {REMEMBERED}: заглушите его, потом он забудется.",
    ),
    impact=Text(
        "The service is most likely dead; if it lives, nobody sees what it does.",
        "Скорее всего сервис мёртв, а если жив, никто не видит, что он делает.",
    ),
    diagnosis=Text(
        "Does its process run, does its health page answer? If so, the way to the Collector is "
        "broken: OTEL_EXPORTER_OTLP_ENDPOINT, a firewall, a wrong token; its log warns about "
        "failed exports.",
        "Работает ли процесс, отвечает ли его страница здоровья? Если да, сломан путь к "
        "Collector: OTEL_EXPORTER_OTLP_ENDPOINT, сетевой экран, неверный токен; журнал сервиса "
        "предупреждает о неудачных выгрузках.",
    ),
    queries=(_AGE, Query(latest(UP), "{{job}}"), *_FLOW[: len(SIGNALS)]),
    mitigation=Text(
        "Start or restart the service; go back to the version before if it dies again.",
        "Запустите или перезапустите сервис; если он снова умирает, верните прежнюю версию.",
    ),
    dashboard="telemetry",
    inhibited_by=("CollectorDown",),
)

ALERTS = (DOWN, LOSES, FILLS, DELAYED, SILENT)
