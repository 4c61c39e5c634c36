# SPDX-License-Identifier: Apache-2.0
"""What is said of cases that prove nothing, on an alert of a bakery."""

from __future__ import annotations

import dataclasses
from copy import deepcopy
from typing import Any

import pytest
import rule_cases
import sample_catalogue as sample
import yaml
from rule_cases import CaseFile

from otel_setup.catalogue.promql import written

_GOOD: dict[str, Any] = yaml.safe_load("""\
evaluation_interval: 5s
tests:
  - name: "OvenIsCold: fires when the fire goes out"
    input_series: [&cold {series: 'oven_heat_ratio{oven="a"}', values: '0.1x60'}]
    alert_rule_test:
      - {eval_time: 1m55s, alertname: OvenIsCold}
      - eval_time: 2m
        alertname: OvenIsCold
        exp_alerts:
          - exp_labels: {oven: a, severity: critical}
            exp_annotations: {summary: s, description: d, runbook_url: r}
  - name: "OvenIsCold: near miss, warm enough"
    input_series: [*cold]
    alert_rule_test: [&silent {eval_time: 5m, alertname: OvenIsCold}]
  - name: "OvenIsCold: restart"
    input_series: [*cold]
    alert_rule_test: [*silent]
  - name: "OvenIsCold: gap"
    input_series: [*cold]
    alert_rule_test: [*silent]
""")


def said(**changes: Any) -> list[str]:
    """Return what is said of the good cases when each is given *changes*."""
    cases = deepcopy(_GOOD)
    cases["tests"] = [{**case, **changes} for case in cases["tests"]]
    return list(rule_cases.problems(sample.COLD, [CaseFile("oven", cases)]))


def test_good_cases_are_good() -> None:
    """Nothing is said of them."""
    assert said() == []


def test_every_kind_of_case_is_asked_for() -> None:
    """All four, by the name of the alert."""
    assert list(rule_cases.problems(sample.COLD, [])) == [
        f"OvenIsCold: there is no case 'OvenIsCold: {kind} …'."
        for kind in ("fires", "near miss", "restart", "gap")
    ]


def test_an_alert_that_reads_nothing_only_has_to_fire() -> None:
    """A heartbeat has no data that could be missing."""
    beat = dataclasses.replace(sample.COLD, expr=written("vector(1)", "1"))
    only = {"tests": _GOOD["tests"][:1]}
    assert list(rule_cases.problems(beat, [CaseFile("oven", only)])) == []


def test_a_case_has_to_look() -> None:
    """At the alert whose name it bears."""
    other = [{"eval_time": "1m", "alertname": "BakingIsSlow"}]
    assert "OvenIsCold: gap: it never looks at the alert." in said(alert_rule_test=other)


def test_a_case_has_to_have_data() -> None:
    """Without any, every alert is silent."""
    assert "OvenIsCold: restart: it has no data." in said(input_series=[])


def test_a_near_miss_is_silent() -> None:
    """It proves the bound."""
    looks = _GOOD["tests"][0]["alert_rule_test"]
    assert said(alert_rule_test=looks) == [
        "OvenIsCold: near miss, warm enough: a near miss is silent, and it expects an alert."
    ]


@pytest.mark.parametrize("before", ["1m50s", "2m5s", "0s"])
def test_an_alert_fires_to_the_evaluation(before: str) -> None:
    """A look two evaluations before would not notice a shorter duration."""
    looks = deepcopy(_GOOD["tests"][0]["alert_rule_test"])
    looks[0]["eval_time"] = before
    cases = {**_GOOD, "tests": [{**_GOOD["tests"][0], "alert_rule_test": looks}]}
    assert next(iter(rule_cases.problems(sample.COLD, [CaseFile("oven", cases)]))) == (
        "OvenIsCold: no case 'OvenIsCold: fires …' has a look that sees nothing, and one that sees "
        "the alert one evaluation later, after it lasted 2m."
    )


def test_one_exact_case_is_enough() -> None:
    """Another may look where it likes, but has to see the alert."""
    first = _GOOD["tests"][0]
    second = {**first, "alert_rule_test": first["alert_rule_test"][1:]}
    third = {**first, "alert_rule_test": first["alert_rule_test"][:1], "name": "OvenIsCold: fires?"}
    good = [CaseFile("oven", {**_GOOD, "tests": [*_GOOD["tests"], second]})]
    bad = [CaseFile("oven", {**_GOOD, "tests": [*_GOOD["tests"], third]})]
    assert list(rule_cases.problems(sample.COLD, good)) == []
    assert list(rule_cases.problems(sample.COLD, bad)) == [
        "OvenIsCold: fires?: it expects no alert."
    ]


def test_what_a_person_reads_is_compared() -> None:
    """Summary, description and the link to the runbook."""
    looks = deepcopy(_GOOD["tests"][0]["alert_rule_test"])
    looks[1]["exp_alerts"] = [{"exp_annotations": {"summary": "s"}}]
    cases = {**_GOOD, "tests": [{**_GOOD["tests"][0], "alert_rule_test": looks}]}
    assert next(iter(rule_cases.problems(sample.COLD, [CaseFile("oven", cases)]))) == (
        "OvenIsCold: fires when the fire goes out: exp_annotations lacks description, runbook_url."
    )


def test_labels_are_those_of_the_firing_alert() -> None:
    """They are what a cause and its consequence are compared by."""
    assert rule_cases.labels("OvenIsCold", [CaseFile("oven", _GOOD)]) == {"oven", "severity"}


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("5s", 5), ("1m30s", 90), ("1h", 3600), ("250ms", 0.25), ("0s", 0), (0, 0)],
)
def test_durations_are_read(duration: str | float, expected: float) -> None:
    """The way Prometheus writes them."""
    assert rule_cases.seconds(duration) == expected
