# SPDX-License-Identifier: Apache-2.0
"""
Grafana's dashboards from the catalogue: one JSON file for each, for Grafana 11 and later.

The same catalogue gives the same bytes. Ids follow the order of reading, the uid is the slug,
so that links hold wherever the files are provisioned.
"""

from __future__ import annotations

import json
import re
from typing import Any

from otel_setup.catalogue.boards import Dashboard, Variable
from otel_setup.catalogue.model import Histogram, prometheus_label
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render.grafana_colours import LEVELS, Palette
from otel_setup.render.grafana_panels import PLUGIN_VERSION, panel_json
from otel_setup.render.grafana_targets import SOURCE
from otel_setup.render.grid import COLUMNS, Place, placed
from otel_setup.render.page import MARK

#: Of Grafana 11.6; newer ones read it and know what has changed since.
_SCHEMA = 41

_QUESTION_HEIGHT = 2

Json = dict[str, Any]


def pages(catalogue: Catalogue) -> dict[str, str]:
    """
    Return every dashboard of *catalogue*: path below the output folder → its JSON.

    Raises:
        RenderError: a panel has a unit that Grafana cannot show.
    """
    palette = Palette(catalogue)
    return {
        f"grafana/dashboards/{dashboard.slug}.json": json.dumps(
            _dashboard(catalogue, palette, dashboard), indent=2, sort_keys=True, ensure_ascii=False
        )
        + "\n"
        for dashboard in catalogue.dashboards
    }


def _dashboard(catalogue: Catalogue, palette: Palette, dashboard: Dashboard) -> Json:
    tag = re.sub(r"[^a-z0-9]+", "-", catalogue.title.lower()).strip("-")
    return {
        "annotations": {"list": [_built_in(), _alerts(catalogue, dashboard)]},
        "description": f"{dashboard.asks}\n\n{MARK}.",
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [_all_dashboards(tag)],
        "liveNow": False,
        "panels": _panels(catalogue, palette, dashboard),
        "refresh": "10s",
        "schemaVersion": _SCHEMA,
        "tags": [tag],
        "templating": {"list": [_source(), *map(_variable, dashboard.variables)]},
        "time": {"from": "now-30m", "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "timezone": "browser",
        "title": str(dashboard.title),
        "uid": dashboard.slug,
        "weekStart": "",
    }


def _panels(catalogue: Catalogue, palette: Palette, dashboard: Dashboard) -> list[Json]:
    made = [_question(dashboard) | _at(Place(0, 0, COLUMNS, _QUESTION_HEIGHT))]
    top = _QUESTION_HEIGHT
    for section in dashboard.sections:
        row = {"collapsed": False, "panels": [], "title": str(section.title), "type": "row"}
        made.append(row | _at(Place(0, top, COLUMNS, 1)))
        top += 1
        for panel, place in placed(section.panels, top):
            made.append(panel_json(catalogue, palette, dashboard, panel) | _at(place))
        top = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in made)
    return [panel | {"id": number} for number, panel in enumerate(made, start=1)]


def _at(place: Place) -> Json:
    return {"gridPos": place.json()}


def _question(dashboard: Dashboard) -> Json:
    """Put the question of the dashboard above everything else."""
    return {
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {"content": f"### {dashboard.asks}", "mode": "markdown"},
        "pluginVersion": PLUGIN_VERSION,
        "title": "",
        "transparent": True,
        "type": "text",
    }


def _source() -> Json:
    return {
        "current": {"text": "Prometheus", "value": "prometheus"},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def _variable(variable: Variable) -> Json:
    # A histogram has no series of its own name; the shortest list is that of its counts.
    parts = isinstance(variable.metric, Histogram)
    series = f"{variable.metric.prometheus_name}{'_count' if parts else ''}"
    values = f"label_values({series}, {prometheus_label(variable.label)})"
    return {
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "hide": 0,
        "includeAll": True,
        "label": variable.name.replace("_", " ").capitalize(),
        "multi": True,
        "name": variable.name,
        "options": [],
        "query": {"qryType": 1, "query": values, "refId": "PrometheusVariableQueryEditor"},
        # With the range of time: what was there an hour ago can be chosen for that hour.
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _all_dashboards(tag: str) -> Json:
    return {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": False,
        "keepTime": True,
        "tags": [tag],
        "targetBlank": False,
        "title": "Dashboards",
        "tooltip": "All dashboards, with the same range of time",
        "type": "dashboards",
        "url": "",
    }


def _built_in() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _alerts(catalogue: Catalogue, dashboard: Dashboard) -> Json:
    """Mark on the graphs when alerts fired: those that lead here, or all if none does."""
    # What is for machines, such as the alert that always fires, would mark every moment.
    told = [each for each in catalogue.alerts.values() if each.severity != "info"]
    names = [each.name for each in told if each.dashboard == dashboard.slug]
    only = f'alertname=~"{"|".join(names)}"' if names else 'severity!="info"'
    return {
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": LEVELS["critical"],
        "name": "Alerts",
        "tagKeys": "severity,team",
        "target": {
            "editorMode": "code",
            "expr": f'ALERTS{{alertstate="firing", {only}}}',
            "interval": "10s",
            "refId": "Alerts",
        },
        "textFormat": "{{component}}: {{severity}}",
        "titleFormat": "{{alertname}}",
        "useValueForTime": False,
    }
