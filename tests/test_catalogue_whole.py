# SPDX-License-Identifier: Apache-2.0
"""A catalogue is checked as a whole: no link in what is rendered from it can be broken."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import sample_catalogue as sample

from otel_setup.catalogue.alerting import Alert, Recording, Slo
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Section
from otel_setup.catalogue.model import Metric, Text
from otel_setup.catalogue.promql import increase, latest, rate
from otel_setup.catalogue.whole import Catalogue, CatalogueError, Component

BAKERY = sample.CATALOGUE
SHOP, OVEN = BAKERY.components
BOARD = BAKERY.dashboards[0]


def problems(**changes: Any) -> list[str]:
    """Return what is said about the bakery with *changes*."""
    with pytest.raises(CatalogueError) as raised:
        dataclasses.replace(BAKERY, **changes)
    head, *lines = str(raised.value).splitlines()
    assert head == "catalogue 'Bakery':"
    return [line.strip() for line in lines]


def board(*panels: Panel, **changes: Any) -> Dashboard:
    """Return the bakery's dashboard with one more section of *panels*."""
    sections = (*BOARD.sections, *([Section(title="more", panels=panels)] if panels else []))
    return dataclasses.replace(BOARD, sections=sections, **changes)


def part(component: Component, **changes: Any) -> tuple[Component, ...]:
    """Return the bakery's components, of which *component* has *changes*."""
    changed = dataclasses.replace(component, **changes)
    return tuple(changed if each is component else each for each in BAKERY.components)


def test_the_sample_is_whole() -> None:
    """Its entries are found by name, in order."""
    assert list(BAKERY.metrics) == [
        "bakery.breads.sold",
        "bakery.baking.duration",
        "bakery:breads_sold:increase1h",
        "oven_heat_ratio",
    ]
    assert list(BAKERY.alerts) == ["BakingIsSlow", "OvenIsCold"]


def test_a_metric_knows_its_panels_also_through_a_recording() -> None:
    """What a rule computes shows what it reads."""
    titles = [panel.title for _board, panel in BAKERY.panels_of["bakery.breads.sold"]]
    assert titles == ["Breads sold (1/s)", "Breads of the last hour"]


def test_a_metric_knows_its_alerts() -> None:
    """They are found from the expressions; nobody types a link."""
    assert BAKERY.alerts_of == {
        "bakery.baking.duration": (sample.SLOW,),
        "oven_heat_ratio": (sample.COLD,),
    }


def test_an_entry_knows_its_component() -> None:
    """So its owner is told."""
    assert BAKERY.component_of(sample.COLD).owner == "bakers"
    assert BAKERY.component_of(sample.BREADS).owner == "sales"


def test_a_question_knows_its_panels() -> None:
    """Panels say which questions they serve."""
    first, second = BAKERY.questions
    assert [panel.title for _board, panel in BAKERY.panels_for(first)] == ["Breads sold (1/s)"]
    assert BAKERY.panels_for(second) == ()


def test_all_problems_are_reported_at_once() -> None:
    """Whoever mends a catalogue mends it once."""
    lost = dataclasses.replace(sample.HEAT, name="other")
    panel = Panel(title="p", queries=(Query(latest(lost)),), rows=("X9",), leads_to="nowhere")
    assert problems(dashboards=(board(panel),)) == [
        "panel 'p' reads 'other', which is no metric of the catalogue.",
        "panel 'p' leads to 'nowhere', which is no dashboard.",
        "panel 'p' answers 'X9', which is no question of the catalogue.",
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"components": (*BAKERY.components, OVEN)}, "component 'oven': defined twice."),
        ({"components": (*BAKERY.components, OVEN)}, "metric 'oven_heat_ratio': defined twice."),
        ({"components": (*BAKERY.components, OVEN)}, "series 'oven_heat_ratio': defined twice."),
        ({"components": (*BAKERY.components, OVEN)}, "alert 'OvenIsCold': defined twice."),
        ({"dashboards": (BOARD, BOARD)}, "dashboard 'bakery': defined twice."),
        ({"questions": BAKERY.questions * 2}, "question 'B1': defined twice."),
        ({"scrapes": BAKERY.scrapes * 2}, "scrape job 'oven': defined twice."),
    ],
)
def test_nothing_is_defined_twice(changes: dict[str, Any], expected: str) -> None:
    """Two entries of one name would be one thing with two meanings."""
    assert expected in problems(**changes)


