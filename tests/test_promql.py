# SPDX-License-Identifier: Apache-2.0
"""The PromQL builders give right queries, and refuse those that would give wrong numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_setup.catalogue.model import Counter, Gauge, Histogram, Label, Metric, UpDownCounter
from otel_setup.catalogue.promql import (
    Expr,
    highest,
    increase,
    latest,
    mean,
    or_zero,
    quantile,
    rate,
    selector,
    volume,
    within,
    written,
)

_TEXTS = {"description": "d", "why": "w"}
_ROUTE = {"http.route": Label("route", at_most=9)}

ORDERS = Counter(name="shop.orders", unit="{order}", attributes=_ROUTE, **_TEXTS)
CPU = Counter(name="a.cpu.time", unit="s", **_TEXTS)
DEPTH = Gauge(
    name="queue_messages", unit="{message}", attributes={"queue": Label("q", at_most=9)}, **_TEXTS
)
LIMIT = Gauge(name="queue_limit", unit="{message}", **_TEXTS)
BYTES = UpDownCounter(name="a.memory", unit="By", **_TEXTS)
TIME = Histogram(
    name="http.duration", unit="s", buckets=(0.1, 1.0, 2.5), attributes=_ROUTE, **_TEXTS
)


@pytest.mark.parametrize(
    ("expr", "text", "unit"),
    [
        (rate(ORDERS), "sum(rate(shop_orders_total[$__rate_interval]))", "{order}/s"),
        (
            rate(ORDERS, by=["http.route"], where={"job": "shop"}, over="5m"),
            'sum by (http_route) (rate(shop_orders_total{job="shop"}[5m]))',
            "{order}/s",
        ),
        (rate(CPU, over="1m"), "sum(rate(a_cpu_time_seconds_total[1m]))", "1"),
        (rate(TIME, over="1m"), "sum(rate(http_duration_seconds_count[1m]))", "{request}/s"),
        (increase(ORDERS, over="1h"), "sum(increase(shop_orders_total[1h]))", "{order}"),
        (volume(TIME, over="1m"), "sum(rate(http_duration_seconds_sum[1m]))", "1"),
        (
            quantile(0.95, TIME, by=["http.route"], over="5m"),
            ("histogram_quantile(0.95, sum by (le, http_route) "
            "(rate(http_duration_seconds_bucket[5m])))"),
            "s",
        ),
        (
            mean(TIME, over="5m"),
            "sum(rate(http_duration_seconds_sum[5m])) / sum(rate(http_duration_seconds_count[5m]))",
            "s",
        ),
        (
            within(TIME, 1.0, over="5m"),
            'sum(increase(http_duration_seconds_bucket{le=~"1(\\\\.0)?"}[5m]))',
            "{request}",
        ),
        (
            within(TIME, 2.5, over="5m"),
            'sum(increase(http_duration_seconds_bucket{le="2.5"}[5m]))',
            "{request}",
        ),
        (latest(DEPTH), "queue_messages", "{message}"),
        (latest(DEPTH, fold="sum"), "sum(queue_messages)", "{message}"),
        (latest(DEPTH, fold="count"), "count(queue_messages)", "1"),
        (
            latest(DEPTH, by=["queue"], fold="max"),
            "max by (queue) (queue_messages)",
            "{message}",
        ),
        (highest(5, latest(BYTES)), "topk(5, a_memory_bytes)", "By"),
        (latest(DEPTH) / latest(LIMIT), "queue_messages / queue_limit", "1"),
        (latest(BYTES) / 8, "a_memory_bytes / 8", "By"),
        (latest(DEPTH).offset("1w"), "queue_messages offset 1w", "{message}"),
        (latest(DEPTH) > 5, "queue_messages > 5", "{message}"),
        (
            (latest(DEPTH) > 5).and_on(rate(ORDERS, over="1m").equals(0)),
            "(queue_messages > 5) and on () (sum(rate(shop_orders_total[1m])) == 0)",
            "{message}",
        ),
        (
            or_zero(increase(ORDERS, over="5m"), increase(ORDERS, over="5m")),
            "(sum(increase(shop_orders_total[5m]))) or (0 * sum(increase(shop_orders_total[5m])))",
            "{order}",
        ),
    ],
)  # fmt: skip
def test_what_is_built(expr: Expr, text: str, unit: str) -> None:
    """The text is PromQL, the unit follows from what was done."""
    assert (expr.text, expr.unit) == (text, unit)


@pytest.mark.parametrize("build", [rate, increase])
@pytest.mark.parametrize("metric", [DEPTH, BYTES])
def test_what_falls_has_no_rate(build: Callable[[Metric], Expr], metric: Metric) -> None:
    """A gauge that falls looks like a counter that was reset."""
    with pytest.raises(TypeError, match=rf"{build.__name__}\('{metric.name}'\): it is a .*latest"):
        build(metric)


@pytest.mark.parametrize("metric", [ORDERS, TIME])
def test_a_total_has_no_present_value(metric: Metric) -> None:
    """It says only how long a process has lived."""
    with pytest.raises(TypeError, match=r"its present value says nothing\. Use rate\(\)"):
        latest(metric)


@pytest.mark.parametrize(
    "build", [volume, mean, lambda it: quantile(0.5, it), lambda it: within(it, 1.0)]
)
def test_only_a_histogram_has_a_distribution(build: Callable[[Metric], Expr]) -> None:
    """Counters have no buckets."""
    with pytest.raises(TypeError, match="it is a counter, not a histogram"):
        build(ORDERS)


@pytest.mark.parametrize("how", [{"by": ["user"]}, {"where": {"user": "x"}}])
def test_a_label_that_is_not_there_is_named(how: dict[str, Any]) -> None:
    """Prometheus would answer with nothing, and nobody would know why."""
    with pytest.raises(
        ValueError, match=r"'shop\.orders' has no label 'user'\. It has: http\.route\."
    ):
        rate(ORDERS, **how)


def test_the_four_ways_to_match_a_label() -> None:
    """Equal, different, like and unlike."""
    where = {"http.route": "/a", "job": "!b", "instance": "~c.*", "service.version": "!~d"}
    assert selector(ORDERS, where) == (
        'shop_orders_total{http_route="/a", job!="b", instance=~"c.*", service_version!~"d"}'
    )
    assert selector(TIME, part="bucket") == "http_duration_seconds_bucket"


def test_a_share_is_within_a_bucket_that_exists() -> None:
    """Between two bounds Prometheus guesses; an objective must not."""
    with pytest.raises(ValueError, match=r"has no bucket up to 2\.0\. It has \(0\.1, 1\.0, 2\.5\)"):
        within(TIME, 2.0)


@pytest.mark.parametrize("share", [-0.1, 95])
def test_a_quantile_is_a_share(share: float) -> None:
    """95 is not 0.95: Prometheus would answer +Inf."""
    with pytest.raises(ValueError, match="expected a share from 0 to 1"):
        quantile(share, TIME)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: latest(DEPTH) + latest(BYTES),
        lambda: latest(DEPTH) - latest(BYTES),
        lambda: latest(DEPTH) > latest(BYTES),
        lambda: latest(DEPTH).or_(latest(BYTES)),
        lambda: or_zero(rate(ORDERS), rate(TIME)),
    ],
)
def test_units_are_not_mixed(mix: Callable[[], Expr]) -> None:
    """Messages and bytes have no sum."""
    with pytest.raises(ValueError, match=r"expected (one unit|errors and traffic)"):
        mix()


def test_an_open_window_is_closed() -> None:
    """One expression serves a panel and a rule."""
    ratio = increase(ORDERS) / increase(ORDERS, by=["job"])
    assert (ratio.is_open, ratio.over("5m").is_open) == (True, False)
    assert ratio.over("5m").text.count("[5m]") == 2


@pytest.mark.parametrize("window", ["5", "5 min", "", "m"])
def test_a_window_is_a_duration(window: str) -> None:
    """Prometheus would refuse the whole file of rules."""
    with pytest.raises(ValueError, match="expected a duration of Prometheus, such as '5m'"):
        rate(ORDERS).over(window)


def test_a_fold_is_known_and_has_labels_to_keep() -> None:
    """`by` alone would be ignored."""
    with pytest.raises(ValueError, match="needs a fold such as 'sum'"):
        latest(DEPTH, by=["queue"])
    with pytest.raises(ValueError, match="expected one of sum, max, min, avg, count"):
        latest(DEPTH, fold="total")


def test_only_a_selector_can_be_offset() -> None:
    """An expression of an hour ago is recorded by a rule."""
    with pytest.raises(ValueError, match="only a selector can be offset"):
        rate(ORDERS, over="1m").offset("1w")


def test_an_expression_knows_what_it_reads() -> None:
    """Links between panels, alerts and metrics come from it."""
    expr = (rate(ORDERS, over="1m") / 2 > 1).and_on(latest(DEPTH, fold="sum") > 5)
    assert expr.metrics == {"shop.orders", "queue_messages"}
    assert written("vector(1)", "1").metrics == frozenset()
    assert written("up == 0", "1", DEPTH).metrics == {"queue_messages"}
