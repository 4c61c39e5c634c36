# SPDX-License-Identifier: Apache-2.0
"""What the business sees: does it flow, and are its promises kept?"""

from __future__ import annotations

from otel_setup.catalogue import (
    collector,
    http,
    prometheus,
    rabbitmq,
    scraping,
    slo,
)
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Text
from services_demo.catalogue import panels

_APIS = "~(shop|mes|crm)-api"


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
