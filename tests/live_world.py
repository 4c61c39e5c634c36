# SPDX-License-Identifier: Apache-2.0
"""
A small catalogue of a tea house, and what a Prometheus shows in which all of it is true.

The syntax trees are Prometheus' own: ``python tests/live_world.py URL`` asks a running one
for them anew, and an end-to-end test compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from otel_setup.catalogue.alerting import Alert, Recording
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section
from otel_setup.catalogue.model import Counter, Gauge, Histogram, Label, Source
from otel_setup.catalogue.promql import increase, latest, quantile, rate
from otel_setup.catalogue.whole import Catalogue, Component
from otel_setup.live.api import Prometheus, Sample
from otel_setup.live.check import expected_rules
from otel_setup.live.observe import Answer, Parsed, Seen, Told
from otel_setup.live.reads import expressions
from otel_setup.live.rules import as_loaded
from otel_setup.live.syntax import Tree, closed

TREES_FILE = Path(__file__).with_name("promql_trees.json")

_POT = {"pot": Label("name of the pot", at_most=2)}

CUPS = Counter(
    name="tea.cups",
    unit="{cup}",
    description="Cups that were sold.",
    why="The house lives on it.",
    attributes={"tea": Label("kind of tea", values=("green", "black"))},
    no_alert="A quiet day is no fault.",
)
BREWING = Histogram(
    name="tea.brewing.duration",
    unit="s",
    buckets=(60.0, 120.0, 300.0),
    description="Time in the pot.",
    why="Guests wait for it.",
    attributes=_POT,
    no_alert="Tea takes its time.",
)
HEAT = Gauge(
    name="kettle_heat_ratio",
    unit="1",
    description="Heat, as a share of its most.",
    why="A cold kettle brews nothing.",
    attributes=_POT,
)
STEAM = Gauge(
    name="kettle_steam_bytes",
    unit="By",
    description="Steam, in a strange unit.",
    why="It whistles.",
    rare="kettles may be off",
    no_panel="one hears it",
    no_alert="one hears it",
)
SOLD = Recording(
    name="tea:cups_sold:increase1h",
    unit="{cup}",
    description="Cups of the last hour.",
    why="Dashboards need not count again.",
    expr=increase(CUPS, over="1h"),
    adds={"window": "1h"},
    no_alert="A quiet day is no fault.",
)
COLD = Alert(
    name="KettleIsCold",
    expr=latest(HEAT, by=["pot"], fold="min") < 0.2,
    lasts="2m",
    severity="critical",
    summary="Kettle {{ $labels.pot }} is cold.",
    description="Its heat is {{ $value | humanizePercentage }}.",
    meaning="A kettle lost its heat.",
    impact="No tea.",
    diagnosis="Look at the fire.",
    queries=(Query(latest(HEAT), "{{pot}}"),),
    mitigation="Light it.",
)
PANELS = (
    Panel(title="Cups", queries=(Query(rate(CUPS, by=["tea"]), "{{tea}}"),)),
    Panel(title="Brewing", queries=(Query(quantile(0.95, BREWING, where={"pot": "~$pot"})),)),
    Panel(title="Cups of the hour", queries=(Query(latest(SOLD)),)),
    Panel(
        title="Heat", queries=(Query(latest(HEAT, by=["pot"], fold="min"), "{{ pot }}"),), most=1
    ),
    Panel(
        title="Heat lost",
        queries=(Query(latest(HEAT) - latest(HEAT).offset("5m")),),
        may_be_empty="kettles are off at night",
    ),
)


def house(panels: tuple[Panel, ...] = PANELS) -> Catalogue:
    """Return the catalogue, with *panels* on its one dashboard."""
    return Catalogue(
        title="Tea house",
        components=(
            Component(
                name="kitchen",
                title="The kitchen",
                owner="cooks",
                source=Source.OURS,
                metrics=(CUPS, BREWING, HEAT, STEAM, SOLD),
                alerts=(COLD,),
            ),
        ),
        dashboards=(
            Dashboard(
                slug="tea",
                title="Tea",
                asks="Is there tea?",
                sections=(Section(title="Tea", panels=panels),),
            ),
        ),
    )


CATALOGUE = house()

#: Expressions of which only the tree is of interest, beside those of the catalogue.
FURTHER = (
    'sum by (pot) (kettle_heat_ratio{color="red"})',
    "sum by (color) (kettle_heat_ratio)",
    "sum without (color) (kettle_heat_ratio)",
    "sum without (instance) (kettle_heat_ratio)",
    "topk(3, sum by (pot) (kettle_heat_ratio))",
    'count_values("heat", kettle_heat_ratio)',
    "sum by (pot) (kettle_heat_ratio) / on (tea) sum by (tea) (tea_cups_total)",
    "sum by (tea) (tea_cups_total) * on (job) group_left (pot) kettle_heat_ratio",
    "sum by (pot) (kettle_heat_ratio) + ignoring (pot) sum(kettle_heat_ratio)",
    "tea_cups_total unless on (job) kettle_heat_ratio",
    "sum(kettle_heat_ratio) or sum by (tea) (tea_cups_total)",
    "2 * sum by (pot) (kettle_heat_ratio)",
    "time() - max by (pot) (kettle_heat_ratio)",
    "sum by (le) (rate(tea_brewing_duration_seconds_bucket[5m]))",
    'label_replace(sum(kettle_heat_ratio), "where", "kitchen", "", "")',
    'absent(kettle_heat_ratio{pot="red", job=~"k.*"})',
    "max_over_time(sum by (pot) (kettle_heat_ratio)[5m:10s])",
    "-sum by (pot) (kettle_heat_ratio)",
    "vector(1)",
    'sum by (pot) ({__name__=~"kettle_.*"})',
    "deriv(kettle_heat_ratio[5m])",
    "kettle_heet_ratio",
    'rate(tea_cups_total{tea="white"}[5m])',
    'rate(tea_cups_total{tea!="white"}[5m])',
    'rate(tea_cups_total{tea=~"gr.*|white"}[5m])',
    'rate(tea_cups_total{tea!~"w.*"}[5m])',
    'rate(tea_cups_total{tea=""}[5m])',
    "min by (pot) (kettle_heat_ratio) < 0.3",
    'sum by (tea, job) (tea_cups_total{tea="green", job=~"k.*"})',
    'sum by (job, tea) (tea_cups_total{job=~"k.*",tea="green"})',
)


def tree(text: str) -> Tree:
    """Return the tree of *text*, with its window closed."""
    found: Tree = _TREES[closed(text, "1m")]
    return found


def texts() -> list[str]:
    """Return all expressions whose trees are kept."""
    own = [read.text for read in expressions(CATALOGUE)]
    rules = [str(rule["expr"]) for rule in expected_rules(CATALOGUE)]
    return list(dict.fromkeys(closed(text, "1m") for text in [*own, *rules, *FURTHER]))


_TREES: dict[str, Tree] = json.loads(TREES_FILE.read_text()) if TREES_FILE.exists() else {}


def _sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, {"job": "kitchen", "instance": "1", **labels}, value)


SERIES = {
    "tea_cups_total": (
        _sample("tea_cups_total", 5, tea="green"),
        _sample("tea_cups_total", 7, tea="black"),
    ),
    "tea_brewing_duration_seconds_bucket": tuple(
        _sample("tea_brewing_duration_seconds_bucket", 3, pot="red", le=le)
        for le in ("60.0", "120", "300", "+Inf")
    ),
    "tea_brewing_duration_seconds_count": (
        _sample("tea_brewing_duration_seconds_count", 3, pot="red"),
    ),
    "tea_brewing_duration_seconds_sum": (
        _sample("tea_brewing_duration_seconds_sum", 200, pot="red"),
    ),
    "kettle_heat_ratio": (_sample("kettle_heat_ratio", 0.5, pot="red"),),
    "kettle_steam_bytes": (),
    "tea:cups_sold:increase1h": (Sample("tea:cups_sold:increase1h", {"window": "1h"}, 12),),
}

#: All is as the catalogue says.
WORLD = Seen(
    strangers={"up": ("kitchen",), "ALERTS": ("",)},
    series=SERIES,
    told={"kettle_heat_ratio": (Told("gauge"),), "tea_cups": (Told("counter"),)},
    answers={
        query.expr.text: Answer((Sample("", {"pot": "red"}, 0.5),))
        for panel in PANELS
        for query in panel.queries
    },
    parsed={
        text: Parsed(_TREES[closed(text, "1m")])
        for text in [
            *(read.text for read in expressions(CATALOGUE)),
            *(str(rule["expr"]) for rule in expected_rules(CATALOGUE)),
            *FURTHER,
        ]
        if closed(text, "1m") in _TREES
    },
    rules=tuple(as_loaded(rule) for rule in expected_rules(CATALOGUE)),
)

if __name__ == "__main__":
    prometheus = Prometheus(sys.argv[1])
    lines = (
        f"{json.dumps(text)}: {json.dumps(prometheus.parse(text), separators=(',', ':'))}"
        for text in texts()
    )
    TREES_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
