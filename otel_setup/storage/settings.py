# SPDX-License-Identifier: Apache-2.0
"""What the scanner is told by its environment, checked before the first request."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from otel_setup import ConfigError

#: The class of keys that no prefix of the settings matches.
OTHER = "other"

#: What the labels of the catalogue allow.
MOST_BUCKETS, MOST_CLASSES = 50, 20

_ALL = "*"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_CLASS = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_WEEK = 7 * 86_400
_MOST_PAGES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSettings:
    """What is scanned, how often, and how gently."""

    #: URL of the storage; None for the one that botocore finds (AWS_ENDPOINT_URL_S3, or AWS).
    endpoint: str | None = None
    #: Names of buckets; empty for all that the storage shows.
    buckets: tuple[str, ...] = ()
    #: Seconds from the begin of one scan to that of the next.
    interval: float = 3600.0
    #: How many pages of a listing, of up to 1000 entries each, are asked for in a second.
    pages_per_second: float = 5.0
    #: Where progress and results outlive the process; None forgets them.
    state_file: Path | None = None
    #: Prefix of keys → its class.
    classes: Mapping[str, str] = field(default_factory=dict, hash=False)
    #: Bytes that the buckets may have together: the disk below them, or a budget.
    capacity: float | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ScanSettings:
        """
        Read the ``STORAGE_SCAN_*`` of *environ* (``os.environ`` when None).

        Raises:
            ConfigError: with every problem, each naming the variable, its value and the fix.
        """
        raw = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, parse in _VARIABLES.items():
            variable = f"STORAGE_SCAN_{name.upper()}"
            text = raw.get(variable, "").strip()
            if not text:
                continue
            try:
                values[name] = parse(text)
            except ValueError as rule:
                problems.append(f"{variable}={_without_password(text)!r}: {rule}.")
        if problems:
            raise ConfigError(problems)
        return cls(**values)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in their order, `OTHER` last."""
        return (*dict.fromkeys(self.classes.values()), OTHER)

    def classify(self) -> Callable[[str], str]:
        """Return what tells the class of a key: that of the longest prefix that it begins with."""
        longest = sorted(self.classes.items(), key=lambda each: -len(each[0]))

        def class_of(key: str) -> str:
            for prefix, name in longest:
                if key.startswith(prefix):
                    return name
            return OTHER

        return class_of


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        right = False
    if not right:
        raise ValueError("expected a URL such as http://127.0.0.1:7070")
    return text


def _buckets(text: str) -> tuple[str, ...]:
    if text == _ALL:
        return ()
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    wrong = [name for name in names if not _BUCKET.fullmatch(name)]
    if wrong or not names:
        raise ValueError("expected names of buckets with commas, or * for all")
    if len(names) > MOST_BUCKETS:
        raise ValueError(f"expected at most {MOST_BUCKETS} buckets; start a second scanner")
    return names


def _classes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in (each.strip() for each in text.split(",") if each.strip()):
        name, _, prefix = part.partition("=")
        if not prefix or not _CLASS.fullmatch(name):
            raise ValueError(
                f"{part!r} is no class; expected name=prefix with commas, such as "
                "models=models/,drafts=tmp/, names in lower case"
            )
        if name == OTHER:
            raise ValueError(f"the class {OTHER!r} is what no prefix matches; expected another")
        if found.setdefault(prefix, name) != name:
            raise ValueError(f"prefix {prefix!r} is in two classes; expected one")
    if len(set(found.values())) >= MOST_CLASSES:
        raise ValueError(f"expected at most {MOST_CLASSES - 1} classes beside {OTHER!r}")
    return found


def _number(least: float, most: float, what: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"expected {what} from {least:g} to {most:g}")
        return value

    return parse


def _without_password(text: str) -> str:
    return "***@" + text.rsplit("@", 1)[-1] if "@" in text else text


#: Field → how its variable is read.
_VARIABLES: Mapping[str, Callable[[str], object]] = {
    "endpoint": _endpoint,
    "buckets": _buckets,
    "interval": _number(1, _WEEK, "seconds"),
    "pages_per_second": _number(0.01, _MOST_PAGES, "pages"),
    "state_file": Path,
    "classes": _classes,
    "capacity": _number(1, 1e18, "bytes"),
}
