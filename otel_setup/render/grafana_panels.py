# SPDX-License-Identifier: Apache-2.0
"""One panel of the catalogue as Grafana's JSON: what is the same for all shapes of it."""

from __future__ import annotations

import re
from typing import Any

from otel_setup.catalogue.boards import Dashboard, Panel
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import reads
from otel_setup.render.grafana_colours import LEVELS, Palette
from otel_setup.render.grafana_links import links
from otel_setup.render.grafana_shapes import shaped
from otel_setup.render.grafana_targets import SOURCE, targets
from otel_setup.render.grafana_units import grafana_unit
from otel_setup.render.page import RenderError

#: The version whose options are written; without it Grafana takes panels for older ones.
PLUGIN_VERSION = "11.6.0"

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
#: What is older than now has an age above zero.
_AGE = re.compile(r"\btime\(\) - ")
_FALLS_BELOW_ZERO = re.compile(r" - |\b(deriv|delta|idelta|predict_linear)\(")
_FRACTION = re.compile(r" / |\bavg\b|\b(rate|quantile|histogram_quantile|histogram_avg)\(")

Json = dict[str, Any]


def panel_json(catalogue: Catalogue, palette: Palette, dashboard: Dashboard, panel: Panel) -> Json:
    """
    Return *panel* as it stands on *dashboard*, without its id and place.

    Raises:
        RenderError: its unit has no format in Grafana.
    """
    shape = shaped(panel)
    defaults = _defaults(panel)
    defaults["custom"] = shape.custom
    if shape.colour:
        defaults["color"] = shape.colour
    plain = panel.shape != "table" and not _by_threshold(panel)
    made = {
        "datasource": SOURCE,
        "description": _description(catalogue, panel),
        "fieldConfig": {
            "defaults": defaults,
            "overrides": (palette.overrides(panel) if plain else []) + shape.overrides,
        },
        "links": links(catalogue, dashboard, panel),
        "options": shape.options,
        "pluginVersion": PLUGIN_VERSION,
        "targets": targets(panel),
        "title": str(panel.title),
        "type": shape.type,
    }
    if shape.transformations:
        made["transformations"] = shape.transformations
    return made


def _by_threshold(panel: Panel) -> bool:
    """Tell whether the value decides the colour: numbers and bars that have thresholds."""
    return panel.shape != "timeseries" and bool(panel.thresholds)


def _defaults(panel: Panel) -> Json:
    try:
        unit = grafana_unit(panel.unit)
    except RenderError as error:
        raise RenderError(f"panel {panel.title!r}: {error}") from error
    defaults: Json = {"thresholds": _thresholds(panel), "unit": unit}
    texts = [_AGE.sub("", _STRING.sub('""', query.expr.text)) for query in panel.queries]
    if unit == "locale" and not any(map(_FRACTION.search, texts)):
        defaults["decimals"] = 0
    if not any(map(_FALLS_BELOW_ZERO.search, texts)):
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.may_be_empty:
        defaults["noValue"] = str(panel.may_be_empty)
    return defaults


def _thresholds(panel: Panel) -> Json:
    # Where reaching a value is good, everything below the first one is not.
    rising = any(threshold.level == "good" for threshold in panel.thresholds)
    base = {"color": LEVELS["critical" if rising else "good"], "value": None}
    steps = [
        {"color": LEVELS[threshold.level], "value": threshold.value}
        for threshold in sorted(panel.thresholds, key=lambda each: each.value)
    ]
    return {"mode": "absolute", "steps": [base, *steps]}


def _description(catalogue: Catalogue, panel: Panel) -> str:
    """Say why one looks here, what is read, and which questions it answers."""
    names = ", ".join(f"`{each.prometheus_name}`" for each in reads.metrics(catalogue, panel))
    parts = [str(reads.why(catalogue, panel))]
    parts += [f"Reads {names}."] if names else []
    parts += [f"Answers {', '.join(panel.rows)}."] if panel.rows else []
    return "\n\n".join(part for part in parts if part)
