# SPDX-License-Identifier: Apache-2.0
"""A bakery's dashboards to order: the panels that a test wants, rendered and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section, Threshold, Variable
from otel_setup.catalogue.model import Counter, Gauge, Label, Source
from otel_setup.catalogue.promql import Expr, latest, quantile
from otel_setup.catalogue.whole import Catalogue, Component
from otel_setup.render import dashboards
from tests.sample_catalogue import BAKING, BREADS, HEAT

ORDERS = Gauge(
    name="bakery.orders.open",
    unit="{order}",
    description="Orders of cakes.",
    why="Cakes take a day.",
    attributes={
        "state": Label("where it is", values=("taken", "in_oven", "cooling", "failed")),
        "baker": Label("who bakes it", at_most=9),
    },
)
ASKED = Counter(
    name="bakery.questions.asked",
    unit="{request}",
    description="Questions of customers.",
    why="They are work too.",
    attributes={"http.response.status_code": Label("status", at_most=20)},
)


def bakery(
    *panels: Panel,
    variables: tuple[Variable, ...] = (),
    alerts: tuple[Alert, ...] = (),
    beside: tuple[Dashboard, ...] = (),
    **more: Any,
) -> Catalogue:
    """Return a catalogue whose first dashboard has just *panels*, and with just *alerts*."""
    read = frozenset().union(*(panel.metrics for panel in panels))
    watched = frozenset().union(*(alert.expr.metrics for alert in alerts))
    unseen = "This test shows something else."
    metrics = tuple(
        replace(
            metric,
            no_panel="" if metric.name in read else unseen,
            no_alert="" if metric.name in watched else unseen,
        )
        for metric in (
            ORDERS,
            ASKED,
            replace(BREADS, rows=()),
            replace(BAKING, rows=()),
            HEAT,
        )
    )
    cakes = Dashboard(
        slug="cakes",
        title="Cakes",
        asks="Are there cakes?",
        sections=(Section(title="All", panels=panels),),
        variables=variables,
    )
    component = Component(
        name="bakery",
        title="Bakery",
        owner="bakers",
        source=Source.OURS,
        metrics=metrics,
        alerts=alerts,
    )
    return Catalogue(
        title="My bakery", components=(component,), dashboards=(cakes, *beside), **more
    )


def board(catalogue: Catalogue) -> Any:
    """Return the JSON of the only dashboard of *catalogue*."""
    (text,) = dashboards.pages(catalogue).values()
    return json.loads(text)


def panels_of(made: Any) -> list[Any]:
    """Return the panels of the catalogue on the dashboard *made*, without what frames them."""
    return [panel for panel in made["panels"] if panel["type"] not in {"row", "text"}]


def only(panel: Panel, **more: Any) -> Any:
    """Return the JSON of *panel*, alone in a catalogue."""
    (made,) = panels_of(board(bakery(panel, **more)))
    return made


def graph(expr: Expr, legend: str = "", **more: Any) -> Panel:
    """Return a panel with one query."""
    return Panel(title=more.pop("title", "Cakes"), queries=(Query(expr, legend),), **more)


def stat(title: str) -> Panel:
    """Return a panel that shows one number."""
    return graph(latest(ORDERS, fold="sum"), title=title, shape="stat")


def colours(panel: Any) -> dict[str, str]:
    """Return the fixed colours of a rendered panel, by the name or pattern of the series."""
    return {
        override["matcher"]["options"]: prop["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "color"
    }


def every_shape() -> Catalogue:
    """Return a catalogue whose dashboard has a panel of every shape."""
    by_state = latest(ORDERS, by=["state"], fold="max")
    return bakery(
        graph(by_state, "{{state}}", title="graph", thresholds=(Threshold(5),), stacked=True),
        graph(quantile(0.95, BAKING), "p95", title="quantile", may_be_empty="no bread yet"),
        graph(by_state, "{{state}}", title="bars", shape="bars", thresholds=(Threshold(5),)),
        graph(by_state, title="table", shape="table", thresholds=(Threshold(5),)),
        Panel(
            title="two columns",
            queries=(Query(by_state, "most"), Query(latest(ORDERS, by=["state"], fold="min"))),
            shape="table",
        ),
        stat("number"),
        variables=(Variable(name="oven", label="oven", metric=BAKING),),
    )
