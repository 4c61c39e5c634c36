# SPDX-License-Identifier: Apache-2.0
"""A small whole catalogue of a bakery: what the tests of the renderers render."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert, Recording
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Question, Section, Threshold
from otel_setup.catalogue.model import (
    Counter,
    Gauge,
    Histogram,
    Label,
    Method,
    Source,
    Text,
)
from otel_setup.catalogue.promql import increase, latest, quantile, rate
from otel_setup.catalogue.whole import Catalogue, Component, Scrape

BREADS = Counter(
    name="bakery.breads.sold",
    unit="{bread}",
    description=Text("Breads that customers took home.", "Проданный хлеб."),
    why=Text("The bakery lives on it.", "Пекарня этим живёт."),
    attributes={"flour": Label(Text("kind of flour", "вид муки"), values=("wheat", "rye"))},
    method=Method.BUSINESS,
    rows=("B1",),
    no_alert="A quiet day is no fault.",
)

BAKING = Histogram(
    name="bakery.baking.duration",
    unit="s",
    buckets=(60.0, 600.0, 1800.0, 3600.0),
    description=Text("Time in the oven.", "Время в печи."),
    why=Text("Customers wait for it.", "Покупатели этого ждут."),
    attributes={"oven": Label(Text("name of the oven", "имя печи"), at_most=3)},
    method=Method.DURATION,
    rows=("B1",),
)

HEAT = Gauge(
    name="oven_heat_ratio",
    unit="1",
    description=Text("Heat of an oven, as a share of its most.", "Нагрев печи."),
    why=Text("A cold oven bakes nothing.", "Холодная печь не печёт."),
    attributes={"oven": Label(Text("name of the oven", "имя печи"), at_most=3)},
    method=Method.UTILIZATION,
)

SOLD = Recording(
    name="bakery:breads_sold:increase1h",
    unit="{bread}",
    description=Text("Breads of the last hour.", "Хлеб за последний час."),
    why=Text("Dashboards read it without counting again.", "Панели читают готовое."),
    expr=increase(BREADS, over="1h"),
    no_alert="A quiet day is no fault.",
)

COLD = Alert(
    name="OvenIsCold",
    expr=latest(HEAT, by=["oven"], fold="min") < 0.2,
    lasts="2m",
    severity="critical",
    summary="Oven {{ $labels.oven }} is cold.",
    description="Its heat is {{ $value | humanizePercentage }} of the most for 2 minutes.",
    meaning=Text("An oven lost its heat.", "Печь остыла."),
    impact=Text("No bread.", "Хлеба нет."),
    diagnosis=Text("Look at the fire.", "Проверьте огонь."),
    queries=(Query(latest(HEAT), "{{oven}}"),),
    mitigation=Text("Light it.", "Разожгите."),
    dashboard="bakery",
    exemplars='bakery_baking_duration_seconds_bucket{oven="{{ $labels.oven }}"}',
)

SLOW = Alert(
    name="BakingIsSlow",
    expr=quantile(0.95, BAKING, by=["oven"], over="10m") > 1800,
    lasts="5m",
    severity="warning",
    summary="Oven {{ $labels.oven }} bakes slowly.",
    description="Baking takes {{ $value | humanizeDuration }}.",
    meaning=Text("Baking takes over half an hour.", "Выпечка дольше получаса."),
    impact=Text("Customers wait.", "Покупатели ждут."),
    diagnosis=Text("Is the oven cold?", "Печь остыла?"),
    queries=(Query(quantile(0.95, BAKING, by=["oven"]), "{{oven}}"),),
    mitigation=Text("Bake less at once.", "Пеките меньше за раз."),
    dashboard="bakery",
    inhibited_by=("OvenIsCold",),
    inhibited_on=("oven",),
)

CATALOGUE = Catalogue(
    title="Bakery",
    components=(
        Component(
            name="shop",
            title=Text("The shop", "Магазин"),
            owner="sales",
            source=Source.OURS,
            metrics=(BREADS, BAKING, SOLD),
            alerts=(SLOW,),
        ),
        Component(
            name="oven",
            title=Text("The ovens", "Печи"),
            owner="bakers",
            source=Source.EXPORTER,
            metrics=(HEAT,),
            alerts=(COLD,),
            scraped=("oven",),
        ),
    ),
    dashboards=(
        Dashboard(
            slug="bakery",
            title="Bakery",
            asks="Is there bread?",
            sections=(
                Section(
                    title="Bread",
                    panels=(
                        Panel(
                            title="Breads sold (1/s)",
                            queries=(Query(rate(BREADS, by=["flour"]), "{{flour}}"),),
                            rows=("B1",),
                            stacked=True,
                        ),
                        Panel(
                            title="How long does baking take?",
                            queries=(Query(quantile(0.95, BAKING), "p95"),),
                            thresholds=(Threshold(1800, "warning"),),
                        ),
                        Panel(
                            title="Breads of the last hour",
                            queries=(Query(latest(SOLD)),),
                            shape="stat",
                        ),
                        Panel(
                            title="Heat of the ovens",
                            queries=(Query(latest(HEAT, by=["oven"], fold="min"), "{{oven}}"),),
                            most=1,
                            may_be_empty="ovens are off at night",
                        ),
                    ),
                ),
            ),
        ),
    ),
    questions=(
        Question(
            id="B1",
            system=Text("Bakery", "Пекарня"),
            method="business",
            asks=Text("breads sold", "продано хлеба"),
        ),
        Question(
            id="B2",
            system=Text("Bakery", "Пекарня"),
            method="business",
            asks=Text("breads left over", "непроданный хлеб"),
            missing=Text("a count in the evening", "подсчёт вечером"),
        ),
    ),
    scrapes=(Scrape(job="oven", says="The ovens' thermometers."),),
)
