# SPDX-License-Identifier: Apache-2.0
"""
The company's dashboards: few panels each, in the order in which one asks.

The overview says whether the business flows and what is stuck; from its panels one gets to the
part that is to blame.
"""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue import (
    alertmanager,
    collector,
    database,
    host,
    http,
    messaging,
    postgresql,
    process,
    programs,
    prometheus,
    rabbitmq,
    s3,
    scraping,
    servers,
    services,
    sessions,
    slo,
    storage,
    users,
)
from otel_setup.catalogue.boards import Dashboard, Panel, Section
from otel_setup.catalogue.model import Text
from services_demo.catalogue import mes, panels, shop

_APIS = "~(shop|mes|crm)-api"


def _used(panel: Panel) -> Panel:
    """Return *panel* as one that may not be empty: our services do what it shows."""
    return replace(panel, may_be_empty="")


OVERVIEW = Dashboard(
    slug="overview",
    title=Text("Overview", "Обзор"),
    asks=Text(
        "Does the business flow, and if not, what is stuck and who feels it?",
        "Движется ли бизнес, а если нет, что застряло и кто это чувствует?",
    ),
    sections=(
        Section(
            title=Text("Is the business flowing?", "Движется ли бизнес?"),
            panels=(
                panels.flow(leads_to="shop"),
                panels.last_hour(leads_to="shop"),
                slo.budget(leads_to="slos"),
                prometheus.firing(rows=("P2",), leads_to="telemetry"),
            ),
        ),
        Section(
            title=Text("What is stuck?", "Что застряло?"),
            panels=(
                panels.stuck(leads_to="rabbitmq"),
                rabbitmq.depth(leads_to="rabbitmq"),
                panels.letters_left(leads_to="dead-letters"),
                panels.orders_by_state(leads_to="mes"),
            ),
        ),
        Section(
            title=Text("What do customers feel?", "Что чувствуют клиенты?"),
            panels=(
                panels.ordering_share(leads_to="shop"),
                panels.until_priced(leads_to="mes"),
                panels.until_told(leads_to="crm-hosts"),
                panels.told(rows=("P4",), leads_to="crm-hosts"),
            ),
        ),
        Section(
            title=Text("Does everybody work?", "Все ли работают?"),
            panels=(
                http.errors(_APIS, leads_to="services"),
                collector.silence(rows=("P1",), leads_to="services"),
                scraping.targets(rows=("P1",), leads_to="telemetry"),
            ),
        ),
    ),
)

RABBITMQ = Dashboard(
    slug="rabbitmq",
    title=Text("RabbitMQ: events between the services", "RabbitMQ: события между сервисами"),
    asks=Text(
        "Are events published, handled in time, and none lost?",
        "Публикуются ли события, вовремя ли обрабатываются, не теряются ли?",
    ),
    sections=(
        Section(
            title=Text("Rate: do messages flow?", "Скорость: движутся ли сообщения?"),
            panels=(
                rabbitmq.published(rows=("Q1",)),
                rabbitmq.delivered(rows=("Q2",)),
                rabbitmq.pace(rows=("Q1", "Q2")),
                rabbitmq.published_yesterday(),
            ),
        ),
        Section(
            title=Text("Is a lag building up?", "Копится ли лаг?"),
            panels=(
                rabbitmq.depth(rows=("Q3",)),
                rabbitmq.unacked(rows=("Q4",)),
                rabbitmq.consumers(rows=("Q5",)),
                rabbitmq.drain(),
            ),
        ),
        Section(
            title=Text("Errors: what fails, and is it lost?", "Ошибки: что падает и теряется?"),
            panels=(
                panels.event_failures(rows=("Q8",)),
                messaging.failing(rows=("Q8",), leads_to="messaging"),
                rabbitmq.dead_lettered(rows=("Q11",)),
                panels.letters_waiting(rows=("Q11",), leads_to="dead-letters"),
            ),
        ),
        Section(
            title=Text("Duration: how late are they?", "Длительность: насколько опаздывают?"),
            panels=(
                _used(messaging.waits(rows=("Q9",), leads_to="messaging")),
                _used(messaging.processing(rows=("Q7",), leads_to="messaging")),
                panels.event_delay(),
                panels.outboxes(rows=("Q1",), leads_to="broker"),
            ),
        ),
    ),
)

