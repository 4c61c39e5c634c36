# SPDX-License-Identifier: Apache-2.0
"""What the monitoring answers right now, as a table for the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from otel_setup.catalogue.boards import Panel, Query, Question
from services_demo.catalogue.company import CATALOGUE
from services_demo.stack import prometheus
from services_demo.stack.errors import StackError
from services_demo.stack.say import say

_MOST_PANELS = 3
_MOST_VALUES = 4
_SAY_EVERY = 10.0
_SHOWN_QUERY = 110
#: What an open window is closed to: the first with which there is data.
_WINDOWS = ("1m", "5m")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Value:
    """One number, with the name that the panel's legend gives it."""

    name: str
    number: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one panel shows now, one list for each of its queries."""

    panel: Panel
    values: tuple[list[Value], ...]

    @property
    def is_whole(self) -> bool:
        """Whether every query has data, or has a written reason to have none."""
        return bool(self.panel.may_be_empty) or all(self.values)


def answers(url: str, question: Question) -> list[Answer]:
    """Ask the Prometheus at *url* what the panels of *question* ask."""
    return [
        Answer(panel, tuple(_ask(url, query) for query in panel.queries))
        for _dashboard, panel in CATALOGUE.panels_for(question)
    ]


def without_data(url: str) -> list[str]:
    """Return ``id: title`` of every panel that serves a question and has no data yet."""
    try:
        return [
            f"{question.id}: {answer.panel.title}"
            for question in CATALOGUE.questions
            for answer in answers(url, question)
            if not answer.is_whole
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
    Return one block per question: what it asks, then its panels with what they show.

    Raises:
        StackError: Prometheus does not answer.
    """
    return "\n".join(line for question in CATALOGUE.questions for line in _block(url, question))


def _block(url: str, question: Question) -> Iterator[str]:
    yield f"{question.id:<4}{question.system:<10} {question.asks}"
    if question.missing:
        yield f"      not yet: {question.missing}"
        return
    shown = answers(url, question)
    for answer in shown[:_MOST_PANELS]:
        yield f"      {answer.panel.title}: {_values(answer)}"
        yield f"        {_shortened(answer.panel.queries[0])}"
    if len(shown) > _MOST_PANELS:
        yield f"      and {len(shown) - _MOST_PANELS} more panels"


def _ask(url: str, query: Query) -> list[Value]:
    samples: list[prometheus.Sample] = []
    for window in _WINDOWS if query.expr.is_open else _WINDOWS[:1]:
        samples = samples or prometheus.query(url, query.expr.over(window).text)
    return [Value(_name(query.legend, sample.labels), sample.value) for sample in samples]


def _name(legend: str, labels: dict[str, str]) -> str:
    """Fill the labels into *legend*; without one, the labels' values are the name."""
    if legend:
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
    return " ".join(value for key, value in labels.items() if key not in {"__name__", "instance"})


def _values(answer: Answer) -> str:
    if not answer.is_whole:
        return "NO DATA"
    found = sorted((v for each in answer.values for v in each), key=lambda value: -value.number)
    if not found:
        return f"nothing: {answer.panel.may_be_empty}"
    shown = [_value(value, answer.panel.unit) for value in found[:_MOST_VALUES]]
    if len(found) > _MOST_VALUES:
        shown.append(f"and {len(found) - _MOST_VALUES} more")
    return ", ".join(shown)


def _value(value: Value, unit: str) -> str:
    number = _number(value.number, unit)
    return f"{value.name} {number}" if value.name else number


def _number(value: float, unit: str) -> str:
    """Write *value* of the UCUM *unit* for a person; what is counted is in the title."""
    if unit.startswith("By"):
        return f"{value / _MIB:.3g} MiB{unit.removeprefix('By')}"
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.3g} s"
    if unit == "1":
        return f"{100 * value:.3g} %"
    return f"{value:.3g}/s" if unit.endswith("/s") else f"{value:.4g}"


def _shortened(query: Query) -> str:
    promql = query.expr.over(_WINDOWS[0]).text
    return promql if len(promql) <= _SHOWN_QUERY else promql[: _SHOWN_QUERY - 1] + "…"
