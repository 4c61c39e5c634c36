# SPDX-License-Identifier: Apache-2.0
"""A panel over time: lines or a stack, its limits, its axis, and a legend with last and max."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from otel_setup.live.api import Line
from otel_setup.pictures.boards import Cell, Series
from otel_setup.pictures.canvas import FAINT, GRID, PANEL, TEXT, Box, Canvas
from otel_setup.pictures.numbers import shown, ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 16
_LEGEND_AT_MOST = 5
#: Where names begin, and how far the columns are apart.
_NAME, _BETWEEN = 26, 16
_AXIS_LEFT, _AXIS_BELOW = 70, 22
_ROOM_ABOVE = 1.08
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120)


def draw(
    canvas: Canvas, cell: Cell, box: Box, series: list[Series], span: tuple[float, float, float]
) -> None:
    """Draw *series* into *box*; *span* is first and last second and the step between points."""
    ordered = sorted(series, key=lambda each: -_greatest(each.line))
    rows = _legend_rows(cell, ordered)
    legend = (len(rows) + 1) * _ROW if rows else 0
    plot = box.inside(_AXIS_LEFT, 4, 10, _AXIS_BELOW + legend)
    axes = canvas.axes(plot)
    _frame(axes, cell, span)
    top = _lines(axes, cell, series, span[2])
    _scale(axes, cell, series, top)
    if rows:
        _legend(
            canvas,
            cell,
            Box(box.x, plot.y + plot.h + _AXIS_BELOW, box.w, legend),
            rows,
            len(ordered),
        )


def points(line: Line, step: float) -> tuple[list[float], list[float]]:
    """Return times and values of *line* with a break wherever a value is missing."""
    times: list[float] = []
    values: list[float] = []
    for when, value in zip(line.times, line.values, strict=True):
        if times and when - times[-1] > 1.5 * step:
            times.append(times[-1] + step)
            values.append(math.nan)
        times.append(when)
        values.append(value if math.isfinite(value) else math.nan)
    return times, values


def _frame(axes: Axes, cell: Cell, span: tuple[float, float, float]) -> None:
    axes.set_facecolor(PANEL)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=FAINT, pad=3)
    axes.set_xlim(span[0], span[1])
    minutes = next((each for each in _MINUTES if (span[1] - span[0]) / 60 / each <= 6), 240)  # noqa: PLR2004
    margin = (span[1] - span[0]) / 30  # room for the first and the last mark
    first = math.ceil((span[0] + margin) / 60 / minutes) * 60 * minutes
    whole = [float(tick) for tick in range(first, int(span[1] - margin), 60 * minutes)]
    axes.set_xticks(whole, [time.strftime("%H:%M", time.gmtime(each)) for each in whole])
    if label := cell.axis or _long(cell.unit):
        axes.set_ylabel(label, fontsize=8, color=FAINT, labelpad=2)


def _long(unit: str) -> str:
    """Return the words of a unit that is too long to stand at every mark of the axis."""
    return unit.removeprefix("suffix:") if unit.startswith("suffix:") else ""


def _short(unit: str) -> str:
    """Return the unit to write at numbers beside an axis that names the long one."""
    return "locale" if _long(unit) else unit


def _lines(axes: Axes, cell: Cell, series: list[Series], step: float) -> float:
    """Draw the series and return how high they reach."""
    height: dict[float, float] = {}
    top = 0.0
    for each in series:
        times, values = points(each.line, step)
        if cell.stacked and not each.dashed:
            below = [height.get(when, 0.0) for when in times]
            values = [low + value for low, value in zip(below, values, strict=True)]
            height |= {w: v for w, v in zip(times, values, strict=True) if not math.isnan(v)}
            axes.fill_between(times, below, values, color=each.colour, alpha=0.45, linewidth=0)
        elif len(series) <= _LEGEND_AT_MOST and not each.dashed:
            axes.fill_between(times, values, color=each.colour, alpha=cell.fill, linewidth=0)
        style = (0, (5, 4)) if each.dashed else "solid"
        axes.plot(times, values, color=each.colour, linewidth=1.3, linestyle=style)
        top = max([top, *(value for value in values if not math.isnan(value))])
    return top


def _scale(axes: Axes, cell: Cell, series: list[Series], top: float) -> None:
    lowest = min(
        (value for each in series for value in each.line.values if math.isfinite(value)), default=0
    )
    bottom = cell.least if cell.least is not None else min(0.0, lowest * _ROOM_ABOVE)
    axes.set_ylim(bottom, _highest(cell, top))
    highest = axes.get_ylim()[1]
    marks = ticks(bottom, highest, cell.unit, whole=cell.decimals == 0)
    axes.set_yticks(marks, [shown(mark, _short(cell.unit)) for mark in marks])
    if cell.limits:
        for start, colour in cell.steps:
            if bottom < start <= highest:
                axes.axhline(start, color=colour, linewidth=1.1, linestyle=(0, (6, 4)))


def _highest(cell: Cell, top: float) -> float:
    if cell.most is not None:
        return cell.most
    # Where there is nothing yet, the limit tells what would be much.
    limits = [start for start, _ in cell.steps if cell.limits and math.isfinite(start)]
    return (top or max(limits, default=0) or 1) * _ROOM_ABOVE


def _legend_rows(cell: Cell, ordered: list[Series]) -> list[Series]:
    return ordered[:_LEGEND_AT_MOST] if cell.legend and ordered else []


def _legend(canvas: Canvas, cell: Cell, box: Box, rows: list[Series], count: int) -> None:
    unit = _short(cell.unit)
    columns = (
        ["max", *(shown(_greatest(each.line), unit, cell.decimals) for each in rows)],
        ["last", *(shown(each.last, unit, cell.decimals) for each in rows)],
    )
    right = box.x + box.w - 12
    for texts in columns:
        for place, text in enumerate(texts):
            y, colour = box.y + _ROW * (place + 0.5), TEXT if place else FAINT
            canvas.write(text, right, y, size=11, colour=colour, align="right")
        right -= _BETWEEN + max(canvas.width_of(text, 11) for text in texts)
    if count > len(rows):
        more = f"and {count - len(rows)} more"
        canvas.write(more, box.x + _NAME, box.y + _ROW / 2, size=11, colour=FAINT)
    for place, each in enumerate(rows, start=1):
        y = box.y + _ROW * (place + 0.5)
        canvas.box(Box(box.x + 10, y - 2, 11, 3), each.colour, each.colour)
        canvas.write(each.name, box.x + _NAME, y, size=11, most=right - box.x - _NAME)


def _greatest(line: Line) -> float:
    return max((value for value in line.values if math.isfinite(value)), default=math.nan)
