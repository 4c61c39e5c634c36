# SPDX-License-Identifier: Apache-2.0
"""
PromQL from catalogue entries, by builders that know what they are given.

A builder refuses what would give a wrong number: the rate of a gauge, a quantile of a
counter, a label that the metric does not have, a sum of seconds and bytes. An expression
knows its unit, so that nobody types the unit of a panel.

An expression without ``over`` leaves its window open (`WINDOW`): a dashboard fills it with
Grafana's, a rule with `Expr.over`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from otel_setup.catalogue.model import (
    COMMON_LABELS,
    Counter,
    Gauge,
    Histogram,
    Metric,
    Recorded,
    UpDownCounter,
    prometheus_label,
)

#: An open window: Grafana puts in at least four scrape intervals.
WINDOW = "$__rate_interval"

#: What Prometheus reads as a duration.
DURATION = re.compile(r"([0-9]+(ms|[smhdwy]))+")
_FOLDS = ("sum", "max", "min", "avg", "count")


@dataclass(frozen=True, slots=True)
class Expr:
    """A PromQL expression, its unit in UCUM (a ratio is ``1``), and the metrics it reads."""

    text: str
    unit: str
    metrics: frozenset[str] = frozenset()

    def over(self, window: str) -> Expr:
        """
        Return the expression with its open windows closed to *window*, such as ``5m``.

        Raises:
            ValueError: *window* is no duration of Prometheus.
        """
        return Expr(self.text.replace(WINDOW, _duration(window)), self.unit, self.metrics)

    @property
    def is_open(self) -> bool:
        """Whether a window is still to be filled in."""
        return WINDOW in self.text

    def __truediv__(self, other: Expr | float) -> Expr:
        """Divide; equal units give a ratio, a division by an empty vector gives nothing."""
        if not isinstance(other, Expr):
            return Expr(f"{_operand(self)} / {_number(other)}", self.unit, self.metrics)
        unit = "1" if self.unit == other.unit else f"{self.unit}/{other.unit}"
        if other.unit == "1":
            unit = self.unit
        return self._joined("/", other, unit)

    def __mul__(self, factor: float) -> Expr:
        """Scale by a number; the unit stays."""
        return Expr(f"{_operand(self)} * {_number(factor)}", self.unit, self.metrics)

    def __add__(self, other: Expr) -> Expr:
        """Add what has the same unit."""
        return self._same_unit("+", other)

    def __sub__(self, other: Expr) -> Expr:
        """Subtract what has the same unit."""
        return self._same_unit("-", other)

    def __gt__(self, bound: Expr | float) -> Expr:
        """Keep the series above *bound*: the condition of an alert."""
        return self._compared(">", bound)

    def __ge__(self, bound: Expr | float) -> Expr:
        """Keep the series at or above *bound*."""
        return self._compared(">=", bound)

    def __lt__(self, bound: Expr | float) -> Expr:
        """Keep the series below *bound*."""
        return self._compared("<", bound)

    def __le__(self, bound: Expr | float) -> Expr:
        """Keep the series at or below *bound*."""
        return self._compared("<=", bound)

    def equals(self, value: float) -> Expr:
        """Keep the series that have *value*."""
        return self._compared("==", value)

    def and_on(self, other: Expr, *labels: str) -> Expr:
        """Keep the series that *other* also has, compared by *labels* (none: that it has any)."""
        return self._joined(f"and on ({_names(labels)})", other, self.unit)

    def and_(self, other: Expr) -> Expr:
        """Keep the series that *other* also has, compared by all labels."""
        return self._joined("and", other, self.unit)

    def or_(self, other: Expr) -> Expr:
        """Return the series of both; where labels are equal, ours."""
        return self._same_unit("or", other)

    def unless_on(self, other: Expr, *labels: str) -> Expr:
        """Drop the series that *other* also has, compared by *labels*."""
        return self._joined(f"unless on ({_names(labels)})", other, self.unit)

    def offset(self, by: str) -> Expr:
        """
        Return the expression as it was *by* ago; only for a bare selector or `latest`.

        Raises:
            ValueError: the expression is not a bare selector.
        """
        if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})?", self.text):
            raise ValueError(f"{self.text!r}: only a selector can be offset. Record it by a rule.")
        return Expr(f"{self.text} offset {_duration(by)}", self.unit, self.metrics)

    def _same_unit(self, operator: str, other: Expr) -> Expr:
        if self.unit != other.unit:
            raise ValueError(
                f"{self.text!r} is in {self.unit!r} and {other.text!r} in {other.unit!r}: "
                f"expected one unit on both sides of {operator!r}."
            )
        return self._joined(operator, other, self.unit)

    def _joined(self, operator: str, other: Expr, unit: str) -> Expr:
        return Expr(
            f"{_operand(self)} {operator} {_operand(other)}", unit, self.metrics | other.metrics
        )

    def _compared(self, operator: str, bound: Expr | float) -> Expr:
        if isinstance(bound, Expr):
            return self._same_unit(operator, bound)
        return Expr(f"{_operand(self)} {operator} {_number(bound)}", self.unit, self.metrics)


#: Label → value: ``"x"`` is equal, ``"~x"`` matches, ``"!x"`` differs, ``"!~x"`` does not match.
Where = Mapping[str, str]


def latest(
    metric: Metric, *, by: Collection[str] | None = None, where: Where | None = None, fold: str = ""
) -> Expr:
    """
    Return the present value of a gauge, an up-down counter or a recorded metric.

    *fold* is how series are put together: ``sum``, ``max``, ``min``, ``avg`` or ``count``, over
    all labels but *by*. Without it the series stay as they are.

    Raises:
        TypeError: *metric* is a counter or histogram.
        ValueError: *metric* lacks a label.
    """
    if not isinstance(metric, Gauge | UpDownCounter | Recorded):
        raise TypeError(
            f"{metric.name!r} is a {metric.kind}: its present value says nothing. "
            "Use rate() or increase()."
        )
    selector = _selector(metric, metric.prometheus_name, where)
    unit = "1" if fold == "count" else metric.unit
    return _expr(_folded(fold, metric, selector, by), unit, metric)


def rate(
    metric: Metric,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return how much of *metric* there is per second, summed over all labels but *by*.

    Of a histogram it is the rate of what was measured: requests, calculations.

    Raises:
        TypeError: *metric* is no counter or histogram.
        ValueError: *metric* lacks a label.
    """
    name, unit = _counted(metric, "rate")
    selector = _selector(metric, name, where)
    return _expr(
        _folded("sum", metric, f"rate({selector}[{_duration(over)}])", by),
        _per_second(unit),
        metric,
    )


