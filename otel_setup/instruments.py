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
from otel_setup.catalogue import model

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation

#: What a gauge's callback returns: values, each with its attributes.
Observations = Iterable[tuple[float, Mapping[str, str]]]

_SCOPE = "otel_setup"

#: What was made so far: name → entry. Tests check what was recorded against it.
ENTRIES: dict[str, model.Metric] = {}


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
    meter = metrics.get_meter(_SCOPE)
    if isinstance(entry, model.Counter):
        return meter.create_counter(entry.name, entry.unit, entry.description)
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
    entry: model.Counter | model.UpDownCounter | model.Gauge, read: Callable[[], Observations]
) -> None:
    """
    Have *read* called at every export for the current values of *entry*.

    *read* runs on the export thread: it may query a database but should answer within a
    second. What it raises is logged and leaves *entry* without a value for that export. A
    counter that is observed reports its total so far.
    """

    def callback(_options: CallbackOptions) -> list[Observation]:
        # A gauge that asks a database is no work of the service: it must not make spans.
        with quiet(f"reading {entry.name}"), suppress_instrumentation():
            return [metrics.Observation(value, attributes) for value, attributes in read()]
        return []

    ENTRIES[entry.name] = entry
    meter = metrics.get_meter(_SCOPE)
    create = {
        model.Counter: meter.create_observable_counter,
        model.UpDownCounter: meter.create_observable_up_down_counter,
        model.Gauge: meter.create_observable_gauge,
    }[type(entry)]
    create(entry.name, [callback], entry.unit, entry.description)


def is_deferred(provider: object) -> bool:
    """Tell whether *provider* stands for one that is not set yet; no public way tells."""
    return type(provider).__name__ in {"ProxyTracerProvider", "_ProxyMeterProvider"}
