# SPDX-License-Identifier: Apache-2.0
"""The dashboards that are rendered from a catalogue: what stands around the panels."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from otel_setup.catalogue.promql import latest, rate
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import dashboards
from otel_setup.render.page import MARK
from tests.bakery_boards import bakery, board, every_shape, graph, panels_of
from tests.grafana_model import lost
from tests.sample_catalogue import BREADS, CATALOGUE, COLD, HEAT


@pytest.mark.parametrize("catalogue", [CATALOGUE, every_shape()], ids=["bakery", "shapes"])
def test_grafana_knows_every_key(catalogue: Catalogue) -> None:
    """Grafana's own model takes each dashboard and gives all of it back."""
    assert lost(board(catalogue)) == []


def test_a_misspelt_key_would_be_seen() -> None:
    """The comparison with Grafana's model can fail."""
    made = board(CATALOGUE)
    made["panels"][2]["fieldConfig"]["defaults"]["custom"]["lineWith"] = 2

    assert lost(made) == [".panels[2].fieldConfig.defaults.custom.lineWith"]


def test_the_same_catalogue_gives_the_same_bytes() -> None:
    """Two renderings are equal; keys are sorted, and the last line ends."""
    first, second = dashboards.pages(CATALOGUE), dashboards.pages(CATALOGUE)

    assert first == second
    (text,) = first.values()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


def test_a_file_is_named_by_its_slug() -> None:
    """The path has the slug, and so has the uid: links hold on every installation."""
    made = dashboards.pages(CATALOGUE)

    assert list(made) == ["grafana/dashboards/bakery.json"]
    assert board(CATALOGUE)["uid"] == "bakery"


def test_a_dashboard_says_that_it_is_generated() -> None:
    """The mark lets the renderer remove a dashboard that has left the catalogue."""
    assert MARK in board(CATALOGUE)["description"]


def test_ids_follow_the_order_of_reading() -> None:
    """Ids count up from 1 without a gap."""
    ids = [panel["id"] for panel in board(CATALOGUE)["panels"]]

    assert ids == list(range(1, len(ids) + 1))


def test_the_question_stands_on_top() -> None:
    """The first panel is the question of the dashboard, over the whole width."""
    first = board(CATALOGUE)["panels"][0]

    assert first["options"]["content"] == "### Is there bread?"
    assert first["gridPos"] == {"x": 0, "y": 0, "w": 24, "h": 2}


def test_all_dashboards_are_one_click_away() -> None:
    """The list at the top has all with the catalogue's tag, and keeps the range of time."""
    made = board(bakery(graph(rate(BREADS))))
    (link,) = made["links"]

    assert (link["tags"], link["asDropdown"], link["keepTime"]) == (["my-bakery"], True, True)
    assert made["tags"] == ["my-bakery"]


def test_every_query_goes_to_the_chosen_data_source() -> None:
    """No panel, target, variable or alert mark names a data source of its own."""
    made = board(every_shape())
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    used = [made["annotations"]["list"][1]["datasource"]]
    used += [variable["datasource"] for variable in made["templating"]["list"][1:]]
    for panel in panels_of(made):
        used += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]

    assert used == [chosen] * len(used)


def test_a_variable_offers_the_values_of_a_label() -> None:
    """A histogram is asked by its counts; all values are chosen at first."""
    variable = board(every_shape())["templating"]["list"][1]

    assert variable["query"]["query"] == "label_values(bakery_baking_duration_seconds_count, oven)"
    assert (variable["includeAll"], variable["multi"], variable["allValue"]) == (True, True, ".+")


def test_alerts_of_the_dashboard_are_marked_on_its_graphs() -> None:
    """Only alerts that lead to this dashboard are marked on it."""
    mark = board(CATALOGUE)["annotations"]["list"][1]

    assert mark["target"]["expr"] == (
        'ALERTS{alertstate="firing", alertname=~"BakingIsSlow|OvenIsCold"}'
    )


def test_an_alert_that_always_fires_marks_nothing() -> None:
    """What is for machines only would cover every graph."""
    always = replace(COLD, name="AlwaysFires", severity="info", dashboard="cakes")

    made = board(bakery(graph(latest(HEAT)), alerts=(always,)))

    assert made["annotations"]["list"][1]["target"]["expr"] == (
        'ALERTS{alertstate="firing", severity!="info"}'
    )
