# SPDX-License-Identifier: Apache-2.0
"""What a check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is; only violations make the check fail."""

    VIOLATION = "violation"
    IMPROVEMENT = "improvement"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """
    One difference between the catalogue and what runs.

    ``about`` names the metric, panel or rule, ``seen`` says what is there, ``fix`` what to do.
    """

    level: Level
    check: str
    about: str
    seen: str
    fix: str


def some(names: Iterable[object], most: int = 5) -> str:
    """Return the first of *names*, sorted, and how many more there are."""
    listed = sorted(str(name) for name in names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
