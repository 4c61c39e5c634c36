# SPDX-License-Identifier: Apache-2.0
"""Events between the services: on their way, dead, and at the broker."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue import (
    messaging,
    rabbitmq,
    servers,
)
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Text
from services_demo.catalogue import panels

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
                panels.used(messaging.waits(rows=("Q9",), leads_to="messaging")),
                panels.used(messaging.processing(rows=("Q7",), leads_to="messaging")),
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
                panels.used(messaging.connected(rows=("Q10",), leads_to="messaging")),
                panels.used(messaging.opened(rows=("Q10",), leads_to="messaging")),
                panels.used(messaging.closed(rows=("Q10",), leads_to="messaging")),
                panels.used(messaging.blocked(leads_to="messaging")),
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
