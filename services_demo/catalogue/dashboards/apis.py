# SPDX-License-Identifier: Apache-2.0
"""The services of the company, and the hosts that they run on."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue import (
    host,
    http,
    process,
    servers,
    users,
)
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Text
from services_demo.catalogue import mes, panels, shop

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
