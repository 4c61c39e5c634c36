# SPDX-License-Identifier: Apache-2.0
"""The rules of a catalogue as data: what their files hold, and what a live check looks for."""

from __future__ import annotations

from typing import Any

from otel_setup.catalogue import burning
from otel_setup.catalogue.alerting import Alert, Recording
from otel_setup.catalogue.whole import Catalogue, Component
from otel_setup.render.promql import folded

#: The component of the objectives.
SLO = "slo"

#: How often urgent alerts are evaluated. From a failure to its notification there are at most
#: two seconds, and of those the export, the Collector and Prometheus take less than one.
URGENT_INTERVAL = "500ms"

#: The label by which routes of Alertmanager know an urgent alert, and its value.
URGENCY = ("urgency", "now")


def groups(catalogue: Catalogue) -> dict[str, list[dict[str, Any]]]:
    """
    Return the rule groups of each component that has rules, as Prometheus reads them.

    Urgent alerts have a group of their own: one that is evaluated often delays no other.
    """
    made = {component.name: _groups(catalogue, component) for component in catalogue.components}
    if catalogue.slos:
        own = [rule for group in made.get(SLO, []) for rule in group["rules"]]
        computed = [_objective(rule) for each in catalogue.slos for rule in burning.rules(each)]
        made[SLO] = [
            {"name": SLO, "interval": f"{burning.EVERY}s", "rules": [*computed, *own]},
        ]
    return {name: found for name, found in made.items() if found}


def _groups(catalogue: Catalogue, component: Component) -> list[dict[str, Any]]:
    recordings = [_recording(each) for each in component.recordings]
    urgent, others = (
        [_alert(catalogue, component, each) for each in component.alerts if each.urgent is wanted]
        for wanted in (True, False)
    )
    found = [
        {"name": f"{component.name}-urgent", "interval": URGENT_INTERVAL, "rules": urgent},
        {"name": component.name, "rules": [*recordings, *others]},
    ]
    return [group for group in found if group["rules"]]


def _recording(recording: Recording) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": recording.name, "expr": folded(recording.expr.text)}
    if recording.adds:
        rule["labels"] = dict(recording.adds)
    return rule


def _objective(rule: burning.Rule) -> dict[str, Any]:
    return {"record": rule.name, "expr": folded(rule.expr.text), "labels": dict(rule.labels)}


def _alert(catalogue: Catalogue, component: Component, alert: Alert) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": alert.name, "expr": folded(alert.expr.text)}
    if not alert.is_instant:
        rule["for"] = alert.lasts
    if alert.keep_firing:
        rule["keep_firing_for"] = alert.keep_firing
    rule["labels"] = labels(component, alert)
    rule["annotations"] = _annotations(catalogue, alert)
    return rule


def labels(component: Component, alert: Alert) -> dict[str, str]:
    """Return the labels that the rule of *alert* adds; the values may be templates."""
    return {
        "severity": alert.severity,
        "team": component.owner,
        "component": component.name,
        **(dict([URGENCY]) if alert.urgent else {}),
        **alert.labels,
    }


def _annotations(catalogue: Catalogue, alert: Alert) -> dict[str, str]:
    annotations = {
        "summary": alert.summary,
        "description": alert.description,
        "runbook_url": catalogue.runbook_of(alert.name),
    }
    if alert.dashboard:
        annotations["dashboard_url"] = catalogue.board_at(alert.dashboard)
    if alert.exemplars:
        annotations["exemplars"] = alert.exemplars
    return annotations