DEAD_LETTERS = Dashboard(
    slug="dead-letters",
    title=Text("Dead letters", "«Мёртвые письма»"),
    asks=Text(
        "What could not be handled, and does anybody look after it?",
        "Что не удалось обработать и занимается ли этим кто-нибудь?",
    ),
    sections=(
        Section(
            title=Text("What died?", "Что погибло?"),
            panels=(
                panels.letters_kept(rows=("Q11",), leads_to="rabbitmq"),
                panels.event_failures(leads_to="rabbitmq"),
                replace(
                    rabbitmq.dead_letters(leads_to="broker"),
                    title=Text("Not taken from the queue yet", "Ещё не взято из очереди"),
                    why=Text(
                        "The CRM's worker takes each at once; they wait here while it or its "
                        "database is away.",
                        "Воркер CRM забирает письма сразу; здесь они ждут, пока нет его или "
                        "его базы.",
                    ),
                ),
            ),
        ),
        Section(
            title=Text("What is left to do?", "Что осталось сделать?"),
            panels=(
                panels.letters_left(rows=("Q11",)),
                panels.letters_waiting(),
                panels.letters_age(rows=("Q11",)),
                panels.letters_handled(rows=("Q11",)),
            ),
        ),
    ),
)

BROKER = Dashboard(
    slug="broker",
    title=Text("RabbitMQ: the broker itself", "RabbitMQ: сам брокер"),
    asks=Text(
        "Will the broker block whoever publishes, and do connections hold?",
        "Не заблокирует ли брокер публикацию и держатся ли соединения?",
    ),
    sections=(
        Section(
            title=Text("Does it block publishers?", "Не блокирует ли он публикацию?"),
            panels=(
                rabbitmq.alarms(rows=("Q6",)),
                rabbitmq.memory(rows=("Q6",)),
                rabbitmq.disk(),
                rabbitmq.cpu(rows=("Q6",)),
            ),
        ),
        Section(
            title=Text("Do connections hold?", "Держатся ли соединения?"),
            panels=(
                rabbitmq.connections(rows=("Q10",)),
                rabbitmq.churn(rows=("Q10",)),
                rabbitmq.channels_closed(),
                rabbitmq.logins_failed(),
            ),
        ),
        Section(
            title=Text("And as the services see them?", "А что видят сервисы?"),
            panels=(
                _used(messaging.connected(rows=("Q10",), leads_to="messaging")),
                _used(messaging.opened(rows=("Q10",), leads_to="messaging")),
                _used(messaging.closed(rows=("Q10",), leads_to="messaging")),
                _used(messaging.blocked(leads_to="messaging")),
            ),
        ),
        Section(
            title=Text("Does it give to nobody, or twice?", "Отдаёт ли он в никуда или дважды?"),
            panels=(rabbitmq.unroutable(), rabbitmq.redelivered()),
        ),
        Section(
            title=Text("Does its host have enough?", "Хватает ли ресурсов узлу?"),
            panels=(
                servers.cpu("rabbitmq", rows=("Q6",), leads_to="hosts"),
                servers.memory_share("rabbitmq", rows=("Q6",), leads_to="hosts"),
            ),
        ),
    ),
)

