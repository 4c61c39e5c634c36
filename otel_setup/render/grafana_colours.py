# SPDX-License-Identifier: Apache-2.0
"""
Colours that mean the same on every dashboard.

Errors are red, warnings orange, good ends green, what waits is yellow, quantiles have a family
of their own. The values of a label with a closed set (the states of an order) keep one colour
each wherever they are shown, and no two of a set have the same. All other series take
Grafana's palette in turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from otel_setup.catalogue.boards import Panel, Query
from otel_setup.catalogue.model import COMMON_LABELS
from otel_setup.catalogue.whole import Catalogue

LEVELS = {"good": "green", "warning": "orange", "critical": "red"}

_NAMES = {
    "3xx": "light-blue",
    "p50": "super-light-blue",
    "p90": "light-blue",
    "p95": "blue",
    "p99": "purple",
}
#: What words in a series' name mean (patterns of whole words); the first colour found decides.
_MEANINGS = {
    "red": r"""5xx 5\d\d errors? fail failed failures? fatal lost dead rejected refused dropped
        unroutable critical down""",
    "orange": r"""4xx 4\d\d warnings? retry retries retried redelivered late stuck cancell?ed
        blocked returned timeouts?""",
    "yellow": r"ready waiting waits queued pending unsent",
    "green": r"""2xx 2\d\d ok success successful succeeded acknowledged delivered done completed
        finished notified up good""",
}
#: For values without such a meaning: no red, orange, yellow or green among them.
_NEUTRAL = (
    "#5794F2",
    "#B877D9",
    "#33A2E5",
    "#E0A3C8",
    "#6ED0E0",
    "#8F6BC8",
    "#A3B8CC",
    "#C15C9B",
    "#3F6FB5",
    "#8C7A6B",
)
#: What a series is compared with, at the end of its name.
_LIMIT = re.compile(r"\b(max|maximum|most|limit|capacity|allowed|allowed for all|in all|cpus)$")
_LIMIT_COLOUR = "#8E8E8E"
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Override = dict[str, Any]


class Palette:
    """The colours of one catalogue's series."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._metrics = catalogue.metrics
        sets = [
            label.values
            for metric in catalogue.metrics.values()
            for label in metric.labels.values()
        ]
        self._fixed: dict[str, str] = {}
        for value in dict.fromkeys(value for values in sets for value in values if value):
            beside = {each for values in sets if value in values for each in values}
            taken = {self._fixed.get(each) for each in beside}
            choice = _shades(meaning(value)) or _NEUTRAL
            free = [colour for colour in choice if colour not in taken]
            self._fixed[value] = free[0] if free else choice[len(self._fixed) % len(choice)]

    def overrides(self, panel: Panel) -> list[Override]:
        """Return the fixed colours of those series of *panel* whose names are known."""
        found: dict[str, Override] = {}
        taken: set[str] = set()
        for query in panel.queries:
            for name, override in self._of(query, panel.shape, taken):
                found.setdefault(name, override)
        return list(found.values())

    def _of(self, query: Query, shape: str, taken: set[str]) -> Iterator[tuple[str, Override]]:
        legend = query.legend
        if shape == "timeseries" and _LIMIT.search(legend.lower()):
            yield legend, _limit(legend)
            return
        labels = set(_LABEL.findall(legend))
        # Who sent it is told apart by the legend; what it is, by the colour.
        telling = labels - COMMON_LABELS
        # A series that is named like a state has the state's colour.
        choice = _shades(meaning(legend) or self._fixed.get(legend, ""))
        if choice:
            colour = next((each for each in choice if each not in taken), choice[0])
            taken.add(colour)
            yield legend, _coloured(legend, colour)
        if len(telling) != 1:
            return
        (label,) = telling
        if label.endswith("status_code"):
            for digit in "5432":
                key = f"{digit}xx"
                yield key, _coloured(legend, meaning(key), {label: rf"{digit}\d\d"})
        for value in self._values(query, label):
            yield value, _coloured(legend, self._fixed[value], {label: re.escape(value)})

    def _values(self, query: Query, label: str) -> list[str]:
        """Return the closed set of the values of *label* on the metrics that *query* reads."""
        known = [metric for name, metric in self._metrics.items() if name in query.expr.metrics]
        sets = [metric.labels[label].values for metric in known if label in metric.labels]
        return list(dict.fromkeys(value for values in sets for value in values if value))


def meaning(name: str) -> str:
    """Return the colour that a word in *name* calls for; nothing if none does."""
    if "{{" in name:
        return ""
    if name in _NAMES:
        return _NAMES[name]
    words = re.sub(r"[_.\-]", " ", name.lower())
    for colour, patterns in _MEANINGS.items():
        if re.search(rf"\b({'|'.join(patterns.split())})\b", words):
            return colour
    return ""


def _shades(colour: str) -> Sequence[str]:
    """Return *colour* and its shades, for two series that mean the same side by side."""
    if colour not in _MEANINGS:
        return [colour] if colour else []
    return [colour, f"light-{colour}", f"dark-{colour}", f"super-light-{colour}"]


def _coloured(legend: str, colour: str, values: Mapping[str, str] | None = None) -> Override:
    """Return *colour* for the series with that *legend*; *values* are patterns for its labels."""
    return {
        "matcher": _matcher(legend, values or {}),
        "properties": [{"id": "color", "value": {"fixedColor": colour, "mode": "fixed"}}],
    }


def _matcher(legend: str, values: Mapping[str, str]) -> dict[str, str]:
    pattern = "".join(
        re.escape(part) if number % 2 == 0 else values.get(part, ".+")
        for number, part in enumerate(_LABEL.split(legend))
    )
    plain = re.sub(r"\\([^\w])", r"\1", pattern)
    if re.escape(plain) == pattern:
        return {"id": "byName", "options": plain}
    return {"id": "byRegexp", "options": f"/^{pattern}$/"}


def _limit(legend: str) -> Override:
    """Show a limit as a dashed grey line that is part of no stack."""
    override = _coloured(legend, _LIMIT_COLOUR)
    override["properties"] += [
        {"id": "custom.lineStyle", "value": {"dash": [8, 6], "fill": "dash"}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.stacking", "value": {"group": "A", "mode": "none"}},
    ]
    return override
