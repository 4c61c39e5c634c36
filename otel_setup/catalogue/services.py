# SPDX-License-Identifier: Apache-2.0
"""
Any service at a glance: five dashboards with the variable ``job``, and the components they show.

They need nothing but `otel_setup` in the services::

    CATALOGUE = Catalogue(
        title="Mine", components=services.components(), dashboards=services.DASHBOARDS
    )
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from otel_setup.catalogue import database, http, http_client, messaging, process, s3, sdk, users
from otel_setup.catalogue.boards import Dashboard, Section, Variable
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.whole import Component

__all__ = ["CALLERS", "COMPONENTS", "DASHBOARD", "DASHBOARDS", "components"]

_JOB = "~$job"

#: Alert → what explains it when it happens to the same service.
_CAUSES: Mapping[str, tuple[str, ...]] = {
    "ServiceIsSlow": (
        "DatabaseQueriesSlow",
        "DatabasePoolExhausted",
        "DatabaseConnectionsComeLate",
        "S3AnswersSlowly",
        "S3TransfersSlow",
        "ProcessUsesAllCpu",
    ),
}

#: Alerts about who calls and who is called.
_OF_CALLERS = ("OneUserFloods", "CallsFail")


def components(  # noqa: PLR0913 - all are a choice
    *,
    owner: str = "platform",
    dashboard: str = "services",
    callers: str = "callers",
    scraped: tuple[str, ...] = (),
    messages: Component | None = None,
    storage: Component | None = None,
) -> tuple[Component, ...]:
    """
    Return the components of services: HTTP, calls, messages, S3, processes, databases, the SDK.

    An alert of one that is only the consequence of another's is held back by it. Alerts lead to
    *dashboard*, those about users and calls to *callers*. *scraped* names the jobs that Prometheus
    scrapes, if services serve /metrics themselves. *messages* and *storage* are what
    `messaging.component` and `s3.component` make of your choices, instead of what they make
    without any.
    """
    parts = (http, http_client, process, sdk)
    made = [each.component(owner=owner, dashboard=dashboard, scraped=scraped) for each in parts]
    made.insert(2, messages or messaging.component(owner=owner, scraped=scraped))
    made.insert(3, storage or s3.component(owner=owner, scraped=scraped))
    made.insert(5, database.component(owner=owner, scraped=scraped))
    return tuple(_linked(_elsewhere(each, callers)) for each in made)


def _elsewhere(component: Component, callers: str) -> Component:
    alerts = tuple(
        replace(alert, dashboard=callers) if alert.name in _OF_CALLERS else alert
        for alert in component.alerts
    )
    return replace(component, alerts=alerts)


def _linked(component: Component) -> Component:
    alerts = tuple(
        replace(
            alert,
            inhibited_by=(*alert.inhibited_by, *_CAUSES.get(alert.name, ())),
            inhibited_on=("job",),
        )
        if alert.name in _CAUSES
        else alert
        for alert in component.alerts
    )
    return replace(component, alerts=alerts)


COMPONENTS = components()

DASHBOARD = Dashboard(
    slug="services",
    title=Text("Services", "Сервисы"),
    asks=Text(
        "Is this service well, and if not, what does it lack?",
        "Здоров ли этот сервис, а если нет, чего ему не хватает?",
    ),
    sections=(
        Section(
            title=Text("What do users feel?", "Что чувствуют пользователи?"),
            panels=(http.requests(_JOB), http.errors(_JOB), http.latency(_JOB)),
        ),
        Section(
            title=Text("Which requests?", "Какие именно запросы?"),
            panels=(http.answers(_JOB), http.failing(_JOB), http.slowest(_JOB)),
        ),
        Section(
            title=Text("How much is under way?", "Сколько всего в работе?"),
            panels=(http.active(_JOB), http.uploads(_JOB)),
        ),
        Section(
            title=Text("Does it wait for its database?", "Ждёт ли он базу данных?"),
            panels=(
                database.of_requests(_JOB, leads_to="database-clients"),
                database.waiting(_JOB, leads_to="database-clients"),
                database.duration(_JOB, leads_to="database-clients"),
                database.failures(_JOB, leads_to="database-clients"),
            ),
        ),
        Section(
            title=Text("Does it lack CPU or memory?", "Хватает ли процессора и памяти?"),
            panels=(process.cpu(_JOB), process.memory(_JOB)),
        ),
        Section(
            title=Text("Does something pile up in it?", "Не копится ли в нём что-нибудь?"),
            panels=(process.threads(_JOB), process.files(_JOB), process.collections(_JOB)),
        ),
        Section(
            title=Text("Does its telemetry arrive?", "Доходит ли его телеметрия?"),
            panels=(sdk.spans(_JOB), sdk.lost(_JOB), sdk.queue(_JOB), sdk.points(_JOB)),
        ),
    ),
    variables=(Variable(name="job", label="job", metric=process.COLLECTIONS),),
)

CALLERS = Dashboard(
    slug="callers",
    title=Text("Callers and calls", "Кто кого вызывает"),
    asks=Text(
        "Who loads this service, and does it wait for others?",
        "Кто нагружает этот сервис и не ждёт ли он других?",
    ),
    sections=(
        Section(
            title=Text("Who sends the requests?", "Кто шлёт запросы?"),
            panels=(users.busiest(_JOB), users.share(_JOB), users.groups(_JOB)),
        ),
        Section(
            title=Text("What do they cost?", "Чего они стоят?"),
            panels=(http.surge(_JOB), http.cpu(_JOB)),
        ),
        Section(
            title=Text("Does it wait for other services?", "Ждёт ли он другие сервисы?"),
            panels=(
                http_client.calls(_JOB),
                http_client.failing(_JOB),
                http_client.latency(_JOB),
            ),
        ),
    ),
    variables=(Variable(name="job", label="job", metric=process.COLLECTIONS),),
)

DASHBOARDS = (DASHBOARD, CALLERS, messaging.DASHBOARD, s3.DASHBOARD, database.DASHBOARD)
