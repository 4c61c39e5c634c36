# SPDX-License-Identifier: Apache-2.0
"""
The types of the metric catalogue: texts, labels and metrics.

They hold data and check it when they are made; they know nothing of
OpenTelemetry, so that documents and rules can be rendered without it.
Names with dots follow the OpenTelemetry metric semantic conventions: no unit in the name,
the unit in UCUM (``s``, ``By``, ``{order}``). Names without dots are what a program that
speaks Prometheus exposes, as it writes them; names with colons are recorded by rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Self

#: Explicit histogram bounds in seconds of the HTTP and messaging semantic conventions.
SEMCONV_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

#: The same, continued to an hour: for work that people wait for (pricing, time in a queue).
SECONDS_TO_AN_HOUR = (*SEMCONV_SECONDS, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

_OTEL_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_PROMETHEUS_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RECORDED_NAME = re.compile(r"[a-z][a-z0-9_]*(:[a-z0-9_]+)+")

#: Spelled-out units and the suffixes that Prometheus adds for them: none belongs into a name.
_UNIT_SUFFIXES = ("seconds", "milliseconds", "bytes", "total", "ratio")

#: UCUM → the suffix of the Prometheus name; braces are annotations and add none.
_SUFFIXES = {
    "s": "seconds",
    "By": "bytes",
    "1": "ratio",
    "%": "percent",
    "By/s": "bytes_per_second",
}

#: Labels that every series may have: who sent it, and through what.
COMMON_LABELS = frozenset(
    {
        "job",
        "instance",
        "service_version",
        "deployment_environment_name",
        "otel_scope_name",
        "otel_scope_version",
        "otel_scope_schema_url",
    }
)


class Text(str):
    """
    An English text that also knows its Russian; a plain ``str`` is a text without one.

    Documents in Russian fall back to English where ``ru`` is empty.
    """

    __slots__ = ("ru",)
    ru: str

    def __new__(cls, en: str, ru: str = "") -> Self:
        """Return the text *en*, whose ``ru`` is *ru*."""
        text = super().__new__(cls, en)
        text.ru = ru
        return text


class Source(StrEnum):
    """Who makes a metric."""

    OURS = "own code"
    SEMCONV = "own code, name of the semantic conventions"
    BROKER = "RabbitMQ's Prometheus plugin"
    RECEIVER = "a receiver of the Collector"
    EXPORTER = "a program that Prometheus scrapes"
    RULES = "a rule of Prometheus"


class Method(StrEnum):
    """The question of a known method that a metric answers."""

    RATE = "RED: rate"
    ERRORS = "RED: errors"
    DURATION = "RED: duration"
    UTILIZATION = "USE: utilization"
    SATURATION = "USE: saturation"
    USE_ERRORS = "USE: errors"
    LATENCY = "golden signal: latency"
    TRAFFIC = "golden signal: traffic"
    GOLDEN_ERRORS = "golden signal: errors"
    GOLDEN_SATURATION = "golden signal: saturation"
    BUSINESS = "business"
    CONTEXT = "context: explains the others"


@dataclass(frozen=True, slots=True)
class Label:
    """
    What one label means, and what bounds the number of its values.

    Give ``values`` when the set is closed, otherwise ``at_most``: how many values one
    deployment may reach before something is wrong.

    Raises:
        ValueError: the meaning is empty, or nothing bounds the values.
    """

    meaning: str
    values: tuple[str, ...] = ()
    at_most: int = 0

    def __post_init__(self) -> None:
        if not self.meaning.strip():
            raise ValueError("a label's meaning is empty. Say what it means.")
        if bool(self.values) == bool(self.at_most):
            raise ValueError(
                f"label {self.meaning!r}: expected either values=(…), a closed set, or at_most=, "
                "the number of values that it may reach."
            )

    @property
    def bound(self) -> int:
        """How many values there may be."""
        return len(self.values) or self.at_most


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """
    One metric: what it is called, what it counts, and why anybody looks at it.

    ``attributes`` maps each label to its meaning and bound; an attribute that is not listed
    must not be recorded. ``rows`` are the questions of the catalogue that it helps to answer.
    ``shown_on`` is the slug of a dashboard on which the metric makes a panel by itself. A
    metric that no panel shows says why in ``no_panel``, one that no alert watches in
    ``no_alert``. ``rare`` says why it may be absent from a healthy system.

    Raises:
        ValueError: a name, unit or text that breaks the rules; the message names the entry.
    """

    name: str
    unit: str
    description: str
    why: str
    attributes: Mapping[str, Label] = field(default_factory=dict, hash=False)
    method: Method = Method.CONTEXT
    rows: tuple[str, ...] = ()
    shown_on: str = ""
    no_panel: str = ""
    no_alert: str = ""
    rare: str = ""

    kind: ClassVar[str] = "metric"

    def __post_init__(self) -> None:
        self._check_name()
        for label in ("unit", "description", "why"):
            if not getattr(self, label).strip():
                raise ValueError(f"metric {self.name!r}: {label} is empty. Say it in one sentence.")

    def _check_name(self) -> None:
        if "." not in self.name and _PROMETHEUS_NAME.fullmatch(self.name):
            return
        if not _OTEL_NAME.fullmatch(self.name):
            raise ValueError(
                f"metric name {self.name!r}: expected lower-case words joined by dots, "
                "such as 'shop.orders.created', or the name that a program exposes."
            )
        if self.name.replace("_", ".").rsplit(".", 1)[-1] in _UNIT_SUFFIXES:
            raise ValueError(
                f"metric name {self.name!r}: the unit does not belong into the name. "
                f"Say it in unit= (here {self.unit!r}); Prometheus adds its suffix."
            )

    @property
    def prometheus_name(self) -> str:
        """
        The name in Prometheus, as its OTLP endpoint with suffixes makes it.

        Raises:
            ValueError: nobody has said yet what suffix the unit becomes.
        """
        if "." not in self.name:
            return self.name
        parts = [prometheus_label(self.name)]
        if not (self.unit.startswith("{") and self.unit.endswith("}")):
            if self.unit not in _SUFFIXES:
                raise ValueError(
                    f"metric {self.name!r}: unit {self.unit!r} has no known suffix in Prometheus. "
                    f"Use one of {', '.join(_SUFFIXES)} or an annotation such as {{order}}."
                )
            # A count divided by a count says ratio only when it is a gauge.
            if self.unit != "1" or isinstance(self, Gauge):
                parts.append(_SUFFIXES[self.unit])
        if isinstance(self, Counter):
            parts.append("total")
        return "_".join(parts)

    @property
    def series(self) -> tuple[str, ...]:
        """Every name under which Prometheus stores it."""
        return (self.prometheus_name,)

    @property
    def labels(self) -> dict[str, Label]:
        """Its attributes as Prometheus spells them."""
        return {prometheus_label(key): label for key, label in self.attributes.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Metric):
    """
    A total that only grows, such as orders created.

    One that is ``urgent`` is exported as soon as it grows: somebody is told of it at once.
    """

    urgent: bool = False

    kind: ClassVar[str] = "counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpDownCounter(Metric):
    """A sum that rises and falls by known steps, such as requests in progress."""

    kind: ClassVar[str] = "up-down counter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge(Metric):
    """A value that is read when it is asked for, such as the length of a list in a database."""

    kind: ClassVar[str] = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Metric):
    """A distribution; ``buckets`` are upper bounds in the metric's unit, rising."""

    buckets: tuple[float, ...] = SEMCONV_SECONDS

    kind: ClassVar[str] = "histogram"

    def __post_init__(self) -> None:
        # No zero-argument super(): a slotted dataclass is a new class, which breaks it on 3.11.
        Metric.__post_init__(self)
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(
                f"metric {self.name!r}: buckets={self.buckets!r}: expected rising upper bounds."
            )

    @property
    def series(self) -> tuple[str, ...]:
        """Every name under which Prometheus stores it."""
        return tuple(f"{self.prometheus_name}_{part}" for part in ("bucket", "count", "sum"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Metric):
    """
    A value that a rule of Prometheus computes; see `otel_setup.catalogue.alerting.Recording`.

    Its name is ``level:metric:operation``, as Prometheus advises for rules.
    """

    kind: ClassVar[str] = "recorded"

    def _check_name(self) -> None:
        if not _RECORDED_NAME.fullmatch(self.name):
            raise ValueError(
                f"recorded name {self.name!r}: expected level:metric:operation, such as "
                "'queue:messages_published:rate1m'."
            )


def prometheus_label(attribute: str) -> str:
    """Return how Prometheus spells *attribute*: underscores for what is no letter or digit."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)
