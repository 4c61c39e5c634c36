# SPDX-License-Identifier: Apache-2.0
"""
From a catalogue entry to the live instrument.

`instrument` returns an instrument of the OpenTelemetry API, so it may be called at
import time: before `setup` it does nothing, afterwards it records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, overload

from opentelemetry import metrics
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_setup._guard import quiet
from otel_setup._urgent import hurry
from otel_setup.catalogue import model

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.util.types import Attributes

#: What a gauge's callback returns: values, each with its attributes.
Observations = Iterable[tuple[float, Mapping[str, str]]]

#: The name of the scope of all that is made here.
SCOPE = "otel_setup"

#: What was made so far: name → entry. Tests check what was recorded against it.
ENTRIES: dict[str, model.Metric] = {}

#: The names of those that count from 0 on, since they record here what happens.
COUNTS: set[str] = set()

#: The names of those whose totals were there before the process was.
OLDER: set[str] = set()


class _Urgent(metrics.Counter):
    """A counter of what somebody must hear of at once."""

    def __init__(self, counter: metrics.Counter) -> None:
        self._counter = counter

    def add(
        self, amount: float, attributes: Attributes = None, context: Context | None = None
    ) -> None:
        self._counter.add(amount, attributes, context)
        if amount > 0:  # a zero makes a series known and is no news
            hurry()


@overload
def instrument(entry: model.Counter) -> metrics.Counter: ...
@overload
def instrument(entry: model.UpDownCounter) -> metrics.UpDownCounter: ...
@overload
def instrument(entry: model.Histogram) -> metrics.Histogram: ...
def instrument(
    entry: model.Counter | model.UpDownCounter | model.Histogram,
) -> metrics.Counter | metrics.UpDownCounter | metrics.Histogram:
    """
    Return the instrument that records *entry*; call it once per entry, at import.

    Record with ``add(amount, attributes)`` or ``record(value, attributes)``, in the
    entry's unit and with the attributes that the entry lists.

    Raises:
        TypeError: *entry* is a gauge, which is read through `observe`.
    """
    ENTRIES[entry.name] = entry
    meter = metrics.get_meter(SCOPE)
    if isinstance(entry, model.Counter | model.Histogram):
        COUNTS.add(entry.name)
    if isinstance(entry, model.Counter):
        counter = meter.create_counter(entry.name, entry.unit, entry.description)
        return _Urgent(counter) if entry.urgent else counter
    if isinstance(entry, model.UpDownCounter):
        return meter.create_up_down_counter(entry.name, entry.unit, entry.description)
    if isinstance(entry, model.Histogram):
        return meter.create_histogram(
            entry.name,
            entry.unit,
            entry.description,
            explicit_bucket_boundaries_advisory=list(entry.buckets),
        )
    raise TypeError(f"{entry!r} is not a counter or histogram. A gauge is read through observe().")


def observe(
    entry: model.Counter | model.UpDownCounter | model.Gauge,
    read: Callable[[], Observations],
    *,
    older: bool = False,
) -> None:
    """
    Have *read* called at every export for the current values of *entry*.

    *read* runs on the export thread: it may query a database but should answer within a
    second. What it raises is logged and leaves *entry* without a value for that export. A
    counter that is observed reports its total so far; say *older* if that is older than the
    process, such as one that a database keeps. Otherwise it is new whenever the process is.
    """

    def callback(_options: CallbackOptions) -> list[Observation]:
        # A gauge that asks a database is no work of the service: it must not make spans.
        with quiet(f"reading {entry.name}"), suppress_instrumentation():
            return [metrics.Observation(value, attributes) for value, attributes in read()]
        return []

    ENTRIES[entry.name] = entry
    if isinstance(entry, model.Counter):
        (OLDER if older else COUNTS).add(entry.name)
        (COUNTS if older else OLDER).discard(entry.name)
    meter = metrics.get_meter(SCOPE)
    create = {
        model.Counter: meter.create_observable_counter,
        model.UpDownCounter: meter.create_observable_up_down_counter,
        model.Gauge: meter.create_observable_gauge,
    }[type(entry)]
    create(entry.name, [callback], entry.unit, entry.description)


def is_deferred(provider: object) -> bool:
    """Tell whether *provider* stands for one that is not set yet; no public way tells."""
    return type(provider).__name__ in {"ProxyTracerProvider", "_ProxyMeterProvider"}
