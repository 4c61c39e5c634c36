# SPDX-License-Identifier: Apache-2.0
"""An instrument has exactly what its entry says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Histogram, Sum

from otel_setup import instrument, observe
from otel_setup.catalogue import model
from tests.conftest import Telemetry

NAME = "shop.orders.done"
WORDS = {"name": NAME, "unit": "{order}", "description": "Orders.", "why": "Business."}
OUTCOME = frozenset({("outcome", "ok")})


def test_a_counter_adds_up(telemetry: Telemetry) -> None:
    """It is a sum that only rises, with the entry's words."""
    counter = instrument(model.Counter(**WORDS))
    counter.add(2, {"outcome": "ok"})
    counter.add(3, {"outcome": "ok"})
    metric = telemetry.metric(NAME)
    assert metric is not None
    assert isinstance(metric.data, Sum)
    assert (metric.unit, metric.description) == ("{order}", "Orders.")
    assert metric.data.is_monotonic
    assert telemetry.values(NAME) == {OUTCOME: 5}


def test_an_up_down_counter_falls_as_well(telemetry: Telemetry) -> None:
    """It is a sum that may fall."""
    counter = instrument(model.UpDownCounter(**WORDS))
    counter.add(2, {"outcome": "ok"})
    counter.add(-1, {"outcome": "ok"})
    metric = telemetry.metric(NAME)
    assert metric is not None
    assert isinstance(metric.data, Sum)
    assert not metric.data.is_monotonic
    assert telemetry.values(NAME) == {OUTCOME: 1}


def test_a_histogram_has_the_buckets_of_its_entry(telemetry: Telemetry) -> None:
    """A value falls into the bucket whose bound it does not pass."""
    histogram = instrument(model.Histogram(**WORDS, buckets=(1.0, 60.0)))
    for value in (1.0, 1.1, 3600.0):
        histogram.record(value)
    metric = telemetry.metric(NAME)
    assert metric is not None
    assert isinstance(metric.data, Histogram)
    (point,) = metric.data.data_points
    assert (point.explicit_bounds, point.bucket_counts) == ((1.0, 60.0), (1, 1, 1))


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
    telemetry: Telemetry, kind: type[model.Metric]
) -> None:
    """The value of the moment counts, whatever its kind."""
    rising = iter([5.0, 7.0])
    observe(kind(**WORDS), lambda: [(next(rising), {"outcome": "ok"})])  # type: ignore[arg-type]
    assert [telemetry.values(NAME), telemetry.values(NAME)] == [{OUTCOME: 5.0}, {OUTCOME: 7.0}]


def test_the_kind_of_an_observed_entry_is_kept(telemetry: Telemetry) -> None:
    """A rate of a gauge would be nonsense, so the kind decides what a dashboard may do."""
    observe(model.Gauge(**WORDS), lambda: [(1, {})])
    observe(model.Counter(**{**WORDS, "name": "a.b"}), lambda: [(1, {})])
    gauge, counter = telemetry.metric(NAME), telemetry.metric("a.b")
    assert gauge is not None
    assert counter is not None
    assert isinstance(gauge.data, Gauge)
    assert isinstance(counter.data, Sum)
    assert counter.data.is_monotonic


def test_a_reading_that_fails_costs_its_own_metric_only(
    telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is away leaves a gap there, and one line in the log."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")

    def broken() -> Iterator[tuple[float, dict[str, str]]]:
        yield 1.0, {}
        raise OSError("database is away")

    observe(model.Gauge(**WORDS), broken)
    observe(model.Gauge(**{**WORDS, "name": "a.b"}), lambda: [(1, {})])
    assert telemetry.values(NAME) == {}
    assert telemetry.values("a.b") == {frozenset(): 1}
    assert caplog.messages == [
        (
            "reading shop.orders.done failed (OSError: database is away). "
            "The application goes on, with less telemetry."
        )
    ]
