# SPDX-License-Identifier: Apache-2.0
"""
Every alert and every recording of the company, tried by Prometheus' own test program.

The cases stand in tests/rules. That they can fail is shown by breaking each rule in turn.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import built
import pytest
import rule_cases

from otel_setup.render import rule_groups, rules
from services_demo.catalogue.company import CATALOGUE

Rule = dict[str, Any]
#: The rules of each component, whatever groups they are in.
RULES: dict[str, list[Rule]] = {
    component: [rule for group in groups for rule in group["rules"]]
    for component, groups in rule_groups.groups(CATALOGUE).items()
}
FILES = rule_cases.files(RULES)

#: What promtool is started with: see `rule_cases.failed`.
Runs = list[tuple[str, rule_cases.CaseFile, list[Rule], list[rule_cases.Case]]]


def alerts(component: str) -> list[Rule]:
    """Return the alert rules of *component*."""
    return [rule for rule in RULES[component] if "alert" in rule]


def recorded(component: str) -> set[str]:
    """Return the names of what *component* records."""
    return {rule["record"] for rule in RULES[component] if "record" in rule}


@pytest.mark.parametrize("component", RULES)
def test_every_alert_has_its_cases(component: str) -> None:
    """It fires to the second; just below it is silent; a restart and a gap do not fool it."""
    assert [
        problem
        for alert in alerts(component)
        for problem in rule_cases.problems(CATALOGUE.alerts[alert["alert"]], FILES[component])
    ] == []


@pytest.mark.parametrize("component", RULES)
def test_every_recording_has_a_case(component: str) -> None:
    """Its value is compared with one that was worked out by hand."""
    tried = {
        name
        for name in recorded(component)
        for file in FILES[component]
        for case in file.cases(f"{name}: ")
        if any(name in look["expr"] for look in case.get("promql_expr_test", []))
    }
    assert tried == recorded(component)


@pytest.mark.parametrize("component", RULES)
def test_every_case_belongs_to_a_rule(component: str) -> None:
    """A case of a rule that is gone goes too, and names are not given twice."""
    known = {alert["alert"] for alert in alerts(component)} | recorded(component)
    names = [case.get("name", "") for file in FILES[component] for case in file.cases()]
    assert [name for name in names if name.split(": ", 1)[0] not in known] == []
    assert len(names) == len(set(names))


def test_every_file_of_cases_belongs_to_a_component() -> None:
    """And each tries the rules of its own component."""
    assert set(FILES) == set(RULES)
    assert [
        file.name
        for component, files in FILES.items()
        for file in files
        if f"../../docker/prometheus/rules/{component}.yml" not in file.text["rule_files"]
    ] == []


def test_labels_that_are_compared_are_there() -> None:
    """An alert that lacks a label which its cause has would never be held back."""
    seen = {
        alert["alert"]: rule_cases.labels(alert["alert"], FILES[component])
        for component in RULES
        for alert in alerts(component)
    }
    assert [
        (alert.name, cause, label)
        for alert in CATALOGUE.alerts.values()
        for cause in alert.inhibited_by
        for label in alert.inhibited_on
        if not {label} <= seen[alert.name] & seen[cause]
    ] == []


def test_the_files_are_those_of_the_catalogue() -> None:
    """What is tried is what Prometheus gets."""
    files = {path.stem: path.read_text() for path in rule_cases.RULES.glob("*.yml")}
    assert files == {Path(name).stem: text for name, text in rules.pages(CATALOGUE).items()}


@pytest.mark.stack
def test_prometheus_accepts_every_rule() -> None:
    """Without one complaint."""
    files = sorted(rule_cases.RULES.glob("*.yml"))
    found = built.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.count("SUCCESS") == len(files) == len(RULES)


@pytest.mark.stack
@pytest.mark.parametrize("component", RULES)
def test_every_case_holds(component: str) -> None:
    """With the rules as they are."""
    for file in FILES[component]:
        path = rule_cases.FOLDER / f"{file.name}.test.yml"
        found = built.run("promtool", "test", "rules", path)
        assert (found.returncode, found.stdout + found.stderr) == (0, "  SUCCESS\n\n")


# Each rule is broken, and its cases must notice.


_BOUND = re.compile(r"(>=|<=|==|!=|>|<) (-?[0-9][0-9.e+-]*)(?![0-9a-z.])")


def never(expr: str) -> str:
    """Return a condition that is never true."""
    return f"({expr}) and on () (vector(0) > 1)"


def always(expr: str) -> str:
    """Return *expr* with every bound so wide that all data are beyond it, and no exception."""
    head, *_exception = re.split(r"\sunless\s", expr, maxsplit=1)
    if head.count("(") == head.count(")"):
        expr = head
    return _BOUND.sub(lambda it: "<= Inf" if "<" in it[1] else ">= -Inf", expr)


def read_by(expr: str, component: str) -> list[Rule]:
    """Return the recordings of *component* that *expr* reads, in their order."""
    found: list[Rule] = []
    for rule in reversed(RULES[component]):
        reading = " ".join([expr, *(each["expr"] for each in found)])
        if "record" in rule and rule["record"] in reading:
            found.insert(0, rule)
    return found


def unnoticed(changes: dict[str, Rule], kind: str) -> list[str]:
    """Return the alerts of which no case of *kind* fails when their rules are changed."""
    runs = [
        (
            component,
            file,
            [*read_by(rule["expr"], component), {**rule, **changes[rule["alert"]]}],
            file.cases(f"{rule['alert']}: {kind}"),
        )
        for component in RULES
        for rule in alerts(component)
        for file in FILES[component]
        if rule["alert"] in changes
    ]
    failed = all_failed(runs)
    return [
        alert
        for alert in changes
        if not any(name.startswith(f"{alert}: {kind}") for name in failed)
    ]


def all_failed(runs: Runs) -> set[str]:
    """Return the names of the cases that fail in *runs*."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        every = pool.map(lambda run: rule_cases.failed(*run), [run for run in runs if run[3]])
        return set().union(*every)


