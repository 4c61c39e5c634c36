# SPDX-License-Identifier: Apache-2.0
"""Alerts about hosts: CPU, memory, disk and clock."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.host import (
    CPU,
    CPU_PRESSURE,
    DISK_AVAILABLE,
    DISK_SIZE,
    DISK_WRITTEN,
    KILLS,
    LOAD,
    MEMORY_AVAILABLE,
    MEMORY_TOTAL,
    TIME,
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import WINDOW, Expr, increase, latest, rate, selector, written

BUSY_SHARE, LOW_SHARE, FULL_SHARE, SKEW_SECONDS = 0.9, 0.1, 0.05, 1
#: Waiting for more than a fifth of the time, or more than one and a half tasks for each CPU.
_PRESSURE, _TASKS_OF_CPU = 0.2, 1.5
#: A disk that is mostly empty may fill as fast as it likes.
_SPARE_SHARE = 0.4

#: File systems that live in memory or cannot be written.
DISKS = {"fstype": "!~tmpfs|ramfs|overlay|squashfs|iso9660|autofs"}
_MOUNT = ("instance", "mountpoint")


def busy(over: str = WINDOW) -> Expr:
    """Return which share of its CPUs a host uses."""
    idle = selector(CPU, {"mode": "idle"})
    return written(f"1 - avg by (instance) (rate({idle}[{over}]))", "1", CPU)


def cpus() -> Expr:
    """Return how many CPUs a host has, as tasks that can run at once."""
    idle = selector(CPU, {"mode": "idle"})
    return written(f"count by (instance) ({idle})", LOAD.unit, CPU)


def available_memory() -> Expr:
    """Return which share of the memory programs may still get."""
    available = latest(MEMORY_AVAILABLE, by=["instance"], fold="max")
    return available / latest(MEMORY_TOTAL, by=["instance"], fold="max")


def available_disk() -> Expr:
    """Return which share of each file system is left."""
    available = latest(DISK_AVAILABLE, by=_MOUNT, where=DISKS, fold="max")
    return available / latest(DISK_SIZE, by=_MOUNT, where=DISKS, fold="max")


def skew() -> Expr:
    """Return by how much a host's clock is ahead of that of Prometheus."""
    clock = selector(TIME)
    return written(f"{clock} - timestamp({clock})", "s", TIME)


def _saturated() -> Expr:
    """Return how busy the hosts are whose tasks wait for a CPU."""
    waiting = rate(CPU_PRESSURE, by=["instance"], over="5m") > _PRESSURE
    queue = latest(LOAD, by=["instance"], fold="max") / cpus() > _TASKS_OF_CPU
    return (busy("5m") > BUSY_SHARE).and_on(waiting.or_(queue), "instance")


def _fills_up() -> Expr:
    """Return which share is left of the file systems that will be full in a day."""
    space = selector(DISK_AVAILABLE, DISKS)
    full_in_a_day = written(
        f"max by (instance, mountpoint) (predict_linear({space}[6h], 86400)) < 0",
        "By",
        DISK_AVAILABLE,
    )
    # A line through a few minutes says nothing about a day.
    known_for_long = written(
        f"max by (instance, mountpoint) ({space} offset 3h)", "By", DISK_AVAILABLE
    )
    return (
        (available_disk() < _SPARE_SHARE)
        .and_on(full_in_a_day, *_MOUNT)
        .and_on(known_for_long, *_MOUNT)
    )


def _wrong_clock() -> Expr:
    return written(f"abs({skew().text}) > {SKEW_SECONDS}", "s", TIME)


CPU_SATURATED = Alert(
    name="HostCpuSaturated",
    expr=_saturated(),
    lasts="10m",
    severity="warning",
    summary="The CPUs of {{ $labels.instance }} are saturated.",
    description="They are {{ $value | humanizePercentage }} busy, and tasks wait for them.",
    meaning=Text(
        "For ten minutes the CPUs of a host were more than 90 % busy while tasks waited for them: "
        "more than 1.5 for each CPU, or for over a fifth of the time.",
        "Десять минут процессоры узла заняты больше чем на 90 %, а задачи их ждут: больше 1,5 на "
        "процессор или больше пятой части времени.",
    ),
    impact=Text(
        "Everything on this host takes longer, services and databases alike.",
        "Всё на этом узле работает медленнее: и сервисы, и базы.",
    ),
    diagnosis=Text(
        "Which mode? user: a program computes, look for the busiest process. system: the kernel, "
        "mostly for much small input and output. iowait is not busy. steal: the neighbours on the "
        "same hardware take the time.",
        "Какой режим? user: считает программа, ищите самый занятый процесс. system: ядро, обычно "
        "из-за множества мелких операций ввода-вывода. iowait занятостью не считается. steal: "
        "время забирают соседи по железу.",
    ),
    queries=(
        Query(rate(CPU, by=["instance", "mode"], over="5m"), "{{instance}} {{mode}}"),
        Query(latest(LOAD), "{{instance}}"),
    ),
    mitigation=Text(
        "Stop or move what need not run here and now (builds, backups, imports), or add CPUs.",
        "Остановите или перенесите то, что не обязано работать здесь и сейчас (сборки, резервные "
        "копии, импорт), или добавьте процессоры.",
    ),
)