MES = Dashboard(
    slug="mes",
    title=Text("MES: prices and manufacturing", "MES: цены и производство"),
    asks=Text(
        "Do customers get their price in time, and do operators get on?",
        "Вовремя ли клиенты получают цену и могут ли работать операторы?",
    ),
    sections=(
        Section(
            title=Text("Do customers get their price?", "Получают ли клиенты цену?"),
            panels=(
                panels.until_priced(rows=("M3",)),
                panels.calculation_time(rows=("M3",)),
                panels.calculations(rows=("M1",)),
                panels.calculation_errors(rows=("M2",), leads_to="s3"),
            ),
        ),
        Section(
            title=Text("Is pricing saturated?", "Насыщен ли расчёт цен?"),
            panels=(
                panels.saturation(rows=("M4",)),
                panels.tasks(rows=("M4",)),
                process.cpu("~mes-.+", rows=("M8",), leads_to="hosts"),
                process.memory("~mes-.+", rows=("M8",), leads_to="hosts"),
            ),
        ),
        Section(
            title=Text("Does the API serve its operators?", "Обслуживает ли API операторов?"),
            panels=(
                http.requests(mes.JOB, rows=("M1",), leads_to="services"),
                http.answers(mes.JOB, rows=("M2",), leads_to="services"),
                panels.list_time(rows=("M3",), leads_to="order-list"),
            ),
        ),
        Section(
            title=Text("Do operators get on?", "Могут ли операторы работать?"),
            panels=(
                panels.sessions(mes.MES_SESSIONS, rows=("M5",)),
                panels.transitions(rows=("M7",)),
                panels.refused(rows=("M7",)),
                panels.refused_why(rows=("M7",)),
            ),
        ),
        Section(
            title=Text("Where are the orders?", "Где заказы?"),
            panels=(panels.orders_by_state(in_mes=True),),
        ),
    ),
)

ORDER_LIST = Dashboard(
    slug="order-list",
    title=Text("MES: the operators' list of orders", "MES: список заказов операторов"),
    asks=Text(
        "Why is the list slow: does it wait for a connection, for one query or for many?",
        "Почему тормозит список: ждёт ли он соединения, одного запроса к базе или многих?",
    ),
    sections=(
        Section(
            title=Text("Why is the operators' list slow?", "Почему тормозит список операторов?"),
            panels=(
                panels.list_time(rows=("M6",), leads_to="services"),
                panels.list_waits(rows=("M6",), leads_to="database-clients"),
                panels.list_query_time(rows=("M6",), leads_to="database-clients"),
                panels.list_queries(rows=("M6",), leads_to="database-clients"),
            ),
        ),
        Section(
            title=Text("Which statement, and why it?", "Какой запрос к базе и почему он?"),
            panels=(
                panels.statements(rows=("M6",), leads_to="postgresql"),
                panels.statement_rows(rows=("M6",), leads_to="database-clients"),
                panels.lock_waits(rows=("M6",), leads_to="postgresql"),
                panels.connections_kept(rows=("M6",), leads_to="database-clients"),
            ),
        ),
    ),
)

SHOP = Dashboard(
    slug="shop",
    title=Text("Internet Shop", "Интернет-магазин"),
    asks=Text(
        "Can customers order, as fast and as often as ever?",
        "Могут ли клиенты заказывать так же быстро и часто, как всегда?",
    ),
    sections=(
        Section(
            title=Text("Latency", "Задержки"),
            panels=(
                http.latency(
                    shop.JOB,
                    route=shop.ORDERING,
                    method="POST",
                    rows=("S1",),
                    leads_to="databases",
                    title=Text("How long does ordering take?", "Сколько длится оформление заказа?"),
                ),
                http.latency(
                    shop.JOB,
                    route=shop.UPLOADING,
                    method="POST",
                    rows=("S1",),
                    leads_to="s3",
                    title=Text("How long does an upload take?", "Сколько длится загрузка файла?"),
                ),
                http.latency(
                    shop.JOB,
                    route=shop.EDITING,
                    method="POST",
                    rows=("S1",),
                    leads_to="s3",
                    title=Text("How long does an edit take?", "Сколько длится правка модели?"),
                ),
            ),
        ),
        Section(
            title=Text("Traffic", "Трафик"),
            panels=(
                http.requests(shop.JOB, leads_to="services"),
                panels.placed(rows=("S6",)),
                panels.sessions(shop.SHOP_SESSIONS, rows=("S5",)),
            ),
        ),
        Section(
            title=Text("Who floods us?", "Кто заваливает нас запросами?"),
            panels=(
                # The Shop says who calls.
                replace(users.busiest(shop.JOB, rows=("S2",), leads_to="callers"), may_be_empty=""),
                http.surge(shop.JOB, rows=("S2",), leads_to="callers"),
            ),
        ),
        Section(
            title=Text("Fewer orders than usual?", "Заказов меньше обычного?"),
            panels=(panels.last_hour(rows=("S6",)), panels.compared(rows=("S6",))),
        ),
        Section(
            title=Text("Errors", "Ошибки"),
            panels=(
                panels.ordering_share(rows=("S3",)),
                panels.ordering_errors(rows=("S3",)),
                http.answers(shop.JOB, rows=("S3",), leads_to="services"),
            ),
        ),
        Section(
            title=Text("Saturation", "Насыщенность"),
            panels=(
                process.cpu(shop.JOB, rows=("S4",), leads_to="hosts"),
                process.memory(shop.JOB, rows=("S4",), leads_to="hosts"),
                http.cpu(shop.JOB, rows=("S4",), leads_to="s3"),
            ),
        ),
    ),
)