def increase(
    metric: Metric,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return how much of *metric* there was in the window, summed over all labels but *by*.

    Raises:
        TypeError: *metric* is no counter or histogram.
        ValueError: *metric* lacks a label.
    """
    name, unit = _counted(metric, "increase")
    selector = _selector(metric, name, where)
    return _expr(
        _folded("sum", metric, f"increase({selector}[{_duration(over)}])", by), unit, metric
    )


def volume(
    metric: Metric,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return how much a histogram's values add up to per second: bytes per second of body sizes.

    Raises:
        TypeError: *metric* is no histogram.
        ValueError: *metric* lacks a label.
    """
    _histogram(metric, "volume")
    selector = _selector(metric, f"{metric.prometheus_name}_sum", where)
    return _expr(
        _folded("sum", metric, f"rate({selector}[{_duration(over)}])", by),
        _per_second(metric.unit),
        metric,
    )


def quantile(
    share: float,
    metric: Metric,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return the value that *share* (0..1) of a histogram's values stay below.

    Raises:
        TypeError: *metric* is no histogram.
        ValueError: *metric* lacks a label, or *share* is out of range.
    """
    _histogram(metric, "quantile")
    if not 0 <= share <= 1:
        raise ValueError(f"quantile {share!r} of {metric.name!r}: expected a share from 0 to 1.")
    selector = _selector(metric, f"{metric.prometheus_name}_bucket", where)
    folded = _folded("sum", metric, f"rate({selector}[{_duration(over)}])", ("le", *by))
    return _expr(f"histogram_quantile({_number(share)}, {folded})", metric.unit, metric)


def mean(
    metric: Metric,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return the mean of a histogram's values.

    Raises:
        TypeError: *metric* is no histogram.
        ValueError: *metric* lacks a label.
    """
    total = volume(metric, by=by, where=where, over=over)
    count = rate(metric, by=by, where=where, over=over)
    return _expr(f"{total.text} / {count.text}", metric.unit, metric)


def within(
    metric: Metric,
    bound: float,
    *,
    by: Collection[str] = (),
    where: Where | None = None,
    over: str = WINDOW,
) -> Expr:
    """
    Return how many of a histogram's values in the window were at most *bound*.

    Divided by `increase` of the same metric it is the share of good events.

    Raises:
        TypeError: *metric* is no histogram.
        ValueError: *metric* lacks a label, or has no bucket with that bound.
    """
    histogram = _histogram(metric, "within")
    if bound not in histogram.buckets:
        raise ValueError(
            f"{metric.name!r} has no bucket up to {bound!r}. It has {histogram.buckets!r}."
        )
    # Prometheus may store 1 as "1" or "1.0", by the way that the sample came.
    number = _number(bound)
    le = f"~{number}(\\\\.0)?" if float(bound).is_integer() else number
    selector = _selector(metric, f"{metric.prometheus_name}_bucket", {**(where or {}), "le": le})
    return _expr(
        _folded("sum", metric, f"increase({selector}[{_duration(over)}])", by),
        _count_unit(metric),
        metric,
    )


def or_zero(errors: Expr, traffic: Expr) -> Expr:
    """
    Return *errors*, or 0 where there were none while *traffic* was measured.

    An error that never happened has no series; without traffic there is still no answer.
    """
    if errors.unit != traffic.unit:
        raise ValueError(
            f"{errors.text!r} is in {errors.unit!r} and {traffic.text!r} in {traffic.unit!r}: "
            "expected errors and traffic of one unit."
        )
    return Expr(
        f"({errors.text}) or (0 * {_operand(traffic)})",
        errors.unit,
        errors.metrics | traffic.metrics,
    )


def highest(count: int, expr: Expr) -> Expr:
    """Return the *count* series of *expr* with the highest values."""
    return Expr(f"topk({count}, {expr.text})", expr.unit, expr.metrics)


def written(text: str, unit: str, *metrics: Metric) -> Expr:
    """Return PromQL that no builder can make; *metrics* are all that it reads."""
    return Expr(text, unit, frozenset(metric.name for metric in metrics))


def selector(metric: Metric, where: Where | None = None, *, part: str = "") -> str:
    """
    Return the selector of *metric*'s series, for `written` and for exemplars.

    *part* is ``bucket``, ``count`` or ``sum`` of a histogram.

    Raises:
        ValueError: *metric* lacks a label.
    """
    name = f"{metric.prometheus_name}_{part}" if part else metric.prometheus_name
    return _selector(metric, name, where)


def _expr(text: str, unit: str, metric: Metric) -> Expr:
    return Expr(text, unit, frozenset({metric.name}))


def _counted(metric: Metric, function: str) -> tuple[str, str]:
    if isinstance(metric, Counter):
        return metric.prometheus_name, metric.unit
    if isinstance(metric, Histogram):
        return f"{metric.prometheus_name}_count", _count_unit(metric)
    raise TypeError(
        f"{function}({metric.name!r}): it is a {metric.kind}, which falls as well as rises, so "
        f"{function} gives nonsense. Use latest()."
    )


def _histogram(metric: Metric, function: str) -> Histogram:
    if not isinstance(metric, Histogram):
        raise TypeError(f"{function}({metric.name!r}): it is a {metric.kind}, not a histogram.")
    return metric


def _count_unit(metric: Metric) -> str:
    # What a histogram of durations counts is named before ".duration" and the like.
    words = {
        "http.": "{request}",
        "db.": "{query}",
        "messaging.": "{message}",
        "aws.s3.client.transfer.": "{transfer}",
        "aws.": "{call}",
    }
    return next((word for start, word in words.items() if metric.name.startswith(start)), "{event}")


def _per_second(unit: str) -> str:
    return "1" if unit == "s" else f"{unit}/s"


def _folded(fold: str, metric: Metric, inner: str, by: Collection[str] | None) -> str:
    if not fold:
        if by is not None:
            raise ValueError(f"{metric.name!r}: by={tuple(by)!r} needs a fold such as 'sum'.")
        return inner
    if fold not in _FOLDS:
        raise ValueError(f"{metric.name!r}: fold={fold!r}: expected one of {', '.join(_FOLDS)}.")
    names = [_known(metric, label) for label in by or ()]
    return f"{fold} by ({', '.join(names)}) ({inner})" if names else f"{fold}({inner})"


def _selector(metric: Metric, name: str, where: Where | None) -> str:
    matchers = []
    for label, value in (where or {}).items():
        operator = re.match(r"!~|!|~|", value)
        assert operator is not None  # noqa: S101 - the empty alternative always matches
        sign = {"!~": "!~", "!": "!=", "~": "=~", "": "="}[operator[0]]
        matchers.append(f'{_known(metric, label)}{sign}"{value[operator.end() :]}"')
    return f"{name}{{{', '.join(matchers)}}}" if matchers else name


def _known(metric: Metric, label: str) -> str:
    name = prometheus_label(label)
    if (
        name in COMMON_LABELS
        or name in metric.labels
        or (name == "le" and isinstance(metric, Histogram))
    ):
        return name
    known = ", ".join(metric.attributes) or "none"
    raise ValueError(f"{metric.name!r} has no label {label!r}. It has: {known}.")


def _duration(text: str) -> str:
    if text != WINDOW and not DURATION.fullmatch(text):
        raise ValueError(f"window {text!r}: expected a duration of Prometheus, such as '5m'.")
    return text


def _operand(expr: Expr) -> str:
    # A name, a call or an aggregation binds tighter than any operator; all else is bracketed.
    text = expr.text
    if re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})?", text) or _is_one_call(text):
        return text
    return f"({text})"


def _is_one_call(text: str) -> bool:
    head = re.match(r"[a-z_]+(?: by \([^)]*\) )?\(", text)
    if head is None:
        return False
    depth = 0
    for position, letter in enumerate(text[head.end() - 1 :], start=head.end() - 1):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return position == len(text) - 1
    return False


def _names(labels: Collection[str]) -> str:
    return ", ".join(prometheus_label(label) for label in labels)


def _number(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)
