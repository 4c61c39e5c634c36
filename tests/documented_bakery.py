# SPDX-License-Identifier: Apache-2.0
"""The bakery with all that documents show: an objective, its alerts, a metric that is rare."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue import slo
from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.boards import Dashboard, Section
from otel_setup.catalogue.model import Gauge, Method, Source, Text
from otel_setup.catalogue.promql import increase
from otel_setup.catalogue.whole import Component
from otel_setup.render.documents import pages
from tests.sample_catalogue import BAKING, BREADS, CATALOGUE, SLOW, SOLD

#: An objective, a rare metric, an alert at once that goes on: what the bakery has not.
FRESH = Slo(
    name="fresh-bread",
    objective=0.999,
    promise=Text("Bread is fresh.", "Хлеб свежий."),
    why=Text("Old bread comes back.", "Чёрствый хлеб возвращают."),
    bad=increase(BREADS, where={"flour": "rye"}),
    total=increase(BREADS),
    owner="sales",
    rows=("B1",),
)
MEMORY = Gauge(
    name="node_memory_MemFree_bytes",
    unit="By",
    description="Memory <free> | unused.",
    why="It runs out.",
    method=Method.SATURATION,
    rare="Only on Linux.",
    no_panel="A page of the host shows it.",
    no_alert="Free memory is no fault.",
)
WHOLE = replace(
    CATALOGUE,
    components=(
        replace(
            CATALOGUE.components[0],
            alerts=(replace(SLOW, lasts="0s", keep_firing="3m", rows=("B1",)),),
        ),
        CATALOGUE.components[1],
        Component(
            name="host",
            title=Text("The host", "Сервер"),
            owner="bakers",
            source=Source.EXPORTER,
            metrics=(MEMORY,),
            scraped=("oven",),
        ),
    ),
    slos=(FRESH,),
)
#: The same with what makes alerts of objectives.
PROMISED = replace(
    WHOLE,
    components=(
        replace(
            WHOLE.components[0],
            metrics=(replace(BREADS, no_alert=""), BAKING, SOLD),
            alerts=(replace(SLOW, inhibited_on=()),),
        ),
        *WHOLE.components[1:],
        slo.COMPONENT,
    ),
    dashboards=(
        *CATALOGUE.dashboards,
        Dashboard(
            slug="slos",
            title="Promises",
            asks="Are they kept?",
            sections=(
                Section(
                    title="All",
                    panels=(slo.budget(), slo.burn(), slo.error_ratio(), slo.objectives()),
                ),
            ),
        ),
    ),
)

MADE = pages(PROMISED)