def test_an_alert_is_linked_to_what_exists() -> None:
    """A dashboard that is not there, and a cause that nobody detects."""
    alert = dataclasses.replace(sample.COLD, dashboard="attic", inhibited_by=("FireIsOut",))
    assert problems(components=part(OVEN, alerts=(alert,))) == [
        "alert 'OvenIsCold' leads to 'attic', which is no dashboard.",
        "alert 'OvenIsCold' is inhibited by 'FireIsOut', which is no alert.",
    ]


def test_a_component_is_scraped_by_a_job_that_exists() -> None:
    """Otherwise its metrics are thrown away as unknown."""
    assert problems(components=part(OVEN, scraped=("cellar",))) == [
        "component 'oven' is scraped by 'cellar', which is no job."
    ]


def test_a_metric_without_a_panel_or_alert_says_why() -> None:
    """Omission is a decision, and decisions are written down."""
    said = problems(components=part(OVEN, alerts=()), dashboards=(), questions=())
    assert [line for line in said if line.startswith("metric") and "reads it" in line] == [
        "metric 'bakery.breads.sold': no panel reads it. Make one, or say no_panel=.",
        "metric 'bakery.baking.duration': no panel reads it. Make one, or say no_panel=.",
        "metric 'bakery:breads_sold:increase1h': no panel reads it. Make one, or say no_panel=.",
        "metric 'oven_heat_ratio': no panel reads it. Make one, or say no_panel=.",
        "metric 'oven_heat_ratio': no alert reads it. Make one, or say no_alert=.",
    ]


def test_a_reason_that_is_no_longer_true_is_refused() -> None:
    """A metric that has a panel does not say why it has none."""
    heat = dataclasses.replace(sample.HEAT, no_alert="nobody cares")
    assert problems(components=part(OVEN, metrics=(heat,))) == [
        "metric 'oven_heat_ratio': no_alert is given, and there is one. Remove it."
    ]


