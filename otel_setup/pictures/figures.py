# SPDX-License-Identifier: Apache-2.0
"""Panels of the present moment: numbers, bars, tables."""

from __future__ import annotations

import math
from string import ascii_uppercase

from otel_setup.pictures.boards import Cell, Series, threshold_colour
from otel_setup.pictures.canvas import BORDER, FAINT, TEXT, Align, Box, Canvas
from otel_setup.pictures.numbers import shown

_ROW = 22
_BAR = 14
_BAR_ROW = 28
#: A number beside others needs this much room for its name.
_NARROW = 90


def numbers(canvas: Canvas, cell: Cell, box: Box, series: list[Series]) -> None:
    """Write each series as a large number, side by side, or as a list if there are many."""
    width = box.w / len(series)
    many = len(series) > 1
    if many and width < _NARROW:
        _list(canvas, cell, box, series)
        return
    for place, each in enumerate(series):
        middle = box.x + width * (place + 0.5)
        text = shown(each.last, cell.unit, cell.decimals)
        size = min(34, box.h * 0.5, 34 * (width - 12) / max(canvas.width_of(text, 34), 1))
        canvas.write(
            text,
            middle,
            box.y + box.h * (0.6 if many else 0.5),
            size=size,
            colour=_colour(cell, each),
            align="center",
            bold=True,
        )
        if many:
            canvas.write(
                each.name, middle, box.y + box.h * 0.16, size=11, align="center", most=width - 8
            )


def _list(canvas: Canvas, cell: Cell, box: Box, series: list[Series]) -> None:
    fits = max(1, int(box.h // _ROW))
    for place, each in enumerate(series[:fits]):
        y = box.y + _ROW * (place + 0.5)
        text = shown(each.last, cell.unit, cell.decimals)
        right = box.x + box.w - 12
        canvas.write(text, right, y, size=13, colour=_colour(cell, each), align="right", bold=True)
        canvas.write(each.name, box.x + 12, y, size=11, most=box.w - 70)
    _more(canvas, box, len(series) - fits)


def bars(canvas: Canvas, cell: Cell, box: Box, series: list[Series]) -> None:
    """Draw each series as a bar, the largest first as far as there is room."""
    ordered = sorted(series, key=lambda each: _number(each.last), reverse=True)
    fits = max(1, int(box.h // _BAR_ROW))
    left = min(box.w * 0.45, 20 + max(canvas.width_of(each.name, 11) for each in ordered))
    room = box.w - left - 86
    top = cell.most or max((_number(each.last) for each in ordered), default=0) or 1
    for place, each in enumerate(ordered[:fits]):
        y = box.y + _BAR_ROW * (place + 0.5)
        colour = _colour(cell, each)
        canvas.write(each.name, box.x + left - 8, y, size=11, align="right", most=left - 16)
        canvas.box(Box(box.x + left, y - _BAR / 2, room, _BAR), "#22252B", "#22252B")
        share = min(1.0, _number(each.last) / top)
        canvas.box(Box(box.x + left, y - _BAR / 2, room * share, _BAR), colour, colour)
        text = shown(each.last, cell.unit, cell.decimals)
        canvas.write(text, box.x + box.w - 8, y, size=12, colour=colour, align="right")
    _more(canvas, box, len(ordered) - fits)


def table(canvas: Canvas, cell: Cell, box: Box, series: list[Series]) -> None:
    """Write a line for each set of labels, with a column for each label and each query."""
    labels = list(dict.fromkeys(label for each in series for label in each.line.labels))
    lines: dict[tuple[str, ...], dict[int, float]] = {}
    for each in series:
        key = tuple(each.line.labels.get(label, "") for label in labels)
        lines.setdefault(key, {})[each.query] = each.last
    ordered = sorted(lines.items(), key=lambda line: -max(map(_number, line[1].values())))
    fits = max(1, int(box.h // _ROW) - 1)
    rows = [[(text, FAINT) for text in (*labels, *_value_heads(cell))]]
    for key, values in ordered[:fits]:
        numbers = [_written(cell, values.get(query)) for query in range(len(cell.targets))]
        rows.append([*((text, TEXT) for text in key), *numbers])
    widths = _widths(canvas, box.w, rows)
    for place, row in enumerate(rows):
        y = box.y + _ROW * (place + 0.5)
        if place:
            canvas.box(Box(box.x + 6, y - _ROW / 2, box.w - 12, 0.5), BORDER, BORDER)
        left = box.x
        for column, ((text, colour), width) in enumerate(zip(row, widths, strict=True)):
            number = column >= len(labels)
            x = left + (width - 12 if number else 12)
            align: Align = "right" if number else "left"
            canvas.write(text, x, y, size=11, colour=colour, align=align, most=width - 14)
            left += width
    _more(canvas, box, len(ordered) - fits)


def _written(cell: Cell, value: float | None) -> tuple[str, str]:
    """Return the text of a number and its colour."""
    if value is None:
        return "", TEXT
    colour = threshold_colour(cell, value) if cell.by_threshold else TEXT
    return shown(value, cell.unit, cell.decimals), colour


def _widths(canvas: Canvas, room: float, rows: list[list[tuple[str, str]]]) -> list[float]:
    """Give each column what its longest text needs; what is left or lacks is shared."""
    needed = [
        24 + max(canvas.width_of(text, 11) for text, _ in column)
        for column in zip(*rows, strict=True)
    ]
    return [width * room / sum(needed) for width in needed]


def _value_heads(cell: Cell) -> list[str]:
    if len(cell.targets) == 1:
        return [cell.columns.get("Value", "Value")]
    return [
        cell.columns.get(f"Value #{letter}", letter)
        for letter, _ in zip(ascii_uppercase, cell.targets, strict=False)
    ]


def _more(canvas: Canvas, box: Box, count: int) -> None:
    if count > 0:
        canvas.write(
            f"and {count} more",
            box.x + box.w - 8,
            box.y + box.h - 2,
            size=10,
            colour=FAINT,
            align="right",
        )


def _colour(cell: Cell, series: Series) -> str:
    return threshold_colour(cell, series.last) if cell.by_threshold else series.colour


def _number(value: float) -> float:
    return value if math.isfinite(value) else 0.0