MEMORY_LOW = Alert(
    name="HostMemoryLow",
    expr=available_memory() < LOW_SHARE,
    lasts="5m",
    severity="warning",
    summary="{{ $labels.instance }} is almost out of memory.",
    description="{{ $value | humanizePercentage }} of its memory is left to programs.",
    meaning=Text(
        "Programs may get less than 10 % of the host's memory, caches counted as free.",
        "Программам доступно меньше 10 % памяти узла, даже если считать кеши свободными.",
    ),
    impact=Text(
        "Caches shrink and disks get busy; in the end the kernel kills the largest process, which "
        "mostly is the database or the broker.",
        "Кеши сжимаются, диски загружены; в конце концов ядро убьёт самый большой процесс, а это "
        "обычно база или брокер.",
    ),
    diagnosis=Text(
        "See which process grew (`ps aux --sort=-rss`), and since when: a steady rise is a leak, "
        "a step is a new program or a setting.",
        "Посмотрите, какой процесс вырос (`ps aux --sort=-rss`) и с какого времени: ровный рост "
        "означает утечку, ступенька новую программу или настройку.",
    ),
    queries=(
        Query(latest(MEMORY_AVAILABLE), "{{instance}}"),
        Query(latest(MEMORY_TOTAL), "{{instance}}"),
    ),
    mitigation=Text(
        "Restart what leaks, in a quiet hour. Move a program to another host, or add memory.",
        "Перезапустите в тихий час то, что течёт. Перенесите программу на другой узел или "
        "добавьте памяти.",
    ),
)

KILLED = Alert(
    name="HostKillsProcesses",
    expr=increase(KILLS, by=["instance"], over="10m") > 0,
    lasts="0s",
    severity="warning",
    summary="{{ $labels.instance }} killed processes, because memory ran out.",
    description="Processes that the kernel killed in the last 10 minutes: {{ $value | humanize }}.",
    meaning=Text(
        "The kernel ended a process to get its memory: that of the host ran out, or that of the "
        "process's own group (a container).",
        "Ядро завершило процесс, чтобы забрать его память: кончилась память узла или группы "
        "процесса (контейнера).",
    ),
    impact=Text(
        "The process lost what it was doing. If it was a database or a broker, all services felt "
        "it.",
        "Процесс потерял то, что делал. Если это база или брокер, пострадали все сервисы.",
    ),
    diagnosis=Text(
        "`journalctl -k -g 'Killed process'` names it and says how much memory it had. Was the "
        "memory of the host low? If not, the limit of a container is too small.",
        "`journalctl -k -g 'Killed process'` назовёт процесс и его память. Было ли мало памяти на "
        "узле? Если нет, слишком мал предел контейнера.",
    ),
    queries=(
        Query(increase(KILLS, by=["instance"], over="1h"), "{{instance}}"),
        Query(latest(MEMORY_AVAILABLE), "{{instance}}"),
    ),
    mitigation=Text(
        "See that the process runs again. Then give it more memory or find its leak.",
        "Убедитесь, что процесс снова работает. Затем дайте ему памяти или найдите утечку.",
    ),
)

