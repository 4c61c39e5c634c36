# SPDX-License-Identifier: Apache-2.0
"""An instrument has exactly what its entry says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from otel_setup import instrument, observe
from otel_setup.catalogue import model
from otel_setup.testing import Telemetry

NAME = "shop.orders.done"
WORDS = {"name": NAME, "unit": "{order}", "description": "Orders.", "why": "Business."}
ENTRY = {**WORDS, "attributes": {"outcome": model.Label("how it ended", values=("ok", "error"))}}


def test_a_counter_adds_up(otel: Telemetry) -> None:
    """It is a sum that only rises, with the entry's words."""
    counter = instrument(model.Counter(**ENTRY))
    counter.add(2, {"outcome": "ok"})
    counter.add(3, {"outcome": "ok"})
    metric = otel.metric(NAME)
    assert (metric.kind, metric.unit, metric.description) == ("counter", "{order}", "Orders.")
    assert metric.by("outcome") == {"ok": 5}


def test_an_up_down_counter_falls_as_well(otel: Telemetry) -> None:
    """It is a sum that may fall."""
    counter = instrument(model.UpDownCounter(**ENTRY))
    counter.add(2, {"outcome": "ok"})
    counter.add(-1, {"outcome": "ok"})
    metric = otel.metric(NAME)
    assert metric.kind == "up-down counter"
    assert metric.by("outcome") == {"ok": 1}


def test_a_histogram_has_the_buckets_of_its_entry(otel: Telemetry) -> None:
    """A value falls into the bucket whose bound it does not pass."""
    histogram = instrument(model.Histogram(**WORDS, buckets=(1.0, 60.0)))
    for value in (1.0, 1.1, 3600.0):
        histogram.record(value)
    point = otel.metric(NAME).point()
    assert point.buckets == {1.0: 1, 60.0: 1, float("inf"): 1}
    assert (point.value, point.sum) == (3, 3602.1)


def test_a_gauge_cannot_be_recorded() -> None:
    """The message names the function that reads it."""
    gauge = model.Gauge(**WORDS)
    with pytest.raises(TypeError) as raised:
        instrument(gauge)  # type: ignore[call-overload]
    assert str(raised.value) == (
        f"{gauge!r} is not a counter or histogram. A gauge is read through observe()."
    )


def test_before_setup_recording_does_nothing() -> None:
    """A module that is imported by a script without telemetry works."""
    instrument(model.Counter(**WORDS)).add(1)


@pytest.mark.parametrize("kind", [model.Counter, model.UpDownCounter, model.Gauge])
def test_what_is_observed_is_read_at_every_export(
    otel: Telemetry, kind: type[model.Metric]
) -> None:
    """The value of the moment counts, whatever its kind."""
    rising = itertools.count(5)
    observe(kind(**ENTRY), lambda: [(next(rising), {"outcome": "ok"})])  # type: ignore[arg-type]
    assert [otel.metric(NAME).by("outcome") for _ in range(2)] == [{"ok": 5}, {"ok": 6}]


def test_the_kind_of_an_observed_entry_is_kept(otel: Telemetry) -> None:
    """A rate of a gauge would be nonsense, so the kind decides what a dashboard may do."""
    observe(model.Gauge(**WORDS), lambda: [(1, {})])
    observe(model.Counter(**{**WORDS, "name": "a.b"}), lambda: [(1, {})])
    assert (otel.metric(NAME).kind, otel.metric("a.b").kind) == ("gauge", "counter")


def test_a_reading_that_fails_costs_its_own_metric_only(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is away leaves a gap there, and one line in the log."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")

    def broken() -> Iterator[tuple[float, dict[str, str]]]:
        yield 1.0, {}
        raise OSError("database is away")

    observe(model.Gauge(**WORDS), broken)
    observe(model.Gauge(**{**WORDS, "name": "a.b"}), lambda: [(1, {})])
    assert NAME not in otel.metrics
    assert otel.metric("a.b").total == 1
    assert caplog.messages == [
        (
            "reading shop.orders.done failed (OSError: database is away). "
            "The application goes on, with less telemetry."
        )
    ]