def every_alert() -> dict[str, Rule]:
    """Return the rules of all alerts by their names."""
    return {rule["alert"]: rule for component in RULES for rule in alerts(component)}


@pytest.mark.stack
def test_an_alert_that_never_fires_is_noticed() -> None:
    """By the case in which it has to."""
    changes = {name: {"expr": never(rule["expr"])} for name, rule in every_alert().items()}
    assert unnoticed(changes, "fires") == []


@pytest.mark.stack
def test_an_alert_without_its_bound_is_noticed() -> None:
    """By a near miss: it has data that only the bound, the exception or the duration holds back."""
    at_once = {"for": "0s", "keep_firing_for": "0s"}
    changes = {
        name: {"expr": always(rule["expr"]), **at_once}
        for name, rule in every_alert().items()
        if always(rule["expr"]) != rule["expr"]
    }
    assert unnoticed(changes, "near miss") == []


@pytest.mark.stack
def test_an_alert_that_ends_too_early_is_noticed() -> None:
    """Where it is to keep firing after its condition."""
    changes: dict[str, Rule] = {
        name: {"keep_firing_for": "0s"}
        for name, rule in every_alert().items()
        if "keep_firing_for" in rule
    }
    assert unnoticed(changes, "") == []


@pytest.mark.stack
def test_a_broken_recording_is_noticed() -> None:
    """A rule that records another value fails the case of its name."""
    runs = [
        (
            component,
            file,
            [{**rule, "expr": f"({rule['expr']}) * 2 + 1"} for rule in read_by(name, component)],
            file.cases(f"{name}: "),
        )
        for component in RULES
        for name in sorted(recorded(component))
        for file in FILES[component]
    ]
    failed = all_failed(runs)
    every = set[str]().union(*map(recorded, RULES))
    assert [
        record
        for record in sorted(every)
        if not any(name.startswith(f"{record}: ") for name in failed)
    ] == []
