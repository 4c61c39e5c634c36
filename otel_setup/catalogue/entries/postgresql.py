# SPDX-License-Identifier: Apache-2.0
"""Metrics of the Collector's receiver ``postgresql``; those that are left out it does not send."""

from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text, UpDownCounter

_DATABASE = {
    "postgresql.database.name": Label(Text("name of the database", "имя базы данных"), at_most=20)
}
_TABLE = {
    **_DATABASE,
    "postgresql.table.name": Label(
        Text("name of the table, after its schema", "имя таблицы после имени схемы"), at_most=300
    ),
}

BACKENDS = UpDownCounter(
    name="postgresql.backends",
    unit="{connection}",
    description=Text("Connections to the database.", "Соединения с базой данных."),
    why=Text(
        "Each costs a process of the server; shows whose pools are too large before the server "
        "turns somebody away.",
        "Каждое стоит серверу процесса; видно, чьи пулы слишком велики, прежде чем сервер кому-то "
        "откажет.",
    ),
    attributes=_DATABASE,
    method=Method.UTILIZATION,
)

CONNECTION_MAX = Gauge(
    name="postgresql.connection.max",
    unit="{connection}",
    description=Text(
        "Connections that the server allows, for all databases together.",
        "Сколько соединений разрешает сервер, на все базы вместе.",
    ),
    why=Text(
        "The limit that connections are measured against; it comes at every reading, so its "
        "silence is that of the server.",
        "Предел, с которым сравнивают соединения; приходит при каждом опросе, поэтому его "
        "молчание означает молчание сервера.",
    ),
)

COMMITS = Counter(
    name="postgresql.commits",
    unit="{transaction}",
    description=Text("Transactions that were committed.", "Подтверждённые транзакции."),
    why=Text(
        "The work of the database as it sees it itself: tells a server that is idle from one that "
        "is stuck.",
        "Работа базы её собственными глазами: отличает простаивающий сервер от зависшего.",
    ),
    attributes=_DATABASE,
    method=Method.RATE,
    no_alert=Text(
        "how many are right depends on the hour; the orders themselves are watched",
        "норма зависит от времени суток; следят за самой работой сервисов",
    ),
)

ROLLBACKS = Counter(
    name="postgresql.rollbacks",
    unit="{transaction}",
    description=Text("Transactions that were taken back.", "Отменённые транзакции."),
    why=Text(
        "Work that was done in vain; together with the errors of clients it says whether "
        "programs or the server gave up.",
        "Работа, сделанная впустую; вместе с ошибками клиентов показывает, кто сдался: программы "
        "или сервер.",
    ),
    attributes=_DATABASE,
    method=Method.ERRORS,
    no_alert=Text(
        "a rollback may be how a program says no; what users notice is watched",
        "отмена может быть штатным отказом программы; следят за тем, что замечают пользователи",
    ),
)

DEADLOCKS = Counter(
    name="postgresql.deadlocks",
    unit="{deadlock}",
    description=Text(
        "Times that transactions waited for each other and the server ended one.",
        "Сколько раз транзакции ждали друг друга и сервер прервал одну из них.",
    ),
    why=Text(
        "A fault in the order of statements, which no log of a service explains.",
        "Ошибка в порядке запросов, которую не объяснит ни один журнал сервиса.",
    ),
    attributes=_DATABASE,
    method=Method.ERRORS,
)

DATABASE_SIZE = UpDownCounter(
    name="postgresql.db_size",
    unit="By",
    description=Text(
        "Space that the database takes on disk.", "Место, которое база занимает на диске."
    ),
    why=Text(
        "Says what fills the disk of the server, and how long it will last.",
        "Показывает, чем заполняется диск сервера и надолго ли его хватит.",
    ),
    attributes=_DATABASE,
    method=Method.UTILIZATION,
    no_alert=Text("the disk itself is watched", "следят за самим диском"),
)

TABLE_SIZE = UpDownCounter(
    name="postgresql.table.size",
    unit="By",
    description=Text(
        "Space that the table takes on disk.", "Место, которое таблица занимает на диске."
    ),
    why=Text(
        "Names the table to clean or to split when a database grows.",
        "Называет таблицу, которую пора чистить или делить, когда база растёт.",
    ),
    attributes=_TABLE,
    method=Method.UTILIZATION,
    no_alert=Text("the disk itself is watched", "следят за самим диском"),
)

ROWS = UpDownCounter(
    name="postgresql.rows",
    unit="{row}",
    description=Text(
        "Rows of the table, as the server estimates them.", "Строки таблицы по оценке сервера."
    ),
    why=Text(
        "Dead rows that do not go away mean that an old transaction holds up the vacuum: queries "
        "get slow without a change.",
        "Если мёртвые строки не исчезают, старая транзакция держит очистку: запросы замедляются, "
        "хотя ничего не меняли.",
    ),
    attributes={
        **_TABLE,
        "state": Label(
            Text("visible, or waiting for the vacuum", "видимые или ждущие очистки"),
            values=("live", "dead"),
        ),
    },
    method=Method.SATURATION,
    no_alert=Text(
        "dead rows are a fault only when they make queries slow, and that is watched",
        "мёртвые строки плохи, только если запросы замедлились, а за этим следят",
    ),
)

OPERATIONS = Counter(
    name="postgresql.operations",
    unit="{row}",
    description=Text("Rows that were written.", "Записанные строки."),
    why=Text(
        "Names the table behind a surge of writes, and so the part of the program.",
        "Называет таблицу, а значит и часть программы, из-за которой вырос поток записи.",
    ),
    attributes={
        **_TABLE,
        "operation": Label(
            Text(
                "inserted, deleted, updated, and updated within the page",
                "вставка, удаление, изменение и изменение внутри страницы",
            ),
            values=("ins", "del", "upd", "hot_upd"),
        ),
    },
    method=Method.RATE,
    no_alert=Text("many writes are work, not a fault", "много записи — это работа, а не поломка"),
)

BLOCKS = Counter(
    name="postgresql.blocks_read",
    unit="{block}",
    description=Text(
        "Blocks that queries asked for, by where they were found.",
        "Блоки, которые понадобились запросам, по месту, где они нашлись.",
    ),
    why=Text(
        "When less is found in memory, the data outgrew it: more memory helps, more CPU does not.",
        "Если из памяти читается меньше, данные её переросли: поможет память, а не процессор.",
    ),
    attributes={
        **_TABLE,
        "source": Label(
            Text(
                "table, index or overflow; _hit from memory, _read from disk or the kernel",
                "таблица, индекс или вынесенные значения; _hit из памяти, _read с диска или ядра",
            ),
            values=(
                *("heap_hit", "heap_read", "idx_hit", "idx_read"),
                *("toast_hit", "toast_read", "tidx_hit", "tidx_read"),
            ),
        ),
    },
    method=Method.SATURATION,
    no_alert=Text(
        "reading from disk is a fault only when queries get slow, and that is watched",
        "чтение с диска плохо, только если запросы замедлились, а за этим следят",
    ),
)

METRICS = (
    BACKENDS,
    CONNECTION_MAX,
    COMMITS,
    ROLLBACKS,
    DEADLOCKS,
    DATABASE_SIZE,
    TABLE_SIZE,
    ROWS,
    OPERATIONS,
    BLOCKS,
)
