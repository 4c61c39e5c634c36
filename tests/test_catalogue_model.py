# SPDX-License-Identifier: Apache-2.0
"""A metric's entry is checked when it is made."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup.catalogue import database, http, process
from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    SEMCONV_SECONDS,
    Counter,
    Gauge,
    Histogram,
    Metric,
    UpDownCounter,
)

KINDS = (Counter, UpDownCounter, Gauge, Histogram)


def entry(kind: type[Metric] = Counter, **changes: Any) -> Metric:
    """Return an entry that is right, but for *changes*."""
    right = {
        "name": "shop.orders.created",
        "unit": "{order}",
        "description": "Orders.",
        "why": "Business.",
    }
    return kind(**{**right, **changes})


def refusal(kind: type[Metric] = Counter, **changes: Any) -> str:
    """Return the message with which an entry is refused."""
    with pytest.raises(ValueError, match=r"^metric ") as raised:
        entry(kind, **changes)
    return str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_of_each_kind_keeps_what_it_was_given(kind: type[Metric]) -> None:
    """All kinds share their fields."""
    made = entry(kind, attributes={"outcome": "ok or error"})
    assert (made.name, made.unit, made.description, made.why, made.attributes) == (
        "shop.orders.created",
        "{order}",
        "Orders.",
        "Business.",
        {"outcome": "ok or error"},
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["orders", "Shop.orders", "shop..orders", "shop.orders.", "a.1b"])
def test_a_name_is_lower_case_words_joined_by_dots(kind: type[Metric], name: str) -> None:
    """Prometheus turns dots into underscores; other characters would be lost."""
    assert refusal(kind, name=name) == (
        f"metric name {name!r}: expected lower-case words joined by dots, "
        "such as 'shop.orders.created'."
    )


@pytest.mark.parametrize(
    "name", ["shop.price_seconds", "shop.price.milliseconds", "a.bytes", "a.b_total", "a.ratio"]
)
def test_a_name_has_no_unit(name: str) -> None:
    """Prometheus adds the suffix, and would add it twice."""
    assert refusal(name=name, unit="s") == (
        f"metric name {name!r}: the unit does not belong into the name. "
        "Say it in unit= (here 's'); Prometheus adds its suffix."
    )


def test_a_word_that_only_ends_like_a_unit_is_a_name() -> None:
    """Words are compared, not letters."""
    assert entry(name="shop.subtotal").name == "shop.subtotal"


@pytest.mark.parametrize("field", ["unit", "description", "why"])
@pytest.mark.parametrize("empty", ["", " \n"])
def test_no_text_is_empty(field: str, empty: str) -> None:
    """A metric without a reason is one that nobody looks at."""
    assert refusal(**{field: empty}) == (
        f"metric 'shop.orders.created': {field} is empty. Say it in one sentence."
    )


def test_each_attribute_has_a_meaning() -> None:
    """The meaning has to say what bounds the values."""
    assert refusal(attributes={"user": " "}) == (
        "metric 'shop.orders.created', attribute 'user': its meaning is empty. "
        "Say what it means and what bounds its values."
    )


@pytest.mark.parametrize("buckets", [(), (1.0, 1.0), (2.0, 1.0)])
def test_buckets_rise(buckets: tuple[float, ...]) -> None:
    """Bounds that do not rise make no histogram."""
    assert refusal(Histogram, buckets=buckets) == (
        f"metric 'shop.orders.created': buckets={buckets!r}: expected rising upper bounds."
    )


@given(st.lists(st.floats(allow_nan=False), max_size=6))
def test_exactly_the_rising_buckets_are_accepted(bounds: list[float]) -> None:
    """Each bound is larger than the one before, and there is one."""
    rising = bounds != [] and all(low < high for low, high in itertools.pairwise(bounds))
    try:
        accepted = entry(Histogram, buckets=tuple(bounds)).name == "shop.orders.created"
    except ValueError:
        accepted = False
    assert accepted == rising


def test_a_histogram_has_the_bounds_of_the_conventions_by_default() -> None:
    """They end at 10 seconds; work that takes longer has its own, which go on to an hour."""
    made = entry(Histogram)
    assert isinstance(made, Histogram)
    assert made.buckets == SEMCONV_SECONDS
    assert SECONDS_TO_AN_HOUR[: len(SEMCONV_SECONDS)] == SEMCONV_SECONDS
    assert (SEMCONV_SECONDS[-1], SECONDS_TO_AN_HOUR[-1]) == (10.0, 3600.0)


def test_an_entry_does_not_change() -> None:
    """Entries are shared by all who import them."""
    with pytest.raises(AttributeError, match="cannot assign to field 'name'"):
        entry().name = "shop.other"  # type: ignore[misc]


def test_an_entry_can_be_a_key() -> None:
    """Tables of what was rendered are kept by entry."""
    assert {entry(): 1}[entry()] == 1


def test_no_two_generic_metrics_share_a_name() -> None:
    """Two entries of one name would be one metric with two meanings."""
    names = [
        value.name
        for module in (database, http, process)
        for value in vars(module).values()
        if isinstance(value, Metric)
    ]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 13
