# SPDX-License-Identifier: Apache-2.0
"""
Names as Prometheus' own OTLP endpoint makes them.

A dashboard must not care which way a metric came. So this follows, rule by rule, the
translator that Prometheus uses for OTLP (github.com/prometheus/otlptranslator, strategy
UnderscoreEscapingWithSuffixes); a test pushes and scrapes the same metrics and compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "1": "",
    "%": "percent",
}
_PER = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_NO_WORD = re.compile(r"[^a-zA-Z0-9:]+")
_NO_LETTER = re.compile(r"[^a-zA-Z0-9]+")


def metric_name(name: str, unit: str, *, counter: bool = False, gauge: bool = False) -> str:
    """Return what Prometheus calls the metric *name*; empty when nothing of it can stay."""
    words = [word for word in _NO_WORD.split(name) if word]
    main, per = _suffixes(unit)
    words += [part for part in (main, per) if part and part not in words]
    if counter:
        words = [*(word for word in words if word != "total"), "total"]
    # A count divided by a count says ratio only when it is a gauge.
    if gauge and unit == "1":
        words = [*(word for word in words if word != "ratio"), "ratio"]
    joined = "_".join(words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def unit_name(unit: str) -> str:
    """Return the spelled-out *unit*, such as ``bytes_per_second``; empty for an annotation."""
    return "_".join(part for part in _suffixes(unit) if part)


def label_name(attribute: str) -> str:
    """Return what Prometheus calls the label of *attribute*; empty when it can have none."""
    label = _NO_LETTER.sub("_", attribute)
    if label[:1].isdigit():
        label = f"key_{label}"
    elif label.startswith("_"):
        label = f"key{label}"
    # Names that begin with two underscores are Prometheus' own.
    return "" if attribute.startswith("__") or not _NO_LETTER.sub("", attribute) else label


def labels(attributes: Iterable[tuple[str, object]]) -> dict[str, str]:
    """
    Return *attributes* as labels, sorted by name.

    Values of attributes that become one label are joined by a semicolon. A label without a
    value is the same as none, so it is left out.
    """
    found: dict[str, str] = {}
    for attribute, value in sorted(attributes, key=lambda pair: pair[0]):
        name, shown = label_name(attribute), label_value(value)
        if name and shown:
            found[name] = f"{found[name]};{shown}" if name in found else shown
    return dict(sorted(found.items()))


def label_value(value: object) -> str:
    """Return *value* as text that is valid in UTF-8."""
    if not isinstance(value, str):
        value = _as_text(value)
    # A lone surrogate comes from a broken name of a file or header, and would end the page.
    return value.encode("utf-8", "replace").decode()


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple | bool):
        return json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:  # noqa: PLR2004 - JSON's own rule
        return str(int(value))
    return str(value)


def _suffixes(unit: str) -> tuple[str, str]:
    main, _, per = unit.partition("/")
    below = _spelled(per, _PER)
    return _spelled(main, _UNITS), f"per_{below}" if below else ""


def _spelled(unit: str, known: Mapping[str, str]) -> str:
    unit = unit.strip()
    if "{" in unit or "}" in unit:
        return ""
    return _NO_WORD.sub("_", known.get(unit, unit)).strip("_")
