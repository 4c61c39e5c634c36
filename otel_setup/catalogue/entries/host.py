# SPDX-License-Identifier: Apache-2.0
"""Metrics of hosts, by the names of Node Exporter: what utilization, saturation and errors need."""

from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text

CPU = Counter(
    name="node_cpu_seconds_total",
    unit="s",
    description=Text("Time of each CPU, by what it did.", "Время каждого процессора по занятиям."),
    why=Text(
        "Tells a host that computes (user) from one that waits for its disk (iowait) or is "
        "robbed by its neighbours (steal): each asks for another remedy.",
        "Отличает узел, который считает (user), от того, что ждёт диск (iowait) или обделён "
        "соседями по железу (steal): лечатся они по-разному.",
    ),
    attributes={
        "cpu": Label(Text("number of the CPU", "номер процессора"), at_most=256),
        "mode": Label(
            Text("what it did", "чем он был занят"),
            values=("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"),
        ),
    },
    method=Method.UTILIZATION,
)

LOAD = Gauge(
    name="node_load1",
    unit="{task}",
    description=Text(
        "Tasks that ran or wanted to, on average over a minute.",
        "Задачи, которые выполнялись или ждали, в среднем за минуту.",
    ),
    why=Text(
        "More tasks than CPUs wait for each other: a busy CPU alone is no fault, a queue is.",
        "Если задач больше, чем процессоров, они ждут друг друга: занятый процессор сам по себе "
        "не беда, а очередь к нему уже да.",
    ),
    method=Method.SATURATION,
)

MEMORY_TOTAL = Gauge(
    name="node_memory_MemTotal_bytes",
    unit="By",
    description=Text("Memory of the host.", "Память узла."),
    why=Text("What available memory is measured against.", "С ней сравнивают доступную память."),
)

MEMORY_AVAILABLE = Gauge(
    name="node_memory_MemAvailable_bytes",
    unit="By",
    description=Text(
        "Memory that programs may still get, caches included.",
        "Память, которую ещё могут получить программы, вместе с кешами.",
    ),
    why=Text(
        "Says how far the host is from killing processes; free memory does not, since caches "
        "take it.",
        "Показывает, далеко ли узлу до убийства процессов; свободная память этого не скажет, "
        "потому что её занимают кеши.",
    ),
    method=Method.UTILIZATION,
)

KILLS = Counter(
    name="node_vmstat_oom_kill",
    unit="{process}",
    description=Text(
        "Processes that the kernel killed because memory ran out.",
        "Процессы, убитые ядром из-за нехватки памяти.",
    ),
    why=Text(
        "Explains a process that vanished without a word in its log.",
        "Объясняет, почему процесс исчез, не оставив ни слова в журнале.",
    ),
    method=Method.USE_ERRORS,
)

_FILESYSTEM = {
    "device": Label(Text("device that is mounted", "смонтированное устройство"), at_most=50),
    "fstype": Label(Text("kind of the file system", "вид файловой системы"), at_most=10),
    "mountpoint": Label(Text("where it is mounted", "куда смонтировано"), at_most=50),
}

DISK_SIZE = Gauge(
    name="node_filesystem_size_bytes",
    unit="By",
    description=Text("Size of a file system.", "Размер файловой системы."),
    why=Text("What available space is measured against.", "С ним сравнивают свободное место."),
    attributes=_FILESYSTEM,
)

DISK_AVAILABLE = Gauge(
    name="node_filesystem_avail_bytes",
    unit="By",
    description=Text("Space that programs may still use.", "Место, доступное программам."),
    why=Text(
        "A full disk stops databases, brokers and this monitoring at once: its trend says when.",
        "Полный диск разом останавливает базы, брокер и сам мониторинг; тренд говорит, когда.",
    ),
    attributes=_FILESYSTEM,
    method=Method.UTILIZATION,
)

_DISK = {"device": Label(Text("the disk", "диск"), at_most=50)}
_SLOW_DISK = Text(
    "a busy disk is a fault only when somebody waits for it; slow queries and requests are watched",
    "занятый диск плох, только если его ждут; следят за медленными запросами",
)

