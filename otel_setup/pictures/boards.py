# SPDX-License-Identifier: Apache-2.0
"""What a picture needs of Grafana's JSON, and the names and colours of its series."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from otel_setup.live.api import Line

#: The shades of Grafana's dark theme, from the lightest to the darkest.
_SHADES = {
    "red": ("#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A"),
    "orange": ("#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400"),
    "yellow": ("#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400"),
    "green": ("#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D"),
    "blue": ("#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4"),
    "purple": ("#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8"),
}
_COLOURS = {"text": "#D5D7DE"} | {
    f"{shade}{name}": colour
    for name, colours in _SHADES.items()
    for shade, colour in zip(
        ("super-light-", "light-", "", "semi-dark-", "dark-"), colours, strict=True
    )
}
#: Grafana's classic palette: series without a colour of their own take it in turn.
_PALETTE = (
    *("#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#9A8AC8"),
    *("#37872D", "#FADE2A", "#447EBC", "#C15C17", "#E02F44", "#6ED0E0", "#E5A8E2", "#96D98D"),
)
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line, number or bar: its name, its colour and its points."""

    name: str
    colour: str
    line: Line
    dashed: bool = False
    query: int = 0

    @property
    def last(self) -> float:
        """Its newest value."""
        return self.line.values[-1] if self.line.values else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One panel and its place on the grid."""

    kind: Literal["timeseries", "stat", "bargauge", "table", "row", "text"]
    title: str
    x: int
    y: int
    w: int
    h: int
    targets: tuple[Target, ...] = ()
    unit: str = ""
    decimals: int | None = None
    least: float | None = None
    most: float | None = None
    stacked: bool = False
    fill: float = 0.08
    legend: bool = True
    axis: str = ""
    no_value: str = ""
    steps: tuple[tuple[float, str], ...] = ()
    limits: bool = False
    fixed: str = ""
    by_threshold: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[Mapping[str, Any], ...] = ()


def cells(board: Mapping[str, Any]) -> Iterator[Cell]:
    """Yield the panels of the dashboard *board*, which is Grafana's JSON."""
    for panel in board["panels"]:
        yield _cell(panel)


def _cell(panel: Mapping[str, Any]) -> Cell:
    at = panel["gridPos"]
    config = panel.get("fieldConfig", {})
    defaults, options = config.get("defaults", {}), panel.get("options", {})
    custom, colour = defaults.get("custom", {}), defaults.get("color") or {}
    renamed = [each["options"].get("renameByName", {}) for each in panel.get("transformations", [])]
    return Cell(
        kind=panel["type"],
        title=panel.get("title", "") or options.get("content", "").lstrip("# "),
        **{key: int(at[key]) for key in "xywh"},
        targets=tuple(
            Target(each["expr"], each.get("legendFormat", "")) for each in panel.get("targets", ())
        ),
        unit=defaults.get("unit", ""),
        decimals=defaults.get("decimals"),
        least=defaults.get("min"),
        most=defaults.get("max"),
        stacked=custom.get("stacking", {}).get("mode") == "normal",
        fill=custom.get("fillOpacity", 8) / 100,
        legend=options.get("legend", {}).get("showLegend", True),
        axis=custom.get("axisLabel", ""),
        no_value=defaults.get("noValue", ""),
        steps=tuple(
            (float("-inf") if step["value"] is None else float(step["value"]), _hex(step["color"]))
            for step in defaults.get("thresholds", {}).get("steps", ())
        ),
        limits=custom.get("thresholdsStyle", {}).get("mode", "off") != "off",
        fixed=_hex(colour["fixedColor"]) if "fixedColor" in colour else "",
        by_threshold=colour.get("mode") == "thresholds",
        columns={key: name for each in renamed for key, name in each.items()},
        overrides=tuple(config.get("overrides", ())),
    )


def named(cell: Cell, answers: list[list[Line]]) -> list[Series]:
    """Return the series of all *answers* to the targets of *cell*, named and coloured."""
    found: list[Series] = []
    for number, (target, lines) in enumerate(zip(cell.targets, answers, strict=True)):
        for line in lines:
            name = _name(cell, target, line)
            colour, dashed = _own(cell, name)
            palette = _PALETTE[len(found) % len(_PALETTE)]
            found.append(Series(name, colour or cell.fixed or palette, line, dashed, number))
    return found


def threshold_colour(cell: Cell, value: float) -> str:
    """Return the colour of the highest step that *value* has reached."""
    reached = [colour for start, colour in cell.steps if value >= start]
    return reached[-1] if reached else _COLOURS["text"]


def _name(cell: Cell, target: Target, line: Line) -> str:
    if target.legend not in {"", "__auto"}:
        return _LABEL.sub(lambda match: line.labels.get(match[1], ""), target.legend)
    values = list(line.labels.values())
    if not values:
        return cell.title
    if len(values) == 1:
        return values[0]
    return ", ".join(f"{key}={value}" for key, value in line.labels.items())


def _own(cell: Cell, name: str) -> tuple[str, bool]:
    """Return the colour that an override gives to the series *name*, and whether it is dashed."""
    for override in cell.overrides:
        matcher, wanted = override["matcher"]["id"], override["matcher"]["options"]
        fits = (matcher == "byName" and wanted == name) or (
            matcher == "byRegexp" and re.search(wanted.strip("/"), name)
        )
        if fits:
            given = {each["id"]: each["value"] for each in override["properties"]}
            if "color" in given:
                return _hex(given["color"]["fixedColor"]), "custom.lineStyle" in given
    return "", False


def _hex(colour: str) -> str:
    return _COLOURS.get(colour, colour)
