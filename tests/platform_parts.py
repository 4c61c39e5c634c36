# SPDX-License-Identifier: Apache-2.0
"""A whole catalogue of the platform alone: broker, Collector, Prometheus, one objective."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType

from otel_setup.catalogue import (
    alertmanager,
    collector,
    programs,
    prometheus,
    rabbitmq,
    scraping,
    slo,
)
from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.boards import Dashboard, Panel, Section
from otel_setup.catalogue.promql import increase
from otel_setup.catalogue.scraped.collector import SEND_FAILED, SENT
from otel_setup.catalogue.whole import Catalogue, Component

#: The modules, by the dashboard that shows them.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "rabbitmq": (rabbitmq,),
    "telemetry": (collector, scraping, programs, prometheus, alertmanager),
    "slos": (slo,),
}

TRACING = Slo(
    name="tracing",
    objective=0.999,
    promise="Of a thousand spans one may get lost.",
    why="A trace with a hole explains nothing.",
    bad=increase(SEND_FAILED["traces"]),
    total=increase(SENT["traces"]),
    owner="crm",
    at_least=7,
)

COMPONENTS: tuple[Component, ...] = (
    rabbitmq.COMPONENT,
    collector.COMPONENT,
    scraping.COMPONENT,
    # Nothing here scrapes hosts.
    programs.component(scraped=("prometheus", "alertmanager", "rabbitmq")),
    prometheus.COMPONENT,
    alertmanager.COMPONENT,
    slo.COMPONENT,
)


def functions(module: ModuleType) -> dict[str, Callable[..., Panel]]:
    """Return the functions of *module* that make a panel, by name."""
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and inspect.signature(function).return_annotation == "Panel"
        and not name.startswith("_")
    }


def panels(module: ModuleType) -> tuple[Panel, ...]:
    """Return every panel that *module* makes."""
    return tuple(function() for function in functions(module).values())


CATALOGUE = Catalogue(
    title="Platform",
    components=COMPONENTS,
    dashboards=tuple(
        Dashboard(
            slug=slug,
            title=slug,
            asks="Is all well?",
            sections=tuple(
                Section(title=module.__name__, panels=panels(module)) for module in modules
            ),
        )
        for slug, modules in MODULES.items()
    ),
    slos=(TRACING,),
    scrapes=(
        *rabbitmq.SCRAPES,
        *collector.SCRAPES,
        *prometheus.SCRAPES,
        *alertmanager.SCRAPES,
        scraping.DIRECT,
    ),
)
