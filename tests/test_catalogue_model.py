# SPDX-License-Identifier: Apache-2.0
"""A metric's entry is checked when it is made."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup.catalogue.model import (
    SECONDS_TO_AN_HOUR,
    SEMCONV_SECONDS,
    Counter,
    Gauge,
    Histogram,
    Label,
    Metric,
    Recorded,
    Text,
    UpDownCounter,
)

KINDS = (Counter, UpDownCounter, Gauge, Histogram)
OUTCOME = Label("how it ended", values=("ok", "error"))


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
    made = entry(kind, attributes={"outcome": OUTCOME})
    assert (made.name, made.unit, made.description, made.why, made.attributes) == (
        "shop.orders.created",
        "{order}",
        "Orders.",
        "Business.",
        {"outcome": OUTCOME},
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["", "Shop.orders", "shop..orders", "shop.orders.", "a.1b", "1orders", "a:b"]
)
def test_a_name_is_lower_case_words_joined_by_dots(kind: type[Metric], name: str) -> None:
    """Prometheus turns dots into underscores; other characters would be lost."""
    assert refusal(kind, name=name) == (
        f"metric name {name!r}: expected lower-case words joined by dots, "
        "such as 'shop.orders.created', or the name that a program exposes."
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


def test_each_label_has_a_meaning() -> None:
    """A label that nobody can explain is not recorded."""
    with pytest.raises(ValueError, match=r"^a label's meaning is empty\. Say what it means\.$"):
        Label(" ", at_most=3)


@pytest.mark.parametrize("bounds", [{}, {"values": ("a",), "at_most": 1}])
def test_each_label_is_bounded_in_one_way(bounds: dict[str, Any]) -> None:
    """Labels without a bound are how a monitoring dies of its own data."""
    with pytest.raises(ValueError, match="closed set, or at_most="):
        Label("who asked", **bounds)


def test_the_bound_of_a_label_is_a_number() -> None:
    """A closed set is as large as it is."""
    assert (OUTCOME.bound, Label("route", at_most=30).bound) == (2, 30)


def test_a_text_is_english_and_knows_its_russian() -> None:
    """Code takes it for what it is, a string; the Russian pages take the other one."""
    text = Text("orders", "заказы")
    assert (text, text.ru, Text("orders").ru) == ("orders", "заказы", "")


@pytest.mark.parametrize(
    ("kind", "name", "unit", "expected"),
    [
        (Counter, "shop.orders.created", "{order}", "shop_orders_created_total"),
        (Counter, "process.cpu.time", "s", "process_cpu_time_seconds_total"),
        (Counter, "a.b", "1", "a_b_total"),
        (UpDownCounter, "process.memory.usage", "By", "process_memory_usage_bytes"),
        (Gauge, "shop.orders", "{order}", "shop_orders"),
        (Gauge, "pool.use", "1", "pool_use_ratio"),
        (UpDownCounter, "pool.use", "1", "pool_use"),
        (Histogram, "mes.wait.duration", "s", "mes_wait_duration_seconds"),
        (Counter, "rabbitmq_global_messages_received_total", "{message}", None),
        (Recorded, "queue:messages:rate1m", "{message}/s", None),
    ],
)
def test_the_name_in_prometheus(
    kind: type[Metric], name: str, unit: str, expected: str | None
) -> None:
    """It is the one that Prometheus' OTLP endpoint makes; what was exposed stays as it is."""
    assert entry(kind, name=name, unit=unit).prometheus_name == (expected or name)


def test_a_unit_without_a_known_suffix_is_refused() -> None:
    """A guessed name would be a panel without data."""
    with pytest.raises(ValueError, match="unit 'furlong' has no known suffix in Prometheus") as it:
        _ = entry(unit="furlong").prometheus_name
    assert "Use one of s, By, 1, %, By/s or an annotation such as {order}." in str(it.value)


def test_a_histogram_is_stored_under_three_names() -> None:
    """Buckets, their count and their sum."""
    assert entry(Histogram, name="a.b", unit="s").series == (
        "a_b_seconds_bucket",
        "a_b_seconds_count",
        "a_b_seconds_sum",
    )


def test_labels_are_spelled_as_prometheus_does() -> None:
    """Dots become underscores."""
    assert entry(attributes={"order.state": OUTCOME}).labels == {"order_state": OUTCOME}


@pytest.mark.parametrize("name", ["queue_rate", "Queue:a", "a:b:", "a.b"])
def test_a_recorded_name_has_levels(name: str) -> None:
    """Prometheus advises level:metric:operation, so one sees that a rule made it."""
    with pytest.raises(ValueError, match="expected level:metric:operation"):
        entry(Recorded, name=name)


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
