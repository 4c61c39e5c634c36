# SPDX-License-Identifier: Apache-2.0
"""The company's own dashboards, all of them, as they are rendered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from otel_setup.render import dashboards
from services_demo.catalogue.company import CATALOGUE
from tests.bakery_boards import panels_of
from tests.grafana_model import lost

BOARDS: dict[str, Any] = {
    path: json.loads(text) for path, text in dashboards.pages(CATALOGUE).items()
}


@pytest.mark.parametrize("path", BOARDS)
def test_grafana_knows_every_key_of_it(path: str) -> None:
    """Grafana's own model takes the dashboard and gives all of it back."""
    assert lost(BOARDS[path]) == []


@pytest.mark.parametrize("path", BOARDS)
def test_it_is_in_english(path: str) -> None:
    """Dashboards have one language; the Russian texts are for documents."""
    assert re.findall("[а-яё]+", json.dumps(BOARDS[path], ensure_ascii=False), re.IGNORECASE) == []


@pytest.mark.parametrize("path", BOARDS)
def test_its_links_lead_somewhere(path: str) -> None:
    """To another dashboard of the company, or to the runbook of one of its alerts."""
    urls = [link["url"] for panel in panels_of(BOARDS[path]) for link in panel["links"]]
    slugs = {board["uid"] for board in BOARDS.values()}
    targets = {f"/d/{slug}" for slug in slugs - {BOARDS[path]["uid"]}}
    targets |= {CATALOGUE.runbooks + name for name in CATALOGUE.alerts}
    targets |= {
        f"{CATALOGUE.docs}metrics.md#{metric.prometheus_name}"
        for metric in CATALOGUE.metrics.values()
    }

    assert [url for url in urls if url.partition("?")[0] not in targets] == []


@pytest.mark.parametrize("path", BOARDS)
def test_it_says_of_every_panel_why(path: str) -> None:
    """No panel is there without a reason."""
    panels = panels_of(BOARDS[path])

    assert [panel["title"] for panel in panels if panel["description"].startswith("Reads `")] == []


def test_a_state_has_one_colour_on_all_dashboards() -> None:
    """Whoever knows an order's colour on one dashboard knows it on the others."""
    colours: dict[str, set[str]] = {}
    for board in BOARDS.values():
        for panel in panels_of(board):
            for override in panel["fieldConfig"]["overrides"]:
                name = override["matcher"]["options"]
                for prop in override["properties"]:
                    if prop["id"] == "color" and name in ("priced", "finished", "cancelled"):
                        colours.setdefault(name, set()).add(prop["value"]["fixedColor"])

    assert {name: len(found) for name, found in colours.items()} == dict.fromkeys(colours, 1)
    assert colours.keys() == {"priced", "finished", "cancelled"}