S3 = Dashboard(
    slug="s3",
    title=Text("S3: 3D models", "S3: 3D-модели"),
    asks=Text(
        "Do models get into the storage and out of it, fast enough, and is there room for them?",
        "Попадают ли модели в хранилище и обратно, достаточно ли быстро и хватает ли места?",
    ),
    sections=(
        Section(
            title=Text("Utilization: is there room, and speed?", "Утилизация: место и скорость"),
            panels=(
                storage.room(rows=("F1",), leads_to="storage"),
                _used(s3.speed(rows=("F2",), leads_to="s3-clients")),
                _used(s3.moved(rows=("F2",), leads_to="s3-clients")),
                _used(s3.active(leads_to="s3-clients")),
            ),
        ),
        Section(
            title=Text("Saturation: does anybody wait?", "Насыщенность: кто-нибудь ждёт?"),
            panels=(
                _used(s3.first_byte(leads_to="s3-clients")),
                s3.throttles(leads_to="s3-clients"),
                servers.memory_share("versitygw", rows=("F4",), leads_to="hosts"),
                panels.mesh_cpu(leads_to="shop"),
            ),
        ),
        Section(
            title=Text("Errors: what fails?", "Ошибки: что падает?"),
            panels=(
                _used(s3.failing(rows=("F3",), leads_to="s3-clients")),
                _used(s3.server_errors(rows=("F3",), leads_to="s3-clients")),
                s3.errors(rows=("F3",), leads_to="s3-clients"),
                s3.retries(leads_to="s3-clients"),
            ),
        ),
        Section(
            title=Text("Rate and duration", "Частота и длительность"),
            panels=(
                _used(s3.calls(leads_to="s3-clients")),
                _used(s3.latency(leads_to="s3-clients")),
                _used(s3.outcomes(leads_to="s3-clients")),
            ),
        ),
    ),
)

DATABASES = Dashboard(
    slug="databases",
    title=Text("Databases", "Базы данных"),
    asks=Text(
        "Does a service wait for its database, or for a connection to it?",
        "Ждёт ли сервис базу данных или соединение с ней?",
    ),
    sections=(
        Section(
            title=Text("Do queries work?", "Работают ли запросы?"),
            panels=(
                database.queries(rows=("D1",), leads_to="database-clients"),
                database.failures(rows=("D1",), leads_to="database-clients"),
                database.duration(rows=("D1",), leads_to="database-clients"),
            ),
        ),
        Section(
            title=Text("Do services wait for connections?", "Ждут ли сервисы соединений?"),
            panels=(
                database.pool(rows=("D1",), leads_to="database-clients"),
                database.waiting(rows=("D1",), leads_to="database-clients"),
                database.waits(rows=("D1",), leads_to="database-clients"),
                database.timeouts(rows=("D1",), leads_to="database-clients"),
            ),
        ),
        Section(
            title=Text("Why is there none?", "Почему их нет?"),
            panels=(
                database.kept(leads_to="database-clients"),
                database.refused(rows=("D1",), leads_to="database-clients"),
                postgresql.connections(rows=("D1",)),
                postgresql.fullness(rows=("D1",)),
            ),
        ),
        Section(
            title=Text("Or does the server make them wait?", "Или заставляет ждать сам сервер?"),
            panels=(
                sessions.answers(rows=("D1",), leads_to="postgresql"),
                sessions.sessions(rows=("D1",), leads_to="postgresql"),
                sessions.waiting(leads_to="postgresql"),
                _used(sessions.statements(leads_to="postgresql")),
            ),
        ),
    ),
)

