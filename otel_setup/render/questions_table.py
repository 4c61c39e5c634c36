# SPDX-License-Identifier: Apache-2.0
"""
The questions that the monitoring has to answer, as tables: one for each system.

A question has one line for each panel that answers it, with the reason for that panel, and
one for each metric that helps to answer it without being in those panels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from otel_setup.catalogue.boards import Dashboard, Panel, Question
from otel_setup.catalogue.model import Metric
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import links, reads
from otel_setup.render import markdown as md
from otel_setup.render.language import Language

_HEAD = ("id", "method", "what is asked", "metrics", "why", "labels", "where to see")

_Line = tuple[str, str, str, str]


def chapters(catalogue: Catalogue, language: Language) -> Iterator[str]:
    """Yield the tables of the questions, and the open ones together."""
    if not catalogue.questions:
        return
    say = language.fixed
    yield f"{md.mark('questions')}\n\n## {say('Questions')}\n"
    for system, questions in groupby(catalogue.questions, key=lambda each: each.system):
        rows = [row for question in questions for row in _rows(catalogue, question, language)]
        table = md.table(tuple(map(say, _HEAD)), rows)
        yield f"### {md.prose(language.of(system))}\n\n{table}"
    missing = [
        f"- {links.question(each.id)}, {md.prose(language.of(each.system))}: "
        f"{md.prose(language.of(each.asks))}. {_missing(each, language)}\n"
        for each in catalogue.questions
        if each.missing
    ]
    text = "".join(missing) or f"{say('Every question has a panel.')}\n"
    yield f"### {say('Open questions')}\n\n{text}"


def asked_of(catalogue: Catalogue, metric: Metric) -> list[str]:
    """Return the questions that *metric* answers: named by it, or by a panel that shows it."""
    shown = catalogue.panels_of.get(metric.name, ())
    rows = set(metric.rows).union(*(panel.rows for _, panel in shown))
    return [question.id for question in catalogue.questions if question.id in rows]


def _rows(catalogue: Catalogue, question: Question, language: Language) -> Iterator[list[str]]:
    method = md.prose(language.of(question.method))
    asks = md.prose(language.of(question.asks))
    if question.answers:
        asks += f"<br>*{md.prose(language.of(question.answers))}*"
    first = [f"{md.mark(f'question-{question.id}')}{question.id}", method, asks]
    for line in _lines(catalogue, question, language):
        yield [*first, *line]
        first = ["", "", ""]


def _lines(catalogue: Catalogue, question: Question, language: Language) -> Iterator[_Line]:
    """Yield metrics, reason, labels and places of each line of *question*."""
    panels = _by_content(catalogue.panels_for(question))
    shown = frozenset[str]().union(*(panel.metrics for panel, _ in panels))
    if question.missing:
        yield "", _missing(question, language), "", ""
    for panel, boards in panels:
        metrics, why = reads.metrics(catalogue, panel), reads.why(catalogue, panel)
        places = [links.panel(catalogue, board, panel, language) for board in boards]
        yield _line(metrics, why, places, language)
    for metric in catalogue.metrics.values():
        if question.id in metric.rows and metric.name not in shown:
            places = [
                links.panel(catalogue, *at, language)
                for at in catalogue.panels_of.get(metric.name, ())
            ]
            yield _line([metric], metric.why, places, language)
    alerts = [alert for alert in catalogue.alerts.values() if question.id in alert.rows]
    for alert in alerts:
        metrics = [each for name, each in catalogue.metrics.items() if name in alert.expr.metrics]
        yield _line(metrics, alert.meaning, [links.alert(alert, links.ALERTS)], language)


def _line(metrics: list[Metric], why: str, places: Iterable[str], language: Language) -> _Line:
    labels = dict.fromkeys(name for metric in metrics for name in metric.labels)
    return (
        "<br>".join(map(links.metric, metrics)),
        md.prose(language.of(why)),
        ", ".join(map(md.code, labels)),
        "<br>".join(dict.fromkeys(places)),
    )


def _by_content(
    panels: Iterable[tuple[Dashboard, Panel]],
) -> list[tuple[Panel, tuple[Dashboard, ...]]]:
    """Return each panel once, with all dashboards that show it."""
    found: dict[tuple[str, str, frozenset[str]], tuple[Panel, tuple[Dashboard, ...]]] = {}
    for board, panel in panels:
        key = (str(panel.title), str(panel.why), panel.metrics)
        kept, boards = found.get(key, (panel, ()))
        found[key] = (kept, (*boards, board))
    return list(found.values())


def _missing(question: Question, language: Language) -> str:
    words = language.fixed("**Open.** Missing: {missing}")
    return words.format(missing=md.prose(language.of(question.missing)))
