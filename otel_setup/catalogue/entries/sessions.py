# SPDX-License-Identifier: Apache-2.0
"""Metrics of the reader of PostgreSQL: sessions, locks, transactions and statements of a server."""

from otel_setup.catalogue.model import Counter, Gauge, Label, Method, Text, UpDownCounter

_SERVER = {
    "server.address": Label(Text("host of the server", "узел сервера"), at_most=20),
    "server.port": Label(Text("port of the server", "порт сервера"), at_most=20),
}
_DATABASE = {
    **_SERVER,
    "postgresql.database.name": Label(Text("name of the database", "имя базы данных"), at_most=20),
}
_STATEMENT = {
    **_DATABASE,
    "db.query.summary": Label(
        Text(
            "what the statement does, without its values: its first words and first table; other "
            "for all statements that are not among the most expensive",
            "что делает запрос, без значений: первое слово и первая таблица; other для всех "
            "запросов, кроме самых дорогих",
        ),
        at_most=100,
    ),
    "postgresql.query.id": Label(
        Text(
            "queryid in pg_stat_statements, where its whole text is; other as above",
            "queryid в pg_stat_statements, где лежит полный текст; other — как выше",
        ),
        at_most=100,
    ),
}

UP = Gauge(
    name="postgresql.up",
    unit="{server}",
    description=Text(
        "Whether the server answered the reader: 1 yes, 0 no.",
        "Ответил ли сервер читателю: 1 — да, 0 — нет.",
    ),
    why=Text(
        "Names a server that died or hangs at the next export, before all its clients complain.",
        "Называет умерший или зависший сервер при ближайшем экспорте, раньше жалоб всех клиентов.",
    ),
    attributes=_SERVER,
    method=Method.USE_ERRORS,
)

SESSIONS = UpDownCounter(
    name="postgresql.sessions",
    unit="{connection}",
    description=Text(
        "Sessions of clients, by what they do.", "Сеансы клиентов по тому, чем они заняты."
    ),
    why=Text(
        "Tells connections that work from those that are held for nothing, and from those that "
        "stand behind somebody's lock.",
        "Отличает работающие соединения от тех, которые держат зря, и от стоящих за чужой "
        "блокировкой.",
    ),
    attributes={
        **_DATABASE,
        "state": Label(
            Text(
                "runs a statement; waits for a lock; does nothing; does nothing inside of an open "
                "transaction",
                "выполняет запрос; ждёт блокировки; ничего не делает; ничего не делает внутри "
                "открытой транзакции",
            ),
            values=("active", "waiting", "idle", "idle_in_transaction"),
        ),
    },
    method=Method.SATURATION,
)

LOCKS = UpDownCounter(
    name="postgresql.locks",
    unit="{lock}",
    description=Text(
        "Locks that sessions hold or wait for, by their mode.",
        "Блокировки, которые сеансы держат или ждут, по режимам.",
    ),
    why=Text(
        "The mode tells what blocks: AccessExclusiveLock is a migration, ShareLock on a "
        "transaction is another one that changes the same row.",
        "Режим показывает, кто мешает: AccessExclusiveLock — миграция, ShareLock на транзакцию — "
        "другая транзакция, меняющая ту же строку.",
    ),
    attributes={
        **_DATABASE,
        "postgresql.lock.mode": Label(
            Text("mode, as pg_locks names it", "режим, как его называет pg_locks"),
            values=(
                *("AccessShareLock", "RowShareLock", "RowExclusiveLock"),
                *("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock"),
                *("ExclusiveLock", "AccessExclusiveLock", "SIReadLock"),
            ),
        ),
        "postgresql.lock.granted": Label(
            Text("held (true) or waited for (false)", "держат (true) или ждут (false)"),
            values=("true", "false"),
        ),
    },
    method=Method.SATURATION,
    no_alert=Text(
        "locks are work; sessions that wait for them are watched",
        "блокировки — это работа; следят за сеансами, которые их ждут",
    ),
)

LOCK_WAIT = Gauge(
    name="postgresql.lock.wait",
    unit="s",
    description=Text(
        "For how long the session that waits longest has waited for a lock; 0 when none waits.",
        "Сколько ждёт блокировки тот сеанс, который ждёт дольше всех; 0, если не ждёт никто.",
    ),
    why=Text(
        "One wait of minutes is a lock that nobody gives back, many of milliseconds are traffic.",
        "Одно ожидание в минуты — это блокировка, которую не отдают; много миллисекундных — "
        "обычная нагрузка.",
    ),
    attributes=_DATABASE,
    method=Method.SATURATION,
    no_alert=Text(
        "services give up by themselves; how many wait all the time is watched",
        "сервисы сами перестают ждать; следят за тем, сколько сеансов ждёт постоянно",
    ),
)

TRANSACTION_AGE = Gauge(
    name="postgresql.transaction.age",
    unit="s",
    description=Text(
        "Age of the oldest open transaction, by whether it works; 0 when none is open.",
        "Возраст самой старой открытой транзакции, по тому, работает ли она; 0, если таких нет.",
    ),
    why=Text(
        "An old transaction keeps its locks and holds up the vacuum: all others get slow.",
        "Старая транзакция держит свои блокировки и не даёт чистить таблицы: замедляются все.",
    ),
    attributes={
        **_DATABASE,
        "state": Label(
            Text(
                "runs a statement, or waits for its program to go on",
                "выполняет запрос или ждёт, пока её продолжит программа",
            ),
            values=("active", "idle_in_transaction"),
        ),
    },
    method=Method.SATURATION,
)

STATEMENT_TIME = Counter(
    name="postgresql.statement.time",
    unit="s",
    description=Text(
        "Time that the server spent on the statement, waits for locks included.",
        "Время, которое сервер потратил на запрос, вместе с ожиданием блокировок.",
    ),
    why=Text(
        "Names the statement to mend: the one that takes most time in all, not the slowest one.",
        "Называет запрос, который надо чинить: тот, что съедает больше всего времени в сумме, а не "
        "самый медленный.",
    ),
    attributes=_STATEMENT,
    method=Method.DURATION,
    rare=Text(
        "the server has pg_stat_statements only if it was asked for",
        "pg_stat_statements есть на сервере, только если его включили",
    ),
    no_alert=Text(
        "how long services wait for their queries is watched",
        "следят за тем, сколько запросов ждут сервисы",
    ),
)

STATEMENT_CALLS = Counter(
    name="postgresql.statement.calls",
    unit="{call}",
    description=Text("Times that the statement was run.", "Сколько раз запрос выполнялся."),
    why=Text(
        "Time divided by calls tells a slow statement from one that is asked too often.",
        "Время, делённое на число вызовов, отличает медленный запрос от слишком частого.",
    ),
    attributes=_STATEMENT,
    method=Method.RATE,
    rare=STATEMENT_TIME.rare,
    no_alert=Text("many calls are work, not a fault", "много вызовов — это работа, а не поломка"),
)

METRICS = (
    UP,
    SESSIONS,
    LOCKS,
    LOCK_WAIT,
    TRANSACTION_AGE,
    STATEMENT_TIME,
    STATEMENT_CALLS,
)
