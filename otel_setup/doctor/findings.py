# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is; only failures make the doctor's exit code 1."""

    OK = "ok"
    WARNING = "warn"
    FAILURE = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was looked at.

    ``check`` is its kind and stays the same between versions, ``about`` names the variable,
    library or address, ``seen`` says what is there, ``fix`` what to do.
    """

    level: Level
    check: str
    about: str
    seen: str
    fix: str = ""


def ok(check: str, about: str, seen: str) -> Finding:
    """Return that *about* is as it should be."""
    return Finding(Level.OK, check, about, seen)


def warning(check: str, about: str, seen: str, fix: str) -> Finding:
    """Return that *about* works, and is not what most people want."""
    return Finding(Level.WARNING, check, about, seen, fix)


def failure(check: str, about: str, seen: str, fix: str) -> Finding:
    """Return that *about* costs telemetry."""
    return Finding(Level.FAILURE, check, about, seen, fix)
