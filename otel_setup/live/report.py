# SPDX-License-Identifier: Apache-2.0
"""Findings for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from otel_setup.live.findings import Finding, Level


def table(findings: Iterable[Finding], compared: Mapping[str, int]) -> str:
    """Return *findings*, the worst first, with a line that counts them and what was compared."""
    ordered = sorted(findings, key=lambda each: (list(Level).index(each.level), *_key(each)))
    lines = []
    for level in Level:
        there = [each for each in ordered if each.level is level]
        if there:
            lines.append(f"{level.upper()} ({len(there)})")
            width = max(len(each.about) for each in there)
            width = min(width, 44)
            for each in there:
                lines += [
                    f"  {each.check:<9} {each.about:<{width}}  {each.seen}",
                    f"  {'':<9} {'':<{width}}  → {each.fix}",
                ]
            lines.append("")
    what = ", ".join(f"{number} {name}" for name, number in compared.items())
    counts = Counter(each.level for each in ordered)
    found = ", ".join(f"{counts[level]} {_plural(level, counts[level])}" for level in Level)
    return "\n".join([*lines, f"compared: {what}", f"found: {found}"])


def machine(findings: Iterable[Finding], compared: Mapping[str, int]) -> str:
    """Return the same as JSON."""
    return json.dumps(
        {"compared": dict(compared), "findings": [asdict(each) for each in findings]},
        indent=2,
        ensure_ascii=False,
    )


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.check, finding.about, finding.seen


def _plural(level: Level, number: int) -> str:
    if level is Level.INFORMATION:
        return "for information"
    return str(level) if number == 1 else f"{level}s"