DISK_FULL = Alert(
    name="HostDiskFull",
    expr=available_disk() < FULL_SHARE,
    lasts="1m",
    severity="critical",
    summary="{{ $labels.mountpoint }} of {{ $labels.instance }} is full.",
    description="{{ $value | humanizePercentage }} of the space is left.",
    meaning=Text(
        "Less than 5 % of a file system is left.", "В файловой системе осталось меньше 5 % места."
    ),
    impact=Text(
        "Databases stop writing, the broker blocks those who publish, this monitoring forgets.",
        "Базы перестают писать, брокер останавливает отправителей, мониторинг теряет данные.",
    ),
    diagnosis=Text(
        "`du -xh --max-depth=2` of the mount point, sorted with `sort -h`, names the folder. Logs "
        "that nobody rotates and the write-ahead log of a database (a replica that is gone keeps "
        "it) are the usual ones. Files that were deleted but are still open show in "
        "`lsof +L1`.",
        "`du -xh --max-depth=2` точки монтирования с `sort -h` назовёт каталог. Обычно это журналы "
        "без ротации и журнал предзаписи базы (его держит исчезнувшая реплика). Удалённые, но ещё "
        "открытые файлы покажет `lsof +L1`.",
    ),
    queries=(
        Query(latest(DISK_AVAILABLE, where=DISKS), "{{instance}} {{mountpoint}}"),
        Query(rate(DISK_WRITTEN, by=["instance", "device"], over="5m"), "{{instance}} {{device}}"),
    ),
    mitigation=Text(
        "Delete old logs and builds, enlarge the volume. Never delete files of a database by hand.",
        "Удалите старые журналы и сборки, увеличьте том. Никогда не удаляйте файлы базы вручную.",
    ),
)

DISK_FILLS_UP = Alert(
    name="HostDiskFillsUp",
    expr=_fills_up(),
    lasts="30m",
    severity="warning",
    summary="{{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day.",
    description="{{ $value | humanizePercentage }} of the space is left, and at the pace of the "
    "last hours it does not last for 24 hours.",
    meaning=Text(
        "Less than 40 % of a file system is left, and a line through the last six hours reaches "
        "zero within a day. File systems known for less than three hours are not judged.",
        "В файловой системе меньше 40 % места, и прямая по последним шести часам доходит до нуля "
        "за сутки. Файловые системы, известные меньше трёх часов, не оцениваются.",
    ),
    impact=Text(
        "None yet. Within a day databases and the broker stop.",
        "Пока никаких. Через сутки встанут базы и брокер.",
    ),
    diagnosis=Text(
        "See when the rise began, and what began with it: a new version that logs more, an "
        "import, uploads. `du -xh --max-depth=2` of the mount point names the folder.",
        "Посмотрите, когда начался рост и что началось вместе с ним: версия с подробным журналом, "
        "импорт, загрузки. `du -xh --max-depth=2` точки монтирования назовёт каталог.",
    ),
    queries=(
        Query(latest(DISK_AVAILABLE, where=DISKS), "{{instance}} {{mountpoint}}"),
        Query(rate(DISK_WRITTEN, by=["instance", "device"], over="5m"), "{{instance}} {{device}}"),
    ),
    mitigation=Text(
        "Stop what writes too much, delete what is old, or enlarge the volume in working hours.",
        "Остановите того, кто пишет лишнее, удалите старое или увеличьте том в рабочее время.",
    ),
    inhibited_by=("HostDiskFull",),
    inhibited_on=("instance", "mountpoint"),
)

WRONG_CLOCK = Alert(
    name="HostClockSkew",
    expr=_wrong_clock(),
    lasts="5m",
    severity="warning",
    summary="The clock of {{ $labels.instance }} is wrong.",
    description="It differs from the clock of Prometheus by {{ $value | humanizeDuration }}.",
    meaning=Text(
        "The clock of a host and that of Prometheus differ by more than a second. One of the two "
        "is wrong.",
        "Часы узла и часы Prometheus расходятся больше чем на секунду. Одни из них врут.",
    ),
    impact=Text(
        "Delays between hosts (how long a message waited) and the order of spans are wrong by as "
        "much; tokens may count as expired.",
        "Задержки между узлами (сколько ждало сообщение) и порядок спанов неверны на столько же; "
        "токены могут считаться просроченными.",
    ),
    diagnosis=Text(
        "If all hosts differ, it is Prometheus'. `timedatectl` or `chronyc tracking` on the host "
        "says whether its clock is synchronized, and with whom. A virtual machine that was "
        "paused needs a minute.",
        "Если расходятся все узлы, врут часы Prometheus. `timedatectl` или `chronyc tracking` на "
        "узле скажет, синхронизированы ли часы и с кем. Виртуальной машине после паузы нужна "
        "минута.",
    ),
    queries=(Query(skew(), "{{instance}}"),),
    mitigation=Text(
        "Start the time service (chrony or systemd-timesyncd), and let it step the clock "
        "(`chronyc makestep`).",
        "Запустите службу времени (chrony или systemd-timesyncd) и дайте ей перевести часы "
        "(`chronyc makestep`).",
    ),
)

ALERTS = (CPU_SATURATED, MEMORY_LOW, KILLED, DISK_FULL, DISK_FILLS_UP, WRONG_CLOCK)
