# SPDX-License-Identifier: Apache-2.0
"""Where files and orders are kept: S3 and PostgreSQL."""

from __future__ import annotations

from otel_setup.catalogue import (
    database,
    postgresql,
    s3,
    servers,
    sessions,
    storage,
)
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Text
from services_demo.catalogue import panels

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
                panels.used(s3.speed(rows=("F2",), leads_to="s3-clients")),
                panels.used(s3.moved(rows=("F2",), leads_to="s3-clients")),
                panels.used(s3.active(leads_to="s3-clients")),
            ),
        ),
        Section(
            title=Text("Saturation: does anybody wait?", "Насыщенность: кто-нибудь ждёт?"),
            panels=(
                panels.used(s3.first_byte(leads_to="s3-clients")),
                s3.throttles(leads_to="s3-clients"),
                servers.memory_share("versitygw", rows=("F4",), leads_to="hosts"),
                panels.mesh_cpu(leads_to="shop"),
            ),
        ),
        Section(
            title=Text("Errors: what fails?", "Ошибки: что падает?"),
            panels=(
                panels.used(s3.failing(rows=("F3",), leads_to="s3-clients")),
                panels.used(s3.server_errors(rows=("F3",), leads_to="s3-clients")),
                s3.errors(rows=("F3",), leads_to="s3-clients"),
                s3.retries(leads_to="s3-clients"),
            ),
        ),
        Section(
            title=Text("Rate and duration", "Частота и длительность"),
            panels=(
                panels.used(s3.calls(leads_to="s3-clients")),
                panels.used(s3.latency(leads_to="s3-clients")),
                panels.used(s3.outcomes(leads_to="s3-clients")),
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
                panels.used(sessions.statements(leads_to="postgresql")),
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
            panels=(panels.used(sessions.statements()), panels.used(sessions.mean_time())),
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
