# SPDX-License-Identifier: Apache-2.0
"""Does Prometheus evaluate just the rules of the catalogue, and without errors?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_setup.live.findings import Finding, Level
from otel_setup.live.observe import Loaded, Parsed, Seen
from otel_setup.live.syntax import normal

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
#: So much of an expression is shown.
_SHOWN = 120
_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
#: What tells apart rules that record under one name or alert under one.
Key = tuple[str, str, frozenset[tuple[str, str]]]


def check(expected: Iterable[Mapping[str, Any]], seen: Seen) -> Iterator[Finding]:
    """Yield rules that are missing, changed, failing or of nobody; *expected* as in rule files."""
    wanted = {_key(rule): rule for rule in map(as_loaded, expected)}
    loaded = {_key(rule): rule for rule in seen.rules}
    for key, rule in wanted.items():
        if key not in loaded:
            yield _finding(rule, "is not loaded", "put its file where Prometheus reads rules")
        else:
            yield from _changed(rule, loaded[key], seen)
    for key, rule in loaded.items():
        if key not in wanted:
            yield _finding(
                rule, f"is loaded from {rule.file} and not in the catalogue", "add or remove it"
            )
        yield from _health(rule)


def as_loaded(rule: Mapping[str, Any]) -> Loaded:
    """Return a rule of a rule file as Prometheus would tell it."""
    alert = "alert" in rule
    return Loaded(
        kind="alerting" if alert else "recording",
        name=str(rule["alert"] if alert else rule["record"]),
        expression=str(rule["expr"]),
        labels=dict(rule.get("labels", {})),
        annotations=dict(rule.get("annotations", {})),
        lasts=_seconds(rule.get("for", "0s")),
        keeps=_seconds(rule.get("keep_firing_for", "0s")),
    )


def _changed(rule: Loaded, loaded: Loaded, seen: Seen) -> Iterator[Finding]:
    differs = [
        name
        for name, said, there in (
            ("for", rule.lasts, loaded.lasts),
            ("keep_firing_for", rule.keeps, loaded.keeps),
            ("labels", dict(rule.labels), dict(loaded.labels)),
            ("annotations", _texts(rule), _texts(loaded)),
        )
        if said != there
    ]
    # Prometheus writes expressions its own way: only their trees can be compared.
    said, there = (seen.parsed.get(each.expression, Parsed()) for each in (rule, loaded))
    if normal(said.tree) != normal(there.tree):
        differs.insert(0, "expr")
    if differs:
        yield _finding(
            loaded,
            f"is loaded with another {', '.join(differs)}: {_short(loaded.expression)}",
            "render again and let Prometheus reload",
        )


def _short(expression: str) -> str:
    cut = len(expression) > _SHOWN
    return f"{expression[:_SHOWN]}…" if cut else expression


def _texts(rule: Loaded) -> dict[str, str]:
    # Addresses differ between installations of one catalogue.
    return {key: text for key, text in rule.annotations.items() if not key.endswith("_url")}


def _health(rule: Loaded) -> Iterator[Finding]:
    if rule.error or rule.health == "err":
        yield _finding(rule, f"fails: {rule.error or rule.health}", f"mend {rule.expression}")
    elif rule.health != "ok":
        yield _finding(
            rule, "was not evaluated yet", "wait for one evaluation interval", Level.INFORMATION
        )


def _key(rule: Loaded) -> Key:
    # Two recordings of one name differ in labels; an alert's labels may differ by mistake.
    labels = frozenset(rule.labels.items()) if rule.kind == "recording" else frozenset()
    return rule.kind, rule.name, labels


def _seconds(duration: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))


def _finding(rule: Loaded, saw: str, fix: str, level: Level = Level.VIOLATION) -> Finding:
    return Finding(level, "rules", rule.name, saw, fix)
