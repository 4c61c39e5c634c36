# SPDX-License-Identifier: Apache-2.0
"""What the guide to a slow page says is so: its queries are those of the panels that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_setup.catalogue.boards import Panel
from otel_setup.catalogue.model import Text
from services_demo.catalogue.company import CATALOGUE
from services_demo.catalogue.dashboards.apis import ORDER_LIST
from services_demo.mes.slow.switch import Cause

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "slow-page.md").read_text()
RUSSIAN = (DOCS / "ru" / "slow-page.md").read_text()

PANELS = ORDER_LIST.panels


def queries(guide: str) -> list[str]:
    """Return the PromQL that a reader pastes."""
    return re.findall(r"^```promql\n(.*?)\n```$", guide, re.MULTILINE | re.DOTALL)


def test_every_query_of_the_guide_is_one_of_the_dashboard() -> None:
    """Over five minutes, as a person asks; and there are some."""
    shown = {query.expr.over("5m").text for panel in PANELS for query in panel.queries}
    assert len(queries(GUIDE)) >= 6
    assert [each for each in queries(GUIDE) if each not in shown] == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel.title))
def test_every_panel_of_the_row_is_in_the_guide(panel: Panel) -> None:
    """In both languages, by its title."""
    assert isinstance(panel.title, Text)
    assert f"*{panel.title}*" in GUIDE
    assert f"*{panel.title.ru}*" in RUSSIAN


@pytest.mark.parametrize("guide", [GUIDE, RUSSIAN], ids=["en", "ru"])
def test_every_cause_of_the_switch_has_its_line(guide: str) -> None:
    """With what it looks like, and nothing that is no cause."""
    lines = re.findall(r"^\| `([a-z]+)` \|", guide, re.MULTILINE)
    assert set(lines) == set(Cause) | {"off"}


@pytest.mark.parametrize("guide", [GUIDE, RUSSIAN], ids=["en", "ru"])
def test_every_alert_of_the_guide_is_in_the_catalogue(guide: str) -> None:
    """And its link leads to its runbook."""
    links = re.findall(r"\[([A-Z]\w+)\]\(alerts\.md#([a-z]+)\)", guide)
    assert links
    assert [
        name for name, place in links if name not in CATALOGUE.alerts or name.lower() != place
    ] == []


def test_both_languages_ask_the_same() -> None:
    """A query that is mended in one is mended in the other."""
    assert queries(RUSSIAN) == queries(GUIDE)
