# SPDX-License-Identifier: Apache-2.0
"""What Prometheus itself writes about its targets, and what it computes about its alerts."""

from __future__ import annotations

from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text
from otel_setup.catalogue.promql import Expr, written

UP = Gauge(
    name="up",
    unit="{target}",
    description=Text(
        "1 if the last scrape of a target succeeded, otherwise 0.",
        "1, если последний опрос цели удался, иначе 0.",
    ),
    why=Text(
        "The plainest sign of life: no program can forget to send it.",
        "Самый простой признак жизни: программа не может забыть его отправить.",
    ),
    method=Method.USE_ERRORS,
)

SCRAPE_DURATION = Gauge(
    name="scrape_duration_seconds",
    unit="s",
    description=Text("How long the last scrape of a target took.", "Сколько длился опрос цели."),
    why=Text(
        "A target whose answer comes close to the timeout is lost next.",
        "Цель, чей ответ подошёл к пределу ожидания, пропадёт следующей.",
    ),
    method=Method.DURATION,
    no_alert=Text(
        "A scrape that takes too long fails, and that is TargetDown.",
        "Слишком долгий опрос считается неудачным, а это уже TargetDown.",
    ),
)

SAMPLES_SCRAPED = Gauge(
    name="scrape_samples_scraped",
    unit="{sample}",
    description=Text(
        "Samples that a target offered in the last scrape.",
        "Сколько значений цель отдала при последнем опросе.",
    ),
    why=Text(
        "Together with what is kept it shows how much the keep-lists save.",
        "Вместе с числом сохранённых показывает, сколько экономят списки нужных метрик.",
    ),
    method=Method.TRAFFIC,
    no_alert=Text(
        "What is not kept costs nothing but the transfer.",
        "То, что не сохраняется, стоит только передачи.",
    ),
)

SAMPLES_KEPT = Gauge(
    name="scrape_samples_post_metric_relabeling",
    unit="{sample}",
    description=Text(
        "Samples of the last scrape that were stored.",
        "Сколько значений последнего опроса сохранено.",
    ),
    why=Text(
        "Says which target fills the storage. Zero means that a keep-list no longer fits.",
        "Показывает, какая цель заполняет хранилище. Ноль: список нужных метрик устарел.",
    ),
    method=Method.TRAFFIC,
)

SERIES_ADDED = Gauge(
    name="scrape_series_added",
    unit="{series}",
    description=Text(
        "Series that a scrape brought and the one before had not.",
        "Ряды, которых не было в предыдущем опросе.",
    ),
    why=Text(
        "Series that come and go all the time mean a label without a bound.",
        "Ряды, которые всё время появляются и исчезают, выдают ярлык без предела.",
    ),
    method=Method.SATURATION,
    no_alert=Text(
        "Their sum is watched: PrometheusHasTooManySeries.",
        "Следим за их суммой: PrometheusHasTooManySeries.",
    ),
)

TARGET_INFO = Gauge(
    name="target_info",
    unit="{process}",
    description=Text(
        "1 for each process that sends OpenTelemetry metrics; labels say what it is.",
        "1 для каждого процесса, который шлёт метрики OpenTelemetry; ярлыки описывают его.",
    ),
    why=Text(
        "The age of its last sample says when a service was last heard of.",
        "Возраст последнего значения говорит, когда сервис подавал голос.",
    ),
    attributes={
        "service_name": Label(
            Text("name of a scraped service; of others it is job", "имя опрашиваемого сервиса"),
            at_most=50,
        ),
        "service_instance_id": Label(
            Text(
                "identity of one scraped process, new at each start; of others it is instance",
                "идентификатор одного процесса, новый при каждом запуске",
            ),
            at_most=500,
        ),
        "telemetry_sdk_language": Label(
            Text("language of the SDK", "язык SDK"), values=("python", "go")
        ),
        "telemetry_sdk_name": Label(Text("name of the SDK", "имя SDK"), values=("opentelemetry",)),
        "telemetry_sdk_version": Label(Text("version of the SDK", "версия SDK"), at_most=5),
        "postgresql_database_name": Label(
            Text("database that a receiver reads", "база, которую читает приёмник"), at_most=20
        ),
        "postgresql_schema_name": Label(
            Text("schema that a receiver reads", "схема, которую читает приёмник"), at_most=20
        ),
        "postgresql_table_name": Label(
            Text("table that a receiver reads", "таблица, которую читает приёмник"), at_most=200
        ),
        "postgresql_index_name": Label(
            Text("index that a receiver reads", "индекс, который читает приёмник"), at_most=500
        ),
    },
)

_ALERT = {
    "alertname": Label(Text("name of the alert", "имя алерта"), at_most=200),
    "severity": Label(
        Text("whom it tells, and how fast", "кому и как быстро сообщать"),
        values=("critical", "warning", "info"),
    ),
    "team": Label(Text("who answers for it", "кто за это отвечает"), at_most=20),
    "component": Label(Text("part of the system", "часть системы"), at_most=50),
}

