# SPDX-License-Identifier: Apache-2.0
"""The bounds that the paper promises, against exact counts of the same stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup._heavy_hitters import HeavyHitters

STREAMS = st.lists(st.integers(0, 30), max_size=400)
PLACES = st.integers(1, 12)


@given(stream=STREAMS, places=PLACES)
def test_estimates_keep_their_bounds(stream: list[int], places: int) -> None:
    """Never too low, at most N/m too high, and what is guaranteed is true."""
    sketch: HeavyHitters[int] = HeavyHitters(places, half_life=1.0)
    for key in stream:
        sketch.add(key, 0.0)
    exact = Counter(stream)
    least = dict(sketch.guaranteed(0.0))
    assert sketch.total(0.0) == len(stream)
    assert len(least) <= places
    for key, sure in least.items():
        estimate = sketch.estimate(key, 0.0)
        assert sure <= exact[key] <= estimate
        assert estimate - sure <= len(stream) / places
    heavy = {key for key, count in exact.items() if count > len(stream) / places}
    assert heavy <= set(least)


@given(
    stream=st.lists(st.tuples(st.integers(0, 15), st.floats(0, 40)), max_size=300), places=PLACES
)
def test_the_bounds_hold_for_weights_that_decay(
    stream: list[tuple[int, float]], places: int
) -> None:
    """The same for the weight that is left of each key, over more than a scaling of all."""
    sketch: HeavyHitters[int] = HeavyHitters(places, half_life=1.0)
    times: dict[int, list[float]] = defaultdict(list)
    now = 0.0
    for key, pause in stream:
        now += pause
        sketch.add(key, now)
        times[key].append(now)
    exact = {key: sum(0.5 ** (now - then) for then in each) for key, each in times.items()}
    total = sum(exact.values())
    least = dict(sketch.guaranteed(now))
    assert sketch.total(now) == pytest.approx(total)
    for key, sure in least.items():
        estimate = sketch.estimate(key, now)
        assert sure <= exact[key] * (1 + 1e-9) + 1e-9
        assert exact[key] <= estimate * (1 + 1e-9) + 1e-9
        assert estimate - sure <= total / places * (1 + 1e-9) + 1e-9
    heavy = {key for key, weight in exact.items() if weight > total / places * (1 + 1e-9)}
    assert heavy <= set(least)


def test_a_long_silence_forgets_everybody() -> None:
    """After a year the numbers are zero, not an overflow."""
    sketch: HeavyHitters[str] = HeavyHitters(2, half_life=600.0)
    sketch.add("yesterday", 0.0)
    sketch.add("today", 3e7)
    assert sketch.estimate("yesterday", 3e7) == 0.0
    assert sketch.estimate("today", 3e7) == 1.0


def test_memory_stays_with_a_million_keys() -> None:
    """Neither places nor their order grow with the stream."""
    sketch: HeavyHitters[int] = HeavyHitters(50, half_life=600.0)
    random = Random(5)  # noqa: S311 - no secret
    for second in range(50_000):
        sketch.add(random.getrandbits(64), second / 100)
    assert len(list(sketch.guaranteed(500.0))) == 50
    assert len(sketch._heap) == 50


def test_without_places_only_the_total_counts() -> None:
    """Nobody is tracked when nobody may be."""
    sketch: HeavyHitters[str] = HeavyHitters(0, half_life=1.0)
    sketch.add("a", 0.0)
    assert (sketch.total(0.0), list(sketch.guaranteed(0.0))) == (1.0, [])