DISK_READ = Counter(
    name="node_disk_read_bytes_total",
    unit="By",
    description=Text("Bytes read from the disk.", "Байты, прочитанные с диска."),
    why=Text(
        "Reads that rise without more traffic mean that memory became too small for its caches.",
        "Если чтение растёт без роста трафика, памяти перестало хватать на кеши.",
    ),
    attributes=_DISK,
    no_alert=_SLOW_DISK,
)

DISK_WRITTEN = Counter(
    name="node_disk_written_bytes_total",
    unit="By",
    description=Text("Bytes written to the disk.", "Байты, записанные на диск."),
    why=Text(
        "Says whether uploads, logs or the database fill the disk, by when it rises.",
        "По времени роста видно, что заполняет диск: загрузки, журналы или база.",
    ),
    attributes=_DISK,
    no_alert=_SLOW_DISK,
)

DISK_BUSY = Counter(
    name="node_disk_io_time_seconds_total",
    unit="s",
    description=Text(
        "Time in which the disk had something to do.", "Время, когда диск был чем-то занят."
    ),
    why=Text(
        "A disk that is always busy explains queries that are slow without using CPU.",
        "Постоянно занятый диск объясняет запросы, которые медленны, не занимая процессора.",
    ),
    attributes=_DISK,
    method=Method.UTILIZATION,
    no_alert=_SLOW_DISK,
)

DISK_WAITING = Counter(
    name="node_disk_io_time_weighted_seconds_total",
    unit="s",
    description=Text(
        "The same time, counted once for each operation that was under way.",
        "То же время, посчитанное по разу на каждую незавершённую операцию.",
    ),
    why=Text(
        "Per second it is the length of the disk's queue: says whether a faster disk would help.",
        "В секунду это длина очереди к диску: видно, помог бы более быстрый диск.",
    ),
    attributes=_DISK,
    method=Method.SATURATION,
    no_alert=_SLOW_DISK,
)

_NETWORK = {"device": Label(Text("network interface", "сетевой интерфейс"), at_most=50)}
_SLOW_NETWORK = Text(
    "what is lost on the way is sent again; it is felt as latency, and that is watched",
    "потерянное отправляется снова; это ощущается как задержка, а за ней следят",
)

NETWORK_IN = Counter(
    name="node_network_receive_bytes_total",
    unit="By",
    description=Text("Bytes that came in.", "Принятые байты."),
    why=Text(
        "Shows how near the line is to its limit when uploads get slow.",
        "Показывает, близок ли канал к пределу, когда загрузки замедлились.",
    ),
    attributes=_NETWORK,
    method=Method.UTILIZATION,
    no_alert=_SLOW_NETWORK,
)

NETWORK_OUT = Counter(
    name="node_network_transmit_bytes_total",
    unit="By",
    description=Text("Bytes that went out.", "Отправленные байты."),
    why=Text(
        "Shows how near the line is to its limit when downloads get slow.",
        "Показывает, близок ли канал к пределу, когда скачивание замедлилось.",
    ),
    attributes=_NETWORK,
    method=Method.UTILIZATION,
    no_alert=_SLOW_NETWORK,
)

NETWORK_IN_ERRORS = Counter(
    name="node_network_receive_errs_total",
    unit="{packet}",
    description=Text("Packets that arrived damaged.", "Принятые с ошибкой пакеты."),
    why=Text(
        "Tells a bad cable or card from a bad program when connections break.",
        "Отличает плохой кабель или карту от плохой программы, когда рвутся соединения.",
    ),
    attributes=_NETWORK,
    method=Method.USE_ERRORS,
    no_alert=_SLOW_NETWORK,
)

NETWORK_OUT_ERRORS = Counter(
    name="node_network_transmit_errs_total",
    unit="{packet}",
    description=Text("Packets that could not be sent.", "Пакеты, которые не удалось отправить."),
    why=Text(
        "Tells a bad cable or card from a bad program when connections break.",
        "Отличает плохой кабель или карту от плохой программы, когда рвутся соединения.",
    ),
    attributes=_NETWORK,
    method=Method.USE_ERRORS,
    no_alert=_SLOW_NETWORK,
)

