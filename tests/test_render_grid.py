# SPDX-License-Identifier: Apache-2.0
"""Where panels stand on the screen."""

from __future__ import annotations

from otel_setup.catalogue.boards import Panel
from otel_setup.catalogue.promql import rate
from tests.bakery_boards import bakery, board, every_shape, graph, panels_of, stat
from tests.sample_catalogue import BREADS, CATALOGUE


def _places(*panels: Panel) -> list[tuple[int, int, int, int]]:
    made = panels_of(board(bakery(*panels)))
    return [tuple(panel["gridPos"][key] for key in "xywh") for panel in made]


def test_graphs_share_the_width() -> None:
    """Three panels stand beside each other, below the question and the head of the section."""
    graphs = [graph(rate(BREADS), title=f"{n}") for n in range(3)]

    assert _places(*graphs) == [(0, 3, 8, 8), (8, 3, 8, 8), (16, 3, 8, 8)]


def test_five_graphs_take_two_lines() -> None:
    """No more than four stand beside each other, and lines are of much the same length."""
    graphs = [graph(rate(BREADS), title=f"{n}") for n in range(5)]

    assert _places(*graphs) == [
        (0, 3, 12, 8),
        (12, 3, 12, 8),
        (0, 11, 8, 8),
        (8, 11, 8, 8),
        (16, 11, 8, 8),
    ]


def test_numbers_alone_are_lower() -> None:
    """A line of nothing but numbers is half as high."""
    assert _places(stat("a"), stat("b")) == [(0, 3, 12, 4), (12, 3, 12, 4)]


def test_in_a_long_section_numbers_form_a_line() -> None:
    """Where one line is not enough, numbers beside each other stand above the graphs."""
    graphs = [graph(rate(BREADS), title=f"{n}") for n in range(3)]

    assert _places(stat("a"), stat("b"), *graphs) == [
        (0, 3, 12, 4),
        (12, 3, 12, 4),
        (0, 7, 8, 8),
        (8, 7, 8, 8),
        (16, 7, 8, 8),
    ]


def test_a_number_between_graphs_is_narrow() -> None:
    """A single number is as high as the graphs beside it, and leaves them its width."""
    first, second = (graph(rate(BREADS), title=f"{n}") for n in range(2))

    assert _places(first, stat("a"), second) == [(0, 3, 10, 8), (10, 3, 4, 8), (14, 3, 10, 8)]


def test_no_panels_overlap() -> None:
    """Every cell of the grid belongs to one panel at most, and none lies outside."""
    cells: list[tuple[int, int]] = []
    for catalogue in (CATALOGUE, every_shape()):
        cells.clear()
        for panel in board(catalogue)["panels"]:
            at = panel["gridPos"]
            cells += [
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            ]

        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) == 23
