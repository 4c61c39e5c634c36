# SPDX-License-Identifier: Apache-2.0
"""The company's whole catalogue: everything that is known of its telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from otel_setup.catalogue import (
    alertmanager,
    collector,
    host,
    messaging,
    postgresql,
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
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.whole import Catalogue, Component, Scrape
from services_demo.catalogue import bus, crm, deadletters, mes, shop, told_once
from services_demo.catalogue.dashboards import DASHBOARDS
from services_demo.catalogue.questions import QUESTIONS
from services_demo.catalogue.slos import SLOS

_DIRECT = scraping.DIRECT.job

#: Services are called <team>-<part>, so whoever wrote a service is told about it.
_TEAM_OF_JOB = '{{ reReplaceAll "-.*" "" $labels.job }}'


def _told_to_its_team(component: Component) -> Component:
    """Have alerts about a service told to the team that wrote it."""
    alerts = tuple(
        replace(alert, labels={**alert.labels, "team": _TEAM_OF_JOB}) for alert in component.alerts
    )
    return replace(component, alerts=alerts)


def _explained(component: Component, causes: Mapping[str, tuple[str, ...]]) -> Component:
    """Have alerts of *component* held back by alerts of ours that say the same, and more."""
    alerts = tuple(
        replace(alert, inhibited_by=(*alert.inhibited_by, *causes.get(alert.name, ())))
        for alert in component.alerts
    )
    return replace(component, alerts=alerts)


#: A server that is away is told once, not by each of its clients.
_OF_SERVICES = {
    "DatabaseQueriesFail": ("PostgresDown", "PostgresSilent"),
    "DatabaseRefusesConnections": ("PostgresDown", "PostgresSilent"),
    # What waits long is handled late, and that is what customers feel.
    "MessagesWaitLong": ("EventsDelayed",),
    "ServiceLosesSpans": ("CollectorDown",),
}

_MESSAGES = messaging.component(
    scraped=(_DIRECT,),
    beside_broker=True,
    without={
        "MessageProcessingFails": Text(
            "EventHandlingFails counts what fails, and knows which retries are expected.",
            "Ошибки считает EventHandlingFails: он знает, какие повторы ожидаемы.",
        )
    },
)

CATALOGUE = Catalogue(
    title=Text("Jewellery maker", "Ювелирная мастерская"),
    components=(
        shop.COMPONENT,
        mes.COMPONENT,
        crm.COMPONENT,
        bus.COMPONENT,
        deadletters.COMPONENT,
        *(
            _told_to_its_team(told_once.clients(_explained(each, _OF_SERVICES)))
            for each in services.components(
                scraped=(_DIRECT,),
                messages=_MESSAGES,
                storage=s3.component(dashboard="s3", scraped=(_DIRECT,)),
            )
        ),
        # Services say which of them loses its connections, and why.
        _explained(
            told_once.broker(rabbitmq.COMPONENT), {"ConnectionsFlap": ("ClientsLoseConnections",)}
        ),
        # The Collector asks it: without the Collector nobody knows.
        _explained(postgresql.COMPONENT, {"PostgresSilent": ("CollectorDown", "PostgresDown")}),
        told_once.locks(sessions.component(dashboard="postgresql")),
        told_once.scans(storage.COMPONENT),
        host.component(dashboard="crm-hosts"),
        servers.component(),
        told_once.silence(collector.COMPONENT),
        scraping.COMPONENT,
        prometheus.COMPONENT,
        alertmanager.COMPONENT,
        programs.COMPONENT,
        slo.COMPONENT,
    ),
    dashboards=DASHBOARDS,
    questions=QUESTIONS,
    slos=SLOS,
    scrapes=(
        *rabbitmq.SCRAPES,
        Scrape(job="node", says="Node Exporter: CPU, memory and disks of the hosts."),
        *collector.SCRAPES,
        *prometheus.SCRAPES,
        *alertmanager.SCRAPES,
        scraping.DIRECT,
    ),
)
