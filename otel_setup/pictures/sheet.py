# SPDX-License-Identifier: Apache-2.0
"""One dashboard as one picture: its question, its sections, every panel in its place."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otel_setup.live.api import Line, Prometheus, side_by_side
from otel_setup.live.syntax import closed
from otel_setup.pictures import figures, graph
from otel_setup.pictures.boards import Cell, cells, named
from otel_setup.pictures.canvas import FAINT, Box, Canvas

WIDTH = 1500
_COLUMNS = 24
_ROW = 38
_GAP = 4
_TITLE = 30
#: A window of this length has enough samples for a rate, and follows a change within it.
_WINDOW = "1m"
_POINTS = 240


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown, in seconds since 1970."""

    start: float
    end: float

    @property
    def step(self) -> float:
        """The time between two points."""
        return max(5.0, round((self.end - self.start) / _POINTS))


def last(minutes: float) -> Span:
    """Return the span that ends now."""
    now = time.time()
    return Span(now - 60 * minutes, now)


def picture(prometheus: Prometheus, board: Mapping[str, Any], span: Span) -> bytes:
    """
    Return the dashboard *board*, Grafana's JSON, as a PNG with the data of *prometheus*.

    Raises:
        NotReachableError: Prometheus does not answer.
        RefusedError: it refuses a query.
    """
    placed = list(cells(board))
    answers = side_by_side(lambda cell: _ask(prometheus, cell, span), placed)
    bottom = max(cell.y + cell.h for cell in placed)
    canvas = Canvas(WIDTH, bottom * _ROW + 2 * _GAP)
    for cell, answer in zip(placed, answers, strict=True):
        _draw(canvas, cell, answer, span, str(board["title"]))
    return canvas.png()


def _ask(prometheus: Prometheus, cell: Cell, span: Span) -> list[list[Line]]:
    found = []
    for target in cell.targets:
        text = closed(target.expression, _WINDOW)
        if cell.kind == "timeseries":
            found.append(prometheus.query_range(text, span.start, span.end, span.step))
        else:
            found.append(
                [Line(each.labels, (span.end,), (each.value,)) for each in prometheus.query(text)]
            )
    return found


def _draw(canvas: Canvas, cell: Cell, answers: list[list[Line]], span: Span, title: str) -> None:
    column = (WIDTH - 2 * _GAP) / _COLUMNS
    box = Box(_GAP + cell.x * column, _GAP + cell.y * _ROW, cell.w * column, cell.h * _ROW).inside(
        _GAP, _GAP, _GAP, _GAP
    )
    if cell.kind == "text":
        canvas.write(title, box.x + 8, box.y + 18, size=20, bold=True)
        canvas.write(cell.title, box.x + 8, box.y + 44, size=14, colour=FAINT, most=box.w - 16)
        return
    if cell.kind == "row":
        canvas.write(f"▾  {cell.title}", box.x + 8, box.y + box.h / 2, size=14, bold=True)
        return
    canvas.box(box)
    canvas.write(cell.title, box.x + 10, box.y + 16, size=12.5, bold=True, most=box.w - 40)
    _content(canvas, cell, box.inside(0, _TITLE, 0, 6), answers, span)


def _content(canvas: Canvas, cell: Cell, box: Box, answers: list[list[Line]], span: Span) -> None:
    series = named(cell, answers)
    if not series:
        text = f"No data: {cell.no_value}" if cell.no_value else "No data"
        canvas.write(
            text,
            box.x + box.w / 2,
            box.y + box.h / 2,
            size=12,
            colour=FAINT,
            align="center",
            most=box.w - 16,
        )
    elif cell.kind == "timeseries":
        graph.draw(canvas, cell, box, series, (span.start, span.end, span.step))
    elif cell.kind == "stat":
        figures.numbers(canvas, cell, box, series)
    elif cell.kind == "bargauge":
        figures.bars(canvas, cell, box, series)
    else:
        figures.table(canvas, cell, box, series)
