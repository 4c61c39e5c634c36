# SPDX-License-Identifier: Apache-2.0
"""Alerts about what Prometheus scrapes, whatever program it is."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, latest, rate, written
from otel_setup.catalogue.scraped.targets import (
    CPU,
    MEMORY,
    OPEN_FILES,
    OPEN_FILES_MAX,
    SAMPLES_KEPT,
    SAMPLES_SCRAPED,
    SCRAPE_DURATION,
    START_TIME,
    UP,
)

#: From this share of its open files on a program is close to its end.
FILES_SHARE = 0.8

#: More starts than these in a quarter of an hour are no deploy any more.
STARTS = 2

_TARGET = "{{ $labels.job }} at {{ $labels.instance }}"
_LEGEND = "{{job}} {{instance}}"

DOWN = Alert(
    name="TargetDown",
    expr=latest(UP).equals(0),
    lasts="30s",
    severity="warning",
    summary="{{ $labels.job }} does not answer Prometheus.",
    description=f"{_TARGET} has not answered for 30 seconds (up is {{{{ $value }}}}).",
    meaning=Text(
        "Prometheus cannot read the metrics page of a program. Either the program is down, or it "
        "is too busy to answer in time.",
        "Prometheus не может прочитать страницу метрик программы: она не работает или так занята, "
        "что не успевает ответить.",
    ),
    impact=Text(
        "Nobody sees this program: its graphs end here, its own alerts cannot fire.",
        "Программу никто не видит: её графики обрываются, её собственные алерты не сработают.",
    ),
    diagnosis=Text(
        "Does the process run? Open the page of the target by hand. The page Status, Target "
        "health of Prometheus shows the error of the last scrape.",
        "Работает ли процесс? Откройте страницу цели вручную. Ошибку последнего опроса покажет "
        "страница Status, Target health в Prometheus.",
    ),
    queries=(
        Query(latest(UP), _LEGEND),
        Query(latest(SCRAPE_DURATION), _LEGEND),
    ),
    mitigation=Text(
        "Start the program. If it was removed on purpose, remove it from targets/<job>.yml.",
        "Запустите программу. Если её убрали намеренно, уберите её из targets/<job>.yml.",
    ),
    dashboard="telemetry",
    inhibited_by=("RabbitmqDown", "CollectorDown", "AlertmanagerDown"),
    inhibited_on=("instance",),
)

NOTHING_KEPT = Alert(
    name="TargetKeepsNothing",
    expr=latest(SAMPLES_KEPT).equals(0).and_on(latest(UP).equals(1), "job", "instance"),
    lasts="5m",
    severity="warning",
    summary="Nothing that {{ $labels.job }} offers is stored.",
    description=f"{_TARGET} answers, and {{{{ $value }}}} of its samples are kept.",
    meaning=Text(
        "A target answers, and its keep-list matches none of its metrics. Most often a new "
        "version has renamed them.",
        "Цель отвечает, но ни одна её метрика не входит в список нужных. Чаще всего новая версия "
        "их переименовала.",
    ),
    impact=Text(
        "Its panels are empty and its alerts silent, while it is shown as up.",
        "Её панели пусты, алерты молчат, хотя она считается работающей.",
    ),
    diagnosis=Text(
        "Open the page of the target and compare its names with the keep-list in scrape.yml.",
        "Откройте страницу цели и сравните имена со списком в scrape.yml.",
    ),
    queries=(
        Query(latest(SAMPLES_KEPT), _LEGEND),
        Query(latest(SAMPLES_SCRAPED), _LEGEND),
    ),
    mitigation=Text(
        "Enter the new names into the catalogue and render again; until then go back to the "
        "version before.",
        "Внесите новые имена в каталог и создайте файлы заново, а до тех пор верните прежнюю "
        "версию.",
    ),
    dashboard="telemetry",
)

RESTARTS = Alert(
    name="ProgramRestarts",
    expr=written(f"changes({START_TIME.name}[15m]) > {STARTS}", "{restart}", START_TIME),
    lasts="0s",
    severity="warning",
    summary="{{ $labels.job }} restarts again and again.",
    description=f"{_TARGET} was started {{{{ $value }}}} times in 15 minutes.",
    meaning=Text(
        f"A scraped program was started more than {STARTS} times in a quarter of an hour. In "
        "every single scrape it looks healthy.",
        f"Опрашиваемую программу за четверть часа запускали больше {STARTS} раз. В каждом "
        "отдельном опросе она выглядит здоровой.",
    ),
    impact=Text(
        "It is away for moments and loses what it held in memory.",
        "Она пропадает на мгновения и теряет то, что держала в памяти.",
    ),
    diagnosis=Text(
        "Its log ends with the reason. If it does not, the kernel killed it: look for "
        "`Out of memory` in `dmesg`.",
        "Журнал заканчивается причиной. Если нет, программу убило ядро: ищите `Out of memory` в "
        "`dmesg`.",
    ),
    queries=(
        Query(written(f"changes({START_TIME.name}[15m])", "{restart}", START_TIME), _LEGEND),
        Query(latest(MEMORY), _LEGEND),
        Query(rate(CPU, by=["job", "instance"], over="5m"), _LEGEND),
    ),
    mitigation=Text(
        "Stop what restarts it, read the log, go back to the last version or configuration that "
        "worked.",
        "Остановите то, что её перезапускает, прочитайте журнал, верните последнюю работавшую "
        "версию или конфигурацию.",
    ),
    dashboard="telemetry",
)

OUT_OF_FILES = Alert(
    name="ProgramRunsOutOfFiles",
    expr=latest(OPEN_FILES) / latest(OPEN_FILES_MAX) > FILES_SHARE,
    lasts="2m",
    severity="warning",
    summary="{{ $labels.job }} runs out of open files.",
    description=f"{_TARGET} uses {{{{ $value | humanizePercentage }}}} of the files and "
    "connections that it may open.",
    meaning=Text(
        f"A program holds more than {FILES_SHARE:.0%} of the files and connections that it may.",
        f"Программа держит больше {FILES_SHARE * 100:.0f} % разрешённых ей файлов и соединений.",
    ),
    impact=Text(
        "At the limit it can neither write nor take a connection.",
        "На пределе она не сможет ни писать, ни принять соединение.",
    ),
    diagnosis=Text(
        "`ls -l /proc/<pid>/fd` says what they are: connections that nobody closes, or files.",
        "`ls -l /proc/<pid>/fd` покажет, что это: соединения, которые никто не закрывает, или "
        "файлы.",
    ),
    queries=(
        Query(latest(OPEN_FILES), _LEGEND),
        Query(increase(CPU, by=["job", "instance"], over="5m"), _LEGEND),
    ),
    mitigation=Text(
        "Restart it to win time, then raise its limit (LimitNOFILE) or mend the leak.",
        "Перезапустите, чтобы выиграть время, затем поднимите предел (LimitNOFILE) или устраните "
        "утечку.",
    ),
    dashboard="telemetry",
)

TARGETS = (DOWN, NOTHING_KEPT)
PROGRAMS = (RESTARTS, OUT_OF_FILES)