def test_a_question_is_served_or_says_what_is_missing() -> None:
    """Neither both nor none."""
    first, second = BAKERY.questions
    changed = (
        dataclasses.replace(first, missing="x"),
        dataclasses.replace(second, missing=""),
    )
    assert problems(questions=changed) == [
        "question 'B1': served by a panel and said to be missing.",
        "question 'B2': no panel serves it. Say in missing= why.",
    ]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("panel", {"queries": ()}, "expected a title and at least one query"),
        ("panel", {"title": " "}, "expected a title and at least one query"),
        (
            "panel",
            {"queries": (Query(latest(sample.HEAT)), Query(rate(sample.BREADS)))},
            "its queries are in 1, {bread}/s. Make one panel for each unit.",
        ),
        ("board", {"slug": "A b"}, "expected lower-case letters, digits and dashes"),
        ("board", {"sections": BOARD.sections * 2}, "panels with one title"),
        ("alert", {"name": "cold"}, "expected component and state in capitals"),
        ("alert", {"lasts": "2 min"}, "lasts='2 min': expected a duration such as '2m'"),
        ("alert", {"keep_firing": "x"}, "keep_firing='x': expected a duration"),
        ("alert", {"meaning": ""}, "meaning is empty. Say it in one or two sentences."),
        ("alert", {"description": "It is cold."}, "does not show the value"),
        ("alert", {"queries": ()}, "it has no query to paste"),
        ("alert", {"expr": rate(sample.BREADS) > 1}, "has an open window or variable"),
        ("record", {"expr": increase(sample.BREADS)}, "has an open window or variable"),
        ("record", {"unit": "s"}, "unit='s', its expression is in '{bread}'"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused(
    kind: str, changes: dict[str, Any], expected: str
) -> None:
    """The message names the entry and says the fix."""
    made: Panel | Dashboard | Alert | Recording = {
        "panel": BOARD.panels[0],
        "board": BOARD,
        "alert": sample.COLD,
        "record": sample.SOLD,
    }[kind]
    with pytest.raises(ValueError, match=r"^(panel|dashboard|alert|recording) ") as raised:
        dataclasses.replace(made, **changes)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"objective": 99}, "objective=99: expected a share below 1"),
        ({"bad": increase(sample.BREADS, over="5m")}, "has a fixed window. Leave out over="),
        ({"bad": rate(sample.BREADS)}, "bad events are in '{bread}/s', all in '{bread}'"),
    ],
)
def test_an_objective_counts_events(changes: dict[str, Any], expected: str) -> None:
    """Its windows are many, so it names none."""
    right = {
        "name": "bread",
        "objective": 0.99,
        "promise": "p",
        "why": "w",
        "bad": increase(sample.BREADS, where={"flour": "rye"}),
        "total": increase(sample.BREADS),
        "owner": "sales",
    }
    with pytest.raises(ValueError, match=r"^objective 'bread': ") as raised:
        Slo(**{**right, **changes})
    assert expected in str(raised.value)


def test_whose_scrapes_are_not_ours_may_name_any_job() -> None:
    """A user's Prometheus may be configured by somebody else."""
    assert isinstance(dataclasses.replace(BAKERY, scrapes=()), Catalogue)


@pytest.mark.parametrize(
    ("metric", "title", "queries"),
    [
        (
            sample.BREADS,
            ("Breads that customers took home, per second", "Проданный хлеб, в секунду"),
            [("sum by (flour) (rate(bakery_breads_sold_total[$__rate_interval]))", "{{flour}}")],
        ),
        (
            sample.HEAT,
            ("Heat of an oven, as a share of its most", "Нагрев печи"),
            [("max by (oven) (oven_heat_ratio)", "{{oven}}")],
        ),
        (
            sample.BAKING,
            ("Time in the oven", "Время в печи"),
            [
                (
                    (
                        f"histogram_quantile({share}, sum by (le) "
                        "(rate(bakery_baking_duration_seconds_bucket[$__rate_interval])))"
                    ),
                    legend,
                )
                for share, legend in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
        ),
    ],
    ids=["counter", "gauge", "histogram"],
)
def test_a_metric_makes_its_panel_by_itself(
    metric: Metric, title: tuple[str, str], queries: list[tuple[str, str]]
) -> None:
    """One entry is enough: the kind says what to ask."""
    shown = dataclasses.replace(metric, shown_on="bakery")
    component = BAKERY.component_of(metric)
    metrics = tuple(shown if each is metric else each for each in component.metrics)

    made = dataclasses.replace(BAKERY, components=part(component, metrics=metrics))

    panel = made.dashboards[0].panels[-1]
    assert isinstance(panel.title, Text)
    assert ((panel.title, panel.title.ru), panel.rows) == (title, metric.rows)
    assert [(query.expr.text, query.legend) for query in panel.queries] == queries
    assert dataclasses.replace(made).dashboards == made.dashboards


def test_a_metric_is_shown_on_a_dashboard_that_exists() -> None:
    """Otherwise it would be shown nowhere, and nobody would know."""
    heat = dataclasses.replace(sample.HEAT, shown_on="attic")
    assert problems(components=part(OVEN, metrics=(heat,))) == [
        "metric 'oven_heat_ratio' is shown on 'attic', which is no dashboard."
    ]
