# SPDX-License-Identifier: Apache-2.0
"""
Where panels stand: 24 columns, as many rows as needed, four panels beside each other at most.

A graph is eight rows high, so that two lines of graphs fit on the screen of a laptop.
Only a line of numbers is half as high.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from otel_setup.catalogue.boards import Panel

COLUMNS = 24
GRAPH = 8
STAT = 4

_BESIDE = 4
#: A single number beside graphs is narrow, but not so that its title is cut off.
_NARROW = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where one panel stands, in columns and rows from the upper left corner."""

    x: int
    y: int
    w: int
    h: int

    def json(self) -> dict[str, int]:
        """Return it as Grafana writes it."""
        return {"h": self.h, "w": self.w, "x": self.x, "y": self.y}


def placed(panels: Iterable[Panel], top: int) -> Iterator[tuple[Panel, Place]]:
    """Yield each of *panels* with its place; the first line begins at row *top*."""
    for line in _lines(panels):
        height = STAT if _only_stats(line) else GRAPH
        left = 0
        for panel, width in zip(line, _widths(line), strict=True):
            yield panel, Place(left, top, width, height)
            left += width
        top += height


def _lines(panels: Iterable[Panel]) -> Iterator[tuple[Panel, ...]]:
    """
    Split *panels* into lines: one if they fit, otherwise several of much the same length.

    There, numbers in a row have a line of their own.
    """
    panels = list(panels)
    if len(panels) <= _BESIDE:
        yield from _even(panels)
        return
    rest: list[Panel] = []
    for is_stat, group in groupby(panels, key=lambda panel: panel.shape == "stat"):
        run = list(group)
        if is_stat and len(run) > 1:
            yield from _even(rest)
            yield from _even(run)
            rest = []
        else:
            rest += run
    yield from _even(rest)


def _even(panels: list[Panel]) -> Iterator[tuple[Panel, ...]]:
    count = -(-len(panels) // _BESIDE)
    for number in range(count):
        start = number * len(panels) // count
        yield tuple(panels[start : (number + 1) * len(panels) // count])


def _widths(line: tuple[Panel, ...]) -> list[int]:
    """Share the columns among the panels of a *line*, none left over."""
    narrow = [not _only_stats(line) and panel.shape == "stat" for panel in line]
    wide, left = narrow.count(False), COLUMNS - _NARROW * narrow.count(True)
    edges = [round(left * number / wide) for number in range(wide + 1)]
    widths = iter([right - left for left, right in pairwise(edges)])
    return [_NARROW if each else next(widths) for each in narrow]


def _only_stats(line: tuple[Panel, ...]) -> bool:
    return all(panel.shape == "stat" for panel in line)
