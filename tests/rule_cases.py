# SPDX-License-Identifier: Apache-2.0
"""The cases of promtool in tests/rules: what they must hold, and what promtool says of them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import built
import yaml

from otel_setup.catalogue.alerting import Alert

FOLDER = Path(__file__).parent / "rules"
RULES = Path(__file__).parents[1] / "docker" / "prometheus" / "rules"

#: What every alert is put through, and in the end must not do.
CASES = ("fires", "near miss", "restart", "gap")

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}

Case = dict[str, Any]
#: Second → the alerts that are expected then.
Looks = dict[float, list[dict[str, Any]]]


@dataclass(frozen=True)
class CaseFile:
    """One file of cases. A component has several where they need other intervals."""

    name: str
    text: dict[str, Any]

    @property
    def step(self) -> float:
        """How often the rules are evaluated, in seconds."""
        return seconds(self.text.get("evaluation_interval", "1m"))

    def cases(self, start: str = "") -> list[Case]:
        """Return the cases whose names begin with *start*."""
        every: list[Case] = self.text.get("tests", [])
        return [case for case in every if case.get("name", "").startswith(start)]


def files(components: Collection[str]) -> dict[str, list[CaseFile]]:
    """
    Return the files of each of *components*: <component>.test.yml, <component>_….test.yml.

    A file that belongs to none is listed under its own name.
    """
    found: dict[str, list[CaseFile]] = {component: [] for component in components}
    for path in sorted(FOLDER.glob("*.test.yml")):
        name = path.name.removesuffix(".test.yml")
        owners = [each for each in components if f"{name}_".startswith(f"{each}_")]
        owner = max(owners, key=len, default=name)
        found.setdefault(owner, []).append(CaseFile(name, yaml.safe_load(path.read_text())))
    return found


def seconds(duration: str | float) -> float:
    """Return how many seconds a *duration* of Prometheus has."""
    parts = re.findall(r"([0-9]+)(ms|[smhdwy])", str(duration))
    return float(sum(int(number) * _SECONDS[unit] for number, unit in parts))


def looks(case: Case, alert: str) -> Looks:
    """Return when a *case* looks at *alert*, and what it expects to see."""
    return {
        seconds(look["eval_time"]): look.get("exp_alerts") or []
        for look in case.get("alert_rule_test", [])
        if look["alertname"] == alert
    }


def problems(alert: Alert, files: Collection[CaseFile]) -> Iterator[str]:
    """Yield what the cases of *alert* lack."""
    # What reads no metric fires always: it has no data that could be near, broken or missing.
    for kind in CASES if alert.expr.metrics else CASES[:1]:
        start = f"{alert.name}: {kind}"
        found = [(case, file.step) for file in files for case in file.cases(start)]
        if not found:
            yield f"{alert.name}: there is no case '{start} …'."
        for case, _ in found:
            yield from _case(alert, kind, case)
        exact = any(_is_exact(looks(case, alert.name), step) for case, step in found)
        if kind == "fires" and found and alert.expr.metrics and not exact:
            yield (
                f"{alert.name}: no case '{start} …' has a look that sees nothing, and one that "
                f"sees the alert one evaluation later, after it lasted {alert.lasts or '0s'}."
            )


def _is_exact(seen: Looks, step: float) -> bool:
    """Tell whether a shorter or longer ``for`` would be noticed."""
    return any(alerts and seen.get(when - step) == [] for when, alerts in seen.items())


def _case(alert: Alert, kind: str, case: Case) -> Iterator[str]:
    seen = looks(case, alert.name)
    if not seen:
        yield f"{case['name']}: it never looks at the alert."
    if alert.expr.metrics and not case.get("input_series"):
        yield f"{case['name']}: it has no data."
    if kind == "near miss" and any(seen.values()):
        yield f"{case['name']}: a near miss is silent, and it expects an alert."
    if kind == "fires" and not any(seen.values()):
        yield f"{case['name']}: it expects no alert."
    for fired in (each for found in seen.values() for each in found):
        lacks = {"summary", "description", "runbook_url"} - set(fired.get("exp_annotations", {}))
        if lacks:
            yield f"{case['name']}: exp_annotations lacks {', '.join(sorted(lacks))}."


def labels(alert: str, files: Collection[CaseFile]) -> set[str]:
    """Return the names of the labels with which *alert* is expected to fire."""
    return {
        name
        for file in files
        for case in file.cases(f"{alert}: fires")
        for fired in looks(case, alert).values()
        for each in fired
        for name in each.get("exp_labels", {})
    }


def failed(
    component: str, file: CaseFile, rules: list[dict[str, Any]], cases: list[Case]
) -> set[str]:
    """Return the names of those of the *file*'s *cases* that fail with these *rules*."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        own, test, report = (folder / each for each in ("rules.yml", "test.yml", "report.xml"))
        own.write_text(json.dumps({"groups": [{"name": component, "rules": rules}]}))
        changed = {
            **file.text,
            "tests": cases,
            "rule_files": [
                str(own if Path(each).stem == component else (FOLDER / each).resolve())
                for each in file.text["rule_files"]
            ],
        }
        test.write_text(json.dumps(changed))
        ended = built.run("promtool", "test", "rules", f"--junit={report}", test)
        found = ET.parse(report).iter("testcase")  # noqa: S314 - written by promtool just now
        names = {each.attrib["name"] for each in found if each.find("failure") is not None}
    assert (ended.returncode == 0) == (not names), ended.stdout + ended.stderr
    return names