POSTGRESQL = Dashboard(
    slug="postgresql",
    title=Text("PostgreSQL from inside", "PostgreSQL изнутри"),
    asks=Text(
        "Who holds up whom, which statement costs most, and what fills the server?",
        "Кто кого держит, какой запрос дороже всех и чем занят сервер?",
    ),
    sections=(
        Section(
            title=Text("Does one wait for another?", "Ждут ли они друг друга?"),
            panels=(
                sessions.waiting(),
                sessions.waits(),
                sessions.transactions(),
                sessions.locks(),
            ),
        ),
        Section(
            title=Text("Which statement is it?", "Какой это запрос?"),
            panels=(_used(sessions.statements()), _used(sessions.mean_time())),
        ),
        Section(
            title=Text("Does the server have enough?", "Хватает ли серверу ресурсов?"),
            panels=(
                servers.cpu("postgresql", leads_to="hosts"),
                servers.memory("postgresql", leads_to="hosts"),
            ),
        ),
        Section(
            title=Text("Does it work well?", "Хорошо ли он работает?"),
            panels=(
                postgresql.transactions(),
                postgresql.deadlocks(),
                postgresql.cache(),
                postgresql.dead_rows(),
            ),
        ),
        Section(
            title=Text("What fills the disk?", "Что занимает диск?"),
            panels=(postgresql.size(), postgresql.tables(), postgresql.writes()),
        ),
    ),
)

CRM_HOSTS = Dashboard(
    slug="crm-hosts",
    title=Text("CRM and hosts", "CRM и узлы"),
    asks=Text(
        "Do the CRM, and the hosts that carry everything, have the resources that they need?",
        "Хватает ли ресурсов CRM и узлам, на которых всё работает?",
    ),
    sections=(
        Section(
            title=Text("CRM: utilization", "CRM: утилизация"),
            panels=(
                process.cpu("~crm-.+", rows=("C1",)),
                process.memory("~crm-.+", rows=("C1",)),
            ),
        ),
        Section(
            title=Text("CRM: saturation and errors", "CRM: насыщенность и ошибки"),
            panels=(
                http.active("crm-api", rows=("C1",), leads_to="services"),
                http.answers("crm-api", rows=("C1",), leads_to="services"),
                panels.until_told(leads_to="rabbitmq"),
            ),
        ),
        Section(
            title=Text("Hosts: who waits for what?", "Узлы: кто и чего ждёт?"),
            panels=(
                host.cpu(leads_to="hosts"),
                host.pressure(leads_to="hosts"),
                host.memory_left(leads_to="hosts"),
                host.disk(leads_to="hosts"),
            ),
        ),
        Section(
            title=Text("Servers: who takes it?", "Серверы: кто это занимает?"),
            panels=(servers.cpu(leads_to="hosts"), servers.memory(leads_to="hosts")),
        ),
    ),
)

HOSTS = Dashboard(
    slug="hosts",
    title=Text("Hosts", "Узлы"),
    asks=Text(
        "Which resource of a host is used up, and does anybody wait for it?",
        "Какой ресурс узла исчерпан и ждёт ли его кто-нибудь?",
    ),
    sections=(
        Section(
            title=Text("CPU", "Процессор"),
            panels=(host.cpu(), host.load(), host.pressure()),
        ),
        Section(
            title=Text("Memory", "Память"),
            panels=(host.memory(), host.memory_left(), host.kills()),
        ),
        Section(
            title=Text("Whose is it?", "Кто это занимает?"),
            panels=(servers.cpu(rows=("Q6", "F4")), servers.memory(rows=("Q6", "F4"))),
        ),
        Section(
            title=Text("Disks", "Диски"),
            panels=(host.disk(), host.disk_use(), host.disk_queue(), host.disk_speed()),
        ),
        Section(
            title=Text("Network, files, clock", "Сеть, файлы, часы"),
            panels=(host.network(), host.network_errors(), host.files(), host.clock()),
        ),
    ),
)