FILES_OPEN = Gauge(
    name="node_filefd_allocated",
    unit="{file_descriptor}",
    description=Text("Open files of the whole host.", "Открытые файлы всего узла."),
    why=Text(
        "A leak of sockets in any program shows here, measured by us or not.",
        "Здесь видна утечка сокетов в любой программе, даже если её никто не измеряет.",
    ),
    method=Method.UTILIZATION,
    no_alert=Text(
        "kernels allow millions; a program meets its own limit long before",
        "ядро разрешает миллионы; программа упрётся в свой предел намного раньше",
    ),
)

FILES_MAX = Gauge(
    name="node_filefd_maximum",
    unit="{file_descriptor}",
    description=Text("Files that the kernel lets be open.", "Сколько файлов разрешает ядро."),
    why=Text("What open files are measured against.", "С ним сравнивают открытые файлы."),
    no_alert=Text("a setting, not a state", "это настройка, а не состояние"),
)

_OLD_KERNEL = Text(
    "kernels before 4.20, and those without PSI, do not measure it",
    "ядра до 4.20 и ядра без PSI этого не измеряют",
)

CPU_PRESSURE = Counter(
    name="node_pressure_cpu_waiting_seconds_total",
    unit="s",
    description=Text(
        "Time in which some task waited for a CPU.", "Время, когда какая-то задача ждала процессор."
    ),
    why=Text(
        "Measures what a shortage costs, where the load only counts heads: more CPUs, or not.",
        "Измеряет цену нехватки, тогда как нагрузка лишь считает по головам: нужны ли ещё "
        "процессоры.",
    ),
    method=Method.SATURATION,
    rare=_OLD_KERNEL,
)

DISK_PRESSURE = Counter(
    name="node_pressure_io_waiting_seconds_total",
    unit="s",
    description=Text(
        "Time in which some task waited for a disk.", "Время, когда какая-то задача ждала диск."
    ),
    why=Text(
        "Says whether anybody suffers from a busy disk.",
        "Показывает, страдает ли кто-нибудь от занятого диска.",
    ),
    method=Method.SATURATION,
    no_alert=_SLOW_DISK,
    rare=_OLD_KERNEL,
)

MEMORY_PRESSURE = Counter(
    name="node_pressure_memory_waiting_seconds_total",
    unit="s",
    description=Text(
        "Time in which some task waited for memory.", "Время, когда какая-то задача ждала память."
    ),
    why=Text(
        "Rises while the kernel drops caches to stay alive: the last warning before it kills.",
        "Растёт, пока ядро выбрасывает кеши, чтобы выжить: последнее предупреждение.",
    ),
    method=Method.SATURATION,
    no_alert=Text("memory that runs low is watched", "следят за тем, сколько памяти осталось"),
    rare=_OLD_KERNEL,
)

TIME = Gauge(
    name="node_time_seconds",
    unit="s",
    description=Text("What the clock of the host says.", "Что показывают часы узла."),
    why=Text(
        "Delays between two hosts are differences of clocks: with a wrong one they are wrong too.",
        "Задержки между узлами считаются как разность часов: если одни врут, врут и задержки.",
    ),
    method=Method.USE_ERRORS,
)

METRICS = (
    *(CPU, LOAD, CPU_PRESSURE),
    *(MEMORY_TOTAL, MEMORY_AVAILABLE, MEMORY_PRESSURE, KILLS),
    *(DISK_SIZE, DISK_AVAILABLE, DISK_READ, DISK_WRITTEN, DISK_BUSY, DISK_WAITING, DISK_PRESSURE),
    *(NETWORK_IN, NETWORK_OUT, NETWORK_IN_ERRORS, NETWORK_OUT_ERRORS),
    *(FILES_OPEN, FILES_MAX, TIME),
)
