# SPDX-License-Identifier: Apache-2.0
"""Everything that the checks judge, asked of a running Prometheus in one go."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from otel_setup.catalogue.whole import Catalogue
from otel_setup.live.api import Prometheus, RefusedError, Sample, side_by_side
from otel_setup.live.known import Known
from otel_setup.live.syntax import Tree, closed

R = TypeVar("R")

#: How far back a series may have had its last sample to count as arriving.
LOOK_BACK = "5m"
_LOOK_BACK_SECONDS = 300
#: A window that is tried where the first one has too few samples yet.
WINDOWS = ("1m", "5m")
_NAMES_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Told:
    """What a program says of its metric on its own page."""

    type: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression gave: its series, or the error."""

    samples: tuple[Sample, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The syntax tree of an expression, or the error."""

    tree: Tree = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One rule as Prometheus has it; durations in seconds."""

    kind: str
    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    lasts: float = 0.0
    keeps: float = 0.0
    health: str = "ok"
    error: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What runs, as far as the checks need it.

    ``strangers`` are series names without an entry and the jobs that send them; ``series`` the
    series of each entry's names; expressions are keys as the catalogue writes them.
    """

    strangers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    series: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    told: Mapping[str, tuple[Told, ...]] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    parsed: Mapping[str, Parsed] = field(default_factory=dict)
    rules: tuple[Loaded, ...] = ()


def observe(prometheus: Prometheus, catalogue: Catalogue, texts: Iterable[str]) -> Seen:
    """
    Ask *prometheus* for all that can be compared with *catalogue*; *texts* are to be parsed.

    Raises:
        NotReachableError: Prometheus does not answer.
        RefusedError: it does not know what is asked: it is older than 3.0.
    """
    known = Known(catalogue)
    rules = tuple(_rules(prometheus.get("rules")))
    shown = dict.fromkeys(
        query.expr.text
        for board in catalogue.dashboards
        for p in board.panels
        for query in p.queries
    )
    every = dict.fromkeys([*texts, *(rule.expression for rule in rules)])
    return Seen(
        strangers=_strangers(prometheus, known),
        series=_series(prometheus, known),
        told=_told(prometheus.get("metadata")),
        answers=_each(lambda text: _answer(prometheus, text), shown),
        parsed=_each(lambda text: _parse(prometheus, text), every),
        rules=rules,
    )


def _each(ask: Callable[[str], R], texts: Iterable[str]) -> dict[str, R]:
    return dict(zip(texts, side_by_side(ask, texts), strict=True))


def _strangers(prometheus: Prometheus, known: Known) -> dict[str, tuple[str, ...]]:
    # The list of names reaches back hours; only a query knows what still arrives.
    now = time.time()
    names = prometheus.names(now - _LOOK_BACK_SECONDS, now)
    unknown = sorted(set(names) - known.metrics.keys())
    jobs: dict[str, set[str]] = {}

    def senders(some: list[str]) -> list[Sample]:
        return prometheus.query(f"count by (__name__, job) ({_present(some)})")

    for samples in side_by_side(senders, _pieces(unknown, _NAMES_AT_ONCE)):
        for sample in samples:
            jobs.setdefault(sample.name, set()).add(sample.labels.get("job", ""))
    return {name: tuple(sorted(found)) for name, found in sorted(jobs.items())}


def _series(prometheus: Prometheus, known: Known) -> dict[str, tuple[Sample, ...]]:
    found: dict[str, list[Sample]] = {name: [] for name in known.metrics}
    entries = [list(metric.series) for metric in known.catalogue.metrics.values()]
    for samples in side_by_side(lambda names: prometheus.query(_present(names)), entries):
        for sample in samples:
            found[sample.name].append(sample)
    return {name: tuple(samples) for name, samples in found.items()}


def _present(names: list[str]) -> str:
    pattern = json.dumps("|".join(re.escape(name) for name in names))
    return f"last_over_time({{__name__=~{pattern}}}[{LOOK_BACK}])"


def _answer(prometheus: Prometheus, text: str) -> Answer:
    answer = Answer()
    for window in WINDOWS:
        try:
            answer = Answer(tuple(prometheus.query(closed(text, window))))
        except RefusedError as error:
            return Answer(error=str(error))
        if answer.samples:
            break
    return answer


def _parse(prometheus: Prometheus, text: str) -> Parsed:
    try:
        return Parsed(prometheus.parse(closed(text, WINDOWS[0])))
    except RefusedError as error:
        return Parsed(error=str(error))


def _told(metadata: Mapping[str, Any]) -> dict[str, tuple[Told, ...]]:
    return {
        name: tuple(dict.fromkeys(Told(each["type"], each.get("unit", "")) for each in said))
        for name, said in metadata.items()
    }


def _rules(data: Mapping[str, Any]) -> Iterator[Loaded]:
    for group in data["groups"]:
        for rule in group["rules"]:
            yield Loaded(
                kind=rule["type"],
                name=rule["name"],
                expression=rule["query"],
                labels=rule.get("labels") or {},
                annotations=rule.get("annotations") or {},
                lasts=float(rule.get("duration", 0)),
                keeps=float(rule.get("keepFiringFor", 0)),
                health=rule["health"],
                error=rule.get("lastError", ""),
                file=group["file"],
            )


def _pieces(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]
