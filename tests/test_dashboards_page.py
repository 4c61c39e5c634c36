# SPDX-License-Identifier: Apache-2.0
"""The page of the dashboards shows each one with its question, its picture and its reasons."""

from __future__ import annotations

import pytest

from otel_setup.render.documents import pages
from tests.sample_catalogue import CATALOGUE

ENGLISH, RUSSIAN = (pages(CATALOGUE)[f"{folder}dashboards.md"] for folder in ("", "ru/"))


def test_a_dashboard_begins_with_its_question_and_picture() -> None:
    """The picture lies where `otel-setup pictures` puts it."""
    assert (
        '<a id="dashboard-bakery"></a>\n\n## Bakery\n\nIs there bread?\n\n'
        "![Bakery](images/dashboards/bakery.png)\n" in ENGLISH
    )


def test_a_panel_without_a_reason_has_that_of_its_first_metric() -> None:
    """It stands beside the questions that the panel answers."""
    assert (
        "| Breads sold (1/s) | The bakery lives on it. | [B1](metrics.md#question-B1) |\n"
        in ENGLISH
    )


@pytest.mark.parametrize(
    "line",
    [
        "Дашбордов: 1, панелей: 4.",
        "![Bakery](../images/dashboards/bakery.png)",
        "| Breads sold (1/s) | Пекарня этим живёт. | [B1](metrics.md#question-B1) |",
    ],
)
def test_reasons_are_translated_and_titles_are_not(line: str) -> None:
    """A title is what one looks for on the screen."""
    assert line in RUSSIAN.splitlines()
