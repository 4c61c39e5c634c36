# SPDX-License-Identifier: Apache-2.0
"""Alerts that every user has and the company leaves out, tried as the company's are."""

from __future__ import annotations

from typing import Any

import pytest
import rule_cases
import yaml

from otel_setup.catalogue import services
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import rule_groups
from services_demo.catalogue.company import CATALOGUE
from tests.test_rules import always, never

MINE = Catalogue(title="Mine", components=services.components(), dashboards=services.DASHBOARDS)
FOLDER = rule_cases.FOLDER / "generic"
FILES = {
    path.name.removesuffix(".test.yml"): rule_cases.CaseFile(
        path.name.removesuffix(".test.yml"), yaml.safe_load(path.read_text())
    )
    for path in FOLDER.glob("*.test.yml")
}
#: Alert → its component, of those that no case of the company tries.
LEFT_OUT = {
    name: MINE.component_of(alert).name
    for name, alert in MINE.alerts.items()
    if name not in CATALOGUE.alerts
}


def rule(alert: str) -> dict[str, Any]:
    """Return the rule of *alert*."""
    rules: list[dict[str, Any]] = [
        each for group in rule_groups.groups(MINE)[LEFT_OUT[alert]] for each in group["rules"]
    ]
    return next(each for each in rules if each.get("alert") == alert)


def failed(alert: str, kind: str = "", **changes: Any) -> set[str]:
    """Return the cases of *alert* and this *kind* that fail when its rule has *changes*."""
    file = FILES[LEFT_OUT[alert]]
    cases = file.cases(f"{alert}: {kind}")
    return rule_cases.failed(LEFT_OUT[alert], file, [{**rule(alert), **changes}], cases)


def test_the_company_tells_a_failed_message_in_its_own_way() -> None:
    """It leaves no other alert of services out."""
    assert LEFT_OUT == {"MessageProcessingFails": "messaging"}


@pytest.mark.parametrize("alert", LEFT_OUT)
def test_every_alert_that_is_left_out_has_its_cases(alert: str) -> None:
    """All four, as the company's have."""
    file = FILES[LEFT_OUT[alert]]
    assert list(rule_cases.problems(MINE.alerts[alert], [file])) == []


@pytest.mark.stack
@pytest.mark.parametrize("alert", LEFT_OUT)
def test_every_case_holds(alert: str) -> None:
    """With the rule as it is."""
    assert failed(alert) == set()


@pytest.mark.stack
@pytest.mark.parametrize("alert", LEFT_OUT)
def test_the_cases_notice_a_broken_rule(alert: str) -> None:
    """One that never fires, and one that always does."""
    expr = rule(alert)["expr"]
    assert failed(alert, "fires", expr=never(expr))
    assert failed(alert, "near miss", expr=always(expr))
