# SPDX-License-Identifier: Apache-2.0
"""
The types of the metric catalogue.

They hold data and check it when they are made; they know nothing of
OpenTelemetry, so that documents and rules can be rendered without it.
Naming follows the OpenTelemetry metric semantic conventions: dots between
namespaces, no unit in the name, the unit in UCUM (``s``, ``By``, ``{order}``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Explicit histogram bounds in seconds of the HTTP and messaging semantic conventions.
SEMCONV_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

#: The same, continued to an hour: for work that people wait for (pricing, time in a queue).
SECONDS_TO_AN_HOUR = (*SEMCONV_SECONDS, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")

#: Spelled-out units and the suffixes that Prometheus adds for them: none belongs into a name.
_UNIT_SUFFIXES = ("seconds", "milliseconds", "bytes", "total", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """
    One metric: what it is called, what it counts, and why anybody looks at it.

    ``attributes`` maps each label to its meaning together with what bounds its values;
    an attribute that is not listed must not be recorded.

    Raises:
        ValueError: a name, unit or text that breaks the rules; the message names the entry.
    """

    name: str
    unit: str
    description: str
    why: str
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"metric name {self.name!r}: expected lower-case words joined by dots, "
                "such as 'shop.orders.created'."
            )
        if self.name.replace("_", ".").rsplit(".", 1)[-1] in _UNIT_SUFFIXES:
            raise ValueError(
                f"metric name {self.name!r}: the unit does not belong into the name. "
                f"Say it in unit= (here {self.unit!r}); Prometheus adds its suffix."
            )
        for label in ("unit", "description", "why"):
            if not getattr(self, label).strip():
                raise ValueError(f"metric {self.name!r}: {label} is empty. Say it in one sentence.")
        for key, meaning in self.attributes.items():
            if not meaning.strip():
                raise ValueError(
                    f"metric {self.name!r}, attribute {key!r}: its meaning is empty. "
                    "Say what it means and what bounds its values."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Metric):
    """A total that only grows, such as orders created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpDownCounter(Metric):
    """A sum that rises and falls by known steps, such as requests in progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge(Metric):
    """A value that is read when it is asked for, such as the length of a list in a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Metric):
    """A distribution; ``buckets`` are upper bounds in the metric's unit, rising."""

    buckets: tuple[float, ...] = SEMCONV_SECONDS

    def __post_init__(self) -> None:
        # No zero-argument super(): a slotted dataclass is a new class, which breaks it on 3.11.
        Metric.__post_init__(self)
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(
                f"metric {self.name!r}: buckets={self.buckets!r}: expected rising upper bounds."
            )
