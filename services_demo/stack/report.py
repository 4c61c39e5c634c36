# SPDX-License-Identifier: Apache-2.0
"""What the monitoring answers right now, as a table for the terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass

from services_demo.rows import ROWS, Query, Row
from services_demo.stack import prometheus
from services_demo.stack.errors import StackError
from services_demo.stack.say import say

_MOST_SAMPLES = 4
_SAY_EVERY = 10.0
_SHOWN_QUERY = 110


@dataclass(frozen=True, slots=True)
class Answer:
    """The samples of one query."""

    query: Query
    samples: list[prometheus.Sample]


def answers(url: str, row: Row) -> list[Answer]:
    """Ask the Prometheus at *url* every query of *row*."""
    return [Answer(query, prometheus.query(url, query.promql)) for query in row.queries]


def without_data(url: str) -> list[str]:
    """Return ``id: title`` of every query of a served row that has no data yet."""
    try:
        return [
            f"{row.id}: {answer.query.title}"
            for row in ROWS
            for answer in answers(url, row)
            if not answer.samples
        ]
    except StackError as error:  # it may be starting again
        return [str(error)]


def wait_for_data(url: str, seconds: float) -> list[str]:
    """Ask until every served row has data or time is up, saying what is waited for; returns it."""
    began = said = time.monotonic()
    while True:
        missing = without_data(url)
        now = time.monotonic()
        if not missing or now - began > seconds:
            return missing
        if now - said > _SAY_EVERY:
            said = now
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            say(f"waiting for data ({now - began:.0f} s): {missing[0]}{more}")
        time.sleep(1)


def table(url: str) -> str:
    """
    Return one block per row: its question, then each query with its value.

    Raises:
        StackError: Prometheus does not answer.
    """
    lines = []
    for row in ROWS:
        head = f"{row.id:<4}{row.system:<10} {row.asks}"
        if not row.queries:
            lines.append(f"{head:<62} not yet: {row.missing}")
            continue
        lines.append(head)
        for answer in answers(url, row):
            lines.append(f"      {answer.query.title}: {_values(answer)}")
            lines.append(f"        {_shortened(answer.query.promql)}")
    return "\n".join(lines)


def _values(answer: Answer) -> str:
    if not answer.samples:
        return "NO DATA"
    ordered = sorted(answer.samples, key=lambda sample: -sample.value)
    shown = [_value(sample, answer.query.unit) for sample in ordered[:_MOST_SAMPLES]]
    if len(ordered) > _MOST_SAMPLES:
        shown.append(f"and {len(ordered) - _MOST_SAMPLES} more")
    return ", ".join(shown)


def _value(sample: prometheus.Sample, unit: str) -> str:
    labels = " ".join(
        value for key, value in sample.labels.items() if key not in {"__name__", "instance", "job"}
    )
    labels = labels or sample.labels.get("job", "")
    number = _number(sample.value, unit)
    return f"{labels} {number}" if labels else number


def _number(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 1024 / 1024:.0f} MiB"
    if unit == "s":
        return f"{value * 1000:.0f} ms"
    if unit in {"%", "1/s"}:
        return f"{value:.2f} {unit}"
    return f"{value:.4g}"


def _shortened(promql: str) -> str:
    return promql if len(promql) <= _SHOWN_QUERY else promql[: _SHOWN_QUERY - 1] + "…"
