# SPDX-License-Identifier: Apache-2.0
"""Alerts about single processes: one has no CPU left, or leaks memory."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.process import COLLECTIONS, CPU_TIME, MEMORY_USAGE, THREADS
from otel_setup.catalogue.jobs import ALIVE, alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, rate, selector, written

#: A program in Python computes on one core at a time, so one core is all that it has.
BUSY_CORE = 0.9
#: Growth in an hour below this share and size is no leak.
_GROWTH_SHARE, _GROWTH_BYTES = 0.1, 32 * 1024 * 1024

_PROCESS = "{{job}} {{instance}}"

#: A server uses as many cores as it likes, and its memory is its cache.
_SERVICE = {"process.executable.name": ""}


def _grows() -> Expr:
    """
    Return by how much processes grew in an hour, if they did so in the hour before as well.

    The least of half an hour is compared with the most of half an hour before, so that a
    process that rises and falls with its work does not count, and one that just started has
    nothing to be compared with.
    """
    memory = selector(MEMORY_USAGE, _SERVICE)
    now = f"min by (job, instance) (min_over_time({memory}[30m]))"
    ago = f"by (job, instance) (%s_over_time({memory}[30m] offset 1h))"
    before = f"max by (job, instance) (max_over_time({memory}[30m] offset 2h))"
    most, least = f"max {ago % 'max'}", f"min {ago % 'min'}"
    return written(
        f"({now} - {most} > {_GROWTH_BYTES})"
        f" and ({now} > {1 + _GROWTH_SHARE} * {most})"
        f" and ({least} > {1 + _GROWTH_SHARE} * {before})"
        f" and max by (job, instance) (last_over_time({memory}[{ALIVE}]))",
        "By",
        MEMORY_USAGE,
    )


NO_CPU_LEFT = Alert(
    name="ProcessUsesAllCpu",
    expr=rate(CPU_TIME, by=["job", "instance"], where=_SERVICE, over="5m") > BUSY_CORE,
    lasts="10m",
    severity="warning",
    summary="A process of {{ $labels.job }} computes all the time.",
    description="Process {{ $labels.instance }} has used {{ $value | humanizePercentage }} of a "
    "core for 10 minutes.",
    meaning=Text(
        "A process used over 90 % of a core for ten minutes. Python computes on one core at a "
        "time, so it has nothing left.",
        "Процесс десять минут занимает больше 90 % ядра. Python считает на одном ядре "
        "одновременно, поэтому запаса у процесса нет.",
    ),
    impact=Text(
        "All that this process serves gets slow, and its queue grows.",
        "Всё, что обслуживает этот процесс, замедляется, а его очередь растёт.",
    ),
    diagnosis=Text(
        "Is it work or a loop? If the requests or messages of the service rose as well, it is "
        "work. If not, `py-spy top --pid` shows which function computes. Many collections of "
        "generation 2 mean that it spends its time on garbage. A part of the work of the kernel "
        "(mode system) over a half points to input and output.",
        "Это работа или зацикливание? Если выросло и число запросов или сообщений сервиса, это "
        "работа. Если нет, `py-spy top --pid` покажет, какая функция считает. Частые сборки "
        "поколения 2 значат, что время уходит на мусор. Если больше половины времени работает "
        "ядро (режим system), ищите ввод-вывод.",
    ),
    queries=(
        Query(rate(CPU_TIME, by=["job", "instance", "cpu.mode"], over="5m"), _PROCESS),
        Query(
            rate(
                COLLECTIONS,
                by=["job", "instance"],
                where={"cpython.gc.generation": "2"},
                over="5m",
            ),
            _PROCESS,
        ),
    ),
    mitigation=Text(
        "If it is work, add processes or hosts. If it is a loop, take a profile first, then "
        "restart the process.",
        "Если это работа, добавьте процессы или узлы. Если зацикливание, сначала снимите профиль, "
        "потом перезапустите процесс.",
    ),
)

LEAKS = Alert(
    name="ProcessMemoryGrows",
    expr=_grows(),
    lasts="10m",
    severity="warning",
    summary="The memory of a process of {{ $labels.job }} grows steadily.",
    description="Process {{ $labels.instance }} needs {{ $value | humanize1024 }}B more than an "
    "hour ago, and grew in the hour before as well.",
    meaning=Text(
        "For two hours the memory of a process grew by more than 10 % an hour, and by 32 MiB in "
        "the last one, without ever falling back. A process younger than two hours is not "
        "judged.",
        "Два часа подряд память процесса росла больше чем на 10 % в час, а за последний час на "
        "32 МиБ, и ни разу не уменьшалась. Процессы моложе двух часов не оцениваются.",
    ),
    impact=Text(
        "When the host runs out of memory, the kernel kills a process, and not always this one.",
        "Когда на узле кончится память, ядро убьёт процесс, и не обязательно этот.",
    ),
    diagnosis=Text(
        "Compare with the other processes of the job: if all grow, the cause is the traffic or a "
        "new version; if one does, what only it did. Threads that grow too mean that something "
        "is started and never ends. `memray attach` shows who allocates.",
        "Сравните с другими процессами сервиса: если растут все, причина в трафике или новой "
        "версии; если один, в том, что делал только он. Если растут и потоки, что-то запускается "
        "и не завершается. `memray attach` покажет, кто выделяет память.",
    ),
    queries=(
        Query(alive(MEMORY_USAGE, by=["job", "instance"]), _PROCESS),
        Query(alive(THREADS, by=["job", "instance"]), _PROCESS),
    ),
    mitigation=Text(
        "Restart the process in a quiet hour. Go back to the version before, if all began with a "
        "new one.",
        "Перезапустите процесс в тихий час. Если всё началось с новой версии, верните прежнюю.",
    ),
)

ALERTS = (NO_CPU_LEFT, LEAKS)