ALERTS = Gauge(
    name="ALERTS",
    unit="{alert}",
    description=Text(
        "1 for each alert that is pending or firing, with the labels of the alert.",
        "1 для каждого ожидающего или горящего алерта, с ярлыками алерта.",
    ),
    why=Text(
        "The history of alerts: what fired last night, for how long, together with what.",
        "История алертов: что горело ночью, сколько и вместе с чем.",
    ),
    attributes={
        **_ALERT,
        "alertstate": Label(
            Text("whether it waits for its time or fires", "ждёт своего срока или горит"),
            values=("pending", "firing"),
        ),
    },
    rare=Text("Absent while nothing is wrong.", "Отсутствует, пока всё в порядке."),
)

ALERTS_FOR_STATE = Gauge(
    name="ALERTS_FOR_STATE",
    unit="s",
    description=Text(
        "When each pending or firing alert became active, as Unix time.",
        "Когда каждый ожидающий или горящий алерт стал активным, время Unix.",
    ),
    why=Text(
        "Prometheus reads it after a restart, so that an alert does not begin to wait anew.",
        "Prometheus читает его после перезапуска, чтобы алерт не начал ждать заново.",
    ),
    attributes=_ALERT,
    rare=Text("Absent while nothing is wrong.", "Отсутствует, пока всё в порядке."),
    no_panel=Text("ALERTS shows the same for people.", "Людям то же самое показывает ALERTS."),
    no_alert=Text("It is about alerts, not about the system.", "Оно об алертах, не о системе."),
)

START_TIME = Gauge(
    name="process_start_time_seconds",
    unit="s",
    description=Text(
        "When a scraped program was started, as Unix time.",
        "Когда запущена опрашиваемая программа, время Unix.",
    ),
    why=Text(
        "A program that restarts again and again looks healthy in every single scrape.",
        "Программа, которая перезапускается снова и снова, в каждом опросе выглядит здоровой.",
    ),
    method=Method.USE_ERRORS,
)

CPU = Counter(
    name="process_cpu_seconds_total",
    unit="s",
    description=Text("CPU time of a scraped program.", "Процессорное время программы."),
    why=Text("Says what the monitoring itself costs.", "Показывает, сколько стоит сам мониторинг."),
    method=Method.UTILIZATION,
    no_alert=Text(
        "A busy program is no fault; a slow one shows in its own alerts.",
        "Занятая программа не поломка; медленную выдают её собственные алерты.",
    ),
)

MEMORY = Gauge(
    name="process_resident_memory_bytes",
    unit="By",
    description=Text("Memory that a scraped program holds.", "Память, которую занимает программа."),
    why=Text(
        "Prometheus grows with the number of series and is the first to be killed when memory "
        "runs out.",
        "Prometheus растёт вместе с числом рядов, и при нехватке памяти его убивают первым.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "The memory of the host is watched, and the number of series.",
        "Следим за памятью машины и за числом рядов.",
    ),
)

OPEN_FILES = Gauge(
    name="process_open_fds",
    unit="{file}",
    description=Text(
        "Files and connections that a scraped program holds open.",
        "Открытые файлы и соединения программы.",
    ),
    why=Text(
        "At the limit it can neither write nor take connections.",
        "На пределе программа не может ни писать, ни принимать соединения.",
    ),
    method=Method.SATURATION,
)

OPEN_FILES_MAX = Gauge(
    name="process_max_fds",
    unit="{file}",
    description=Text(
        "Files and connections that a scraped program may hold open.",
        "Сколько файлов и соединений программе разрешено открыть.",
    ),
    why=Text("The limit of the other.", "Предел для числа открытых."),
    method=Method.SATURATION,
)

GOROUTINES = Gauge(
    name="go_goroutines",
    unit="{goroutine}",
    description=Text("Goroutines of a program in Go.", "Горутины программы на Go."),
    why=Text(
        "A number that only rises is a leak, or work that waits for something.",
        "Если число только растёт, это утечка или работа, которая чего-то ждёт.",
    ),
    method=Method.SATURATION,
    no_alert=Text(
        "What a leak does is watched: memory, and whether the program answers.",
        "Следим за последствиями утечки: памятью и тем, отвечает ли программа.",
    ),
)


def down(job: str) -> Expr:
    """Return the targets of *job* that do not answer; 0 too if Prometheus knows none."""
    return written(f'up{{job="{job}"}} == 0 or absent(up{{job="{job}"}}) - 1', UP.unit, UP)


#: The end of a description: which target does not answer, or that there is none.
NO_ANSWER = (
    "{{ if $labels.instance }}{{ $labels.instance }} does not answer{{ else }}Prometheus has no "
    "target for it{{ end }} (up is {{ $value }})."
)
