# SPDX-License-Identifier: Apache-2.0
"""Show an examination: to a person in 100 columns, and to a program as JSON."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from otel_setup._status import State
from otel_setup.doctor.examine import Examination
from otel_setup.doctor.findings import Finding, Level

_COLUMNS = 100
#: Grows when something that was there is called or means something else.
_VERSION = 1


def text(result: Examination, *, everything: bool = False) -> str:
    """Return *result* for people; defaults and libraries that are not there with *everything*."""
    versions = ", ".join(f"{name} {found or '?'}" for name, found in result.versions.items())
    return "\n".join(
        [
            versions,
            "",
            *_settings(result, everything=everything),
            *_exports(result),
            *_instrumentations(result, everything=everything),
            *(line for each in result.findings for line in _finding(each)),
            "",
            _sum(result),
        ]
    )


def machine(result: Examination) -> str:
    """Return *result* as one JSON object; docs/doctor.md describes it."""
    return json.dumps(
        {
            "version": _VERSION,
            "healthy": result.healthy,
            "versions": result.versions,
            "settings": [asdict(each) for each in result.settings],
            "exports": [asdict(each) for each in result.exports],
            "instrumentations": [asdict(each) for each in result.instrumentations],
            "findings": [{**asdict(each), "level": each.level.lower()} for each in result.findings],
            "sent": asdict(result.sent) if result.sent else None,
        },
        indent=2,
        ensure_ascii=False,
    )


def _settings(result: Examination, *, everything: bool) -> list[str]:
    shown = [each for each in result.settings if everything or each.source != "default"]
    hidden = len(result.settings) - len(shown)
    more = f" ({hidden} more have their default)" if hidden else ""
    return _table(f"settings{more}", [(each.name, each.value, each.source) for each in shown])


def _exports(result: Examination) -> list[str]:
    return _table("exports", [(each.signal, each.exporter, each.to) for each in result.exports])


def _instrumentations(result: Examination, *, everything: bool) -> list[str]:
    shown = [
        each
        for each in result.instrumentations
        if everything or each.state is not State.NOT_INSTALLED
    ]
    hidden = [each.name for each in result.instrumentations if each not in shown]
    more = f" (library not installed: {', '.join(hidden)})" if hidden else ""
    rows = [(each.name, f"{each.library} {each.found}".strip(), _what(each)) for each in shown]
    return _table(f"instrumentations{more}", rows)


def _what(each: object) -> str:
    state, reason = getattr(each, "state", ""), getattr(each, "reason", "")
    return str(reason) if state in {State.WAITS, State.INSTRUMENTED} else f"{state}: {reason}"


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = textwrap.wrap(title, _COLUMNS, subsequent_indent="  ")
    widths = (
        [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    )
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines += _wrapped(f"  {cells.rstrip()}", 4)
    return [*lines, ""]


def _finding(each: Finding) -> list[str]:
    about = f"{each.about}: " if each.about and each.about not in each.seen else ""
    lines = _wrapped(f"{each.level:<5} {about}{each.seen}", 6)
    return lines + (_wrapped(f"      fix: {each.fix}", 11) if each.fix else [])


def _wrapped(line: str, indent: int) -> list[str]:
    if len(line) <= _COLUMNS:
        return [line]
    start = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.strip(),
        _COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sum(result: Examination) -> str:
    counts = Counter(each.level for each in result.findings)
    took = f"; sent and looked for in {result.sent.seconds:g} s" if result.sent else ""
    if not counts[Level.FAILURE] and not counts[Level.WARNING]:
        return f"healthy{took}"
    parts = [
        f"{count} {word if count == 1 else word + 's'}"
        for level, word in ((Level.FAILURE, "problem"), (Level.WARNING, "warning"))
        if (count := counts[level])
    ]
    return f"{'healthy: ' if result.healthy else ''}{', '.join(parts)}{took}"