TELEMETRY = Dashboard(
    slug="telemetry",
    title=Text("Telemetry itself", "Сама телеметрия"),
    asks=Text(
        "Does everything that is measured arrive, and would an alert?",
        "Доходит ли всё измеренное и дойдёт ли алерт?",
    ),
    sections=(
        Section(
            title=Text("Does the Collector pass everything on?", "Всё ли передаёт Collector?"),
            panels=(
                collector.received(rows=("P1", "P4")),
                collector.exported(),
                collector.refused(),
                collector.lost(),
            ),
        ),
        Section(
            title=Text("Does everybody answer?", "Все ли отвечают?"),
            panels=(
                collector.queue(leads_to="monitoring"),
                collector.silence(leads_to="services"),
                scraping.targets(),
                scraping.scrape_time(),
            ),
        ),
        Section(
            title=Text("Would an alert arrive?", "Дойдёт ли алерт?"),
            panels=(
                prometheus.firing(),
                prometheus.notifications(rows=("P2",)),
                prometheus.rules_broken(),
                prometheus.rule_time(leads_to="monitoring"),
            ),
        ),
        Section(
            title=Text("Who was told?", "Кому сообщили?"),
            panels=(
                alertmanager.known(),
                alertmanager.told(),
                alertmanager.failed(),
                alertmanager.delay(),
            ),
        ),
    ),
)

MONITORING = Dashboard(
    slug="monitoring",
    title=Text("What the monitoring costs", "Чего стоит мониторинг"),
    asks=Text(
        "How much do the Collector, Prometheus and the exporters need?",
        "Сколько ресурсов нужно Collector, Prometheus и экспортерам?",
    ),
    sections=(
        Section(
            title=Text("CPU and memory", "Процессор и память"),
            panels=(collector.cpu(), collector.memory(), programs.cpu(), programs.memory()),
        ),
        Section(
            title=Text("What is stored?", "Что сохраняется?"),
            panels=(
                prometheus.series(),
                prometheus.samples(),
                prometheus.samples_refused(),
                prometheus.storage(),
            ),
        ),
        Section(
            title=Text("Where does it come from?", "Откуда это берётся?"),
            panels=(scraping.samples_by_job(), scraping.new_series()),
        ),
        Section(
            title=Text("Does something pile up?", "Не копится ли что-нибудь?"),
            panels=(programs.files(), programs.goroutines(), programs.uptime()),
        ),
    ),
)

SLOS = Dashboard(
    slug="slos",
    title=Text("Service level objectives", "Цели уровня обслуживания"),
    asks=Text(
        "Do we keep what we promised, and how long will we at this pace?",
        "Выполняем ли мы обещанное и надолго ли нас хватит такими темпами?",
    ),
    sections=(
        Section(
            title=Text("How much may still go wrong?", "Сколько ещё может пойти не так?"),
            panels=(
                slo.budget(),
                slo.burn(),
                slo.error_ratio(),
                slo.objectives(),
            ),
        ),
        Section(
            title=Text("What is promised, as it is felt", "Обещанное, как его чувствуют"),
            panels=(
                panels.ordering_share(leads_to="shop"),
                panels.until_priced(leads_to="mes"),
                panels.event_delay(leads_to="rabbitmq"),
                panels.until_told(leads_to="crm-hosts"),
            ),
        ),
    ),
)

DASHBOARDS = (
    OVERVIEW,
    SHOP,
    MES,
    ORDER_LIST,
    RABBITMQ,
    DEAD_LETTERS,
    BROKER,
    S3,
    storage.dashboard(rows=("F1",)),
    DATABASES,
    POSTGRESQL,
    CRM_HOSTS,
    HOSTS,
    *services.DASHBOARDS,
    SLOS,
    TELEMETRY,
    MONITORING,
)
