# SPDX-License-Identifier: Apache-2.0
"""Metrics of one process; names of the semantic conventions (process and cpython namespaces)."""

from otel_setup.catalogue.model import Counter, Label, Method, Text, UpDownCounter

#: What tells a server from a service.
EXECUTABLE = {
    "process.executable.name": Label(
        Text(
            "program of a server that the Collector measures; absent for a service, which measures "
            "itself",
            "программа сервера, который измеряет Collector; отсутствует у сервиса, который "
            "измеряет себя сам",
        ),
        at_most=20,
    )
}

CPU_TIME = Counter(
    name="process.cpu.time",
    unit="s",
    description=Text("CPU seconds spent by the process.", "Процессорное время процесса."),
    why=Text(
        "Tells whether a slow service lacks CPU, and more processes would help, "
        "or waits for somebody else, and they would not.",
        "Показывает, не хватает ли медленному сервису процессора (тогда помогут новые процессы) "
        "или он ждёт кого-то другого (тогда не помогут).",
    ),
    attributes={
        "cpu.mode": Label(
            Text(
                "who spent it: the program or the kernel for it",
                "кто его потратил: сама программа или ядро по её просьбе",
            ),
            values=("user", "system"),
        ),
        **EXECUTABLE,
    },
    method=Method.UTILIZATION,
)

MEMORY_USAGE = UpDownCounter(
    name="process.memory.usage",
    unit="By",
    description=Text(
        "Resident memory of the process. Processes of PostgreSQL count what they share, each as "
        "its own, so their sum is too high.",
        "Резидентная память процесса. Процессы PostgreSQL считают общую память каждый за свою, "
        "поэтому их сумма завышена.",
    ),
    why=Text(
        "A leak shows as a steady rise hours before the kernel kills the process: time to plan "
        "a restart.",
        "Утечка видна как ровный рост за часы до того, как ядро убьёт процесс: "
        "есть время спланировать перезапуск.",
    ),
    attributes=EXECUTABLE,
    method=Method.UTILIZATION,
)

THREADS = UpDownCounter(
    name="process.thread.count",
    unit="{thread}",
    description=Text("Threads of the process.", "Потоки процесса."),
    why=Text(
        "Threads that pile up all wait for one thing: a lock, a pool or a dead peer.",
        "Потоки, которые копятся, ждут одного и того же: "
        "блокировки, пула или мёртвого собеседника.",
    ),
    method=Method.SATURATION,
    no_alert=Text(
        "how many are right differs from program to program; threads that wait show as requests "
        "that pile up",
        "у каждой программы своя норма; ждущие потоки видны как скопившиеся запросы",
    ),
)

OPEN_FILES = UpDownCounter(
    name="process.unix.file_descriptor.count",
    unit="{file_descriptor}",
    description=Text("Open files and sockets of the process.", "Открытые файлы и сокеты процесса."),
    why=Text(
        "A process that does not close its sockets ends by refusing connections; "
        "the rise tells which one to restart.",
        "Процесс, который не закрывает сокеты, рано или поздно откажет в соединении; "
        "по росту видно, какой перезапускать.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "no metric has the limit of the process, so nobody can say how near it is",
        "предел процесса не измеряется, поэтому нельзя сказать, насколько он близок",
    ),
)

COLLECTIONS = Counter(
    name="cpython.gc.collections",
    unit="{collection}",
    description=Text("Runs of the garbage collector.", "Запуски сборщика мусора."),
    why=Text(
        "Many runs of the oldest generation explain pauses that no query and no peer explains.",
        "Частые сборки старшего поколения объясняют паузы, которых не объясняют "
        "ни запросы к базе, ни соседи.",
    ),
    attributes={
        "cpython.gc.generation": Label(
            Text("from young to old objects", "от молодых объектов к старым"),
            values=("0", "1", "2"),
        )
    },
    no_alert=Text(
        "a pause is felt as latency, and that is watched",
        "пауза ощущается как задержка, а за ней следят",
    ),
)
