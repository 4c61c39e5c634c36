# SPDX-License-Identifier: Apache-2.0
"""Does every panel show something, and does it make sense?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.boards import Panel, Query
from otel_setup.catalogue.model import Recorded
from otel_setup.catalogue.whole import Catalogue
from otel_setup.live.findings import Finding, Level, some
from otel_setup.live.known import Known
from otel_setup.live.observe import Answer, Parsed, Seen
from otel_setup.live.syntax import falls_below_zero

#: Counters are read some milliseconds beside each other, so a rate may be that much too high.
SLACK = 0.01
#: Units of which there may be less than nothing.
_BELOW_ZERO = re.compile(r"Cel|\[degF\]|dB")


def check(known: Known, seen: Seen) -> Iterator[Finding]:
    """Yield what is wrong with the panels' queries."""
    for board in known.catalogue.dashboards:
        for panel in board.panels:
            answers = [
                (query, seen.answers.get(query.expr.text, Answer())) for query in panel.queries
            ]
            about = f"{board.slug}: {panel.title}"
            yield from emptiness(about, panel, answers)
            for query, answer in answers:
                yield from values(about, panel, query, answer)
                yield from below_zero(about, known.catalogue, seen, query, answer)


def emptiness(about: str, panel: Panel, answers: list[tuple[Query, Answer]]) -> Iterator[Finding]:
    """Yield queries that fail or give nothing, unless the panel says why it may be empty."""
    for query, answer in answers:
        if answer.error:
            yield Finding(Level.VIOLATION, "panels", about, answer.error, f"mend {query.expr.text}")
        elif not answer.samples and not panel.may_be_empty:
            yield Finding(
                Level.VIOLATION,
                "panels",
                about,
                f"no data: {query.expr.text}",
                "look whether its metrics arrive with these labels; if it may be empty, "
                "say why in may_be_empty=",
            )
        elif answer.samples and not _finite(answer):
            yield Finding(
                Level.IMPROVEMENT,
                "panels",
                about,
                f"no number, only {some({str(sample.value) for sample in answer.samples})}: "
                f"{query.expr.text}",
                "a division by zero or a quantile of nothing; show what is there in quiet times",
            )


def values(about: str, panel: Panel, query: Query, answer: Answer) -> Iterator[Finding]:
    """Yield values above the panel's upper end."""
    if panel.most is None:
        return
    high = [value for value in _finite(answer) if value > panel.most * (1 + SLACK)]
    if high:
        yield Finding(
            Level.VIOLATION,
            "panels",
            about,
            f"{max(high):g} is above most={panel.most:g}: {query.expr.text}",
            "what is divided does not count the same things, or most= is too low",
        )


def below_zero(
    about: str, catalogue: Catalogue, seen: Seen, query: Query, answer: Answer
) -> Iterator[Finding]:
    """Yield values below zero of what can only be counted upwards from nothing."""
    low = [value for value in _finite(answer) if value < 0]
    if not low or _BELOW_ZERO.match(query.expr.unit) or _subtracts(catalogue, seen, query):
        return
    yield Finding(
        Level.VIOLATION,
        "panels",
        about,
        f"{min(low):g} {query.expr.unit}, which cannot be below zero: {query.expr.text}",
        "look what its metrics really are; a counter that is subtracted is a gauge",
    )


def _subtracts(catalogue: Catalogue, seen: Seen, query: Query) -> bool:
    texts = [query.expr.text]
    for name in query.expr.metrics:
        metric = catalogue.metrics.get(name)
        if isinstance(metric, Recording):
            texts.append(metric.expr.text)
        elif isinstance(metric, Recorded):
            return True
    return any(falls_below_zero(seen.parsed.get(text, Parsed()).tree) for text in texts)


def _finite(answer: Answer) -> list[float]:
    return [sample.value for sample in answer.samples if math.isfinite(sample.value)]
