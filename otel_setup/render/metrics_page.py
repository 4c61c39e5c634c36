# SPDX-License-Identifier: Apache-2.0
"""The page of the metrics: the questions they answer, then every entry by component."""

from __future__ import annotations

from collections.abc import Iterator

from otel_setup.catalogue.alerting import Recording
from otel_setup.catalogue.model import Histogram, Label, Metric
from otel_setup.catalogue.whole import Catalogue, Component
from otel_setup.render import links, questions_table
from otel_setup.render import markdown as md
from otel_setup.render.language import COMMON, Language
from otel_setup.render.promql import folded


def page(catalogue: Catalogue, language: Language) -> str:
    """Return the page in *language*."""
    say = language.fixed
    return "\n".join(
        (
            md.header(),
            f"# {say('{title}: metrics').format(title=md.prose(catalogue.title))}\n",
            f"{links.others(language, links.METRICS)}\n",
            _sum(catalogue, language),
            _contents(catalogue, language),
            *questions_table.chapters(catalogue, language),
            _common(language),
            *(_chapter(catalogue, component, language) for component in catalogue.components),
        )
    )


def _sum(catalogue: Catalogue, language: Language) -> str:
    metrics = catalogue.metrics.values()
    labels = [label for metric in metrics for label in metric.attributes.values()]
    text = (
        "{metrics} metrics, {why} of them with a reason; {labels} labels, {meant} of them with a "
        "meaning and a bound; {questions} questions, {served} of them served by a panel."
    )
    line = language.fixed(text).format(
        metrics=len(metrics),
        why=sum(bool(metric.why.strip()) for metric in metrics),
        labels=len(labels),
        meant=sum(bool(label.meaning.strip() and label.bound) for label in labels),
        questions=len(catalogue.questions),
        served=sum(bool(catalogue.panels_for(question)) for question in catalogue.questions),
    )
    return line + "\n"


def _contents(catalogue: Catalogue, language: Language) -> str:
    chapters = [(language.fixed("Questions"), "questions", len(catalogue.questions))]
    chapters += [
        (language.of(each.title), f"component-{each.name}", len(each.metrics))
        for each in catalogue.components
    ]
    lines = [f"- {md.link(md.prose(title), f'#{at}')} ({n})\n" for title, at, n in chapters if n]
    return f"## {language.fixed('Contents')}\n\n{''.join(lines)}"


def _common(language: Language) -> str:
    say = language.fixed
    rows = [(md.code(name), say(meaning)) for name, meaning in COMMON.items()]
    return (
        f"## {say('Labels of every series')}\n\n"
        f"{say('Any series may have these; an entry lists only its own.')}\n\n"
        f"{md.table((say('label'), say('meaning')), rows)}"
    )


def _chapter(catalogue: Catalogue, component: Component, language: Language) -> str:
    say = language.fixed
    way = say("Pushed through the Collector")
    if component.scraped:
        way = f"{say('Scraped by job')} {', '.join(map(md.code, component.scraped))}"
    owner, source = md.code(component.owner), say(component.source)
    rows = [
        (
            links.metric(each),
            say(each.kind),
            md.code(each.unit),
            md.prose(language.of(each.description)),
        )
        for each in component.metrics
    ]
    head = (say("metric"), say("kind"), say("unit"), say("what it is"))
    return "\n".join(
        (
            f"{md.mark(f'component-{component.name}')}\n",
            f"## {md.prose(language.of(component.title))}\n",
            f"{say('Owner')}: {owner}. {say('Source')}: {source}. {way}.\n",
            md.table(head, rows),
            *(_entry(catalogue, metric, language) for metric in component.metrics),
        )
    )


def _entry(catalogue: Catalogue, metric: Metric, language: Language) -> str:
    name = metric.prometheus_name
    facts = _lines(catalogue, metric, language)
    lines = "".join(f"- **{head}**:{' ' * (text[0] != chr(10))}{text}\n" for head, text in facts)
    parts = [f"### {md.code(name)}\n", f"{md.prose(language.of(metric.description))}\n", lines]
    if md.slug(name) != name:
        # GitHub's own anchor of the heading is in lower case and lacks colons.
        parts.insert(0, f"{md.mark(name)}\n")
    if isinstance(metric, Recording):
        parts += [f"{language.fixed('Recorded from')}:\n", md.block(folded(metric.expr.text))]
    return "\n".join(parts)


def _lines(catalogue: Catalogue, metric: Metric, language: Language) -> Iterator[tuple[str, str]]:
    say = language.fixed
    yield say("Why"), md.prose(language.of(metric.why))
    yield say("Labels"), _labels(metric, language)
    kind = say("{kind}, unit {unit}")
    yield say("Kind"), kind.format(kind=say(metric.kind), unit=md.code(metric.unit))
    if metric.name != metric.prometheus_name:
        yield say("In code"), md.code(metric.name)
    if isinstance(metric, Histogram):
        yield say("Series"), ", ".join(map(md.code, metric.series))
        yield say("Buckets"), ", ".join(f"{bound:g}" for bound in metric.buckets)
    yield say("Method"), say(metric.method)
    asked = questions_table.asked_of(catalogue, metric)
    if asked:
        yield say("Questions"), ", ".join(map(links.question, asked))
    yield say("Panels"), _panels(catalogue, metric, language)
    alerts = [links.alert(each, links.ALERTS) for each in catalogue.alerts_of.get(metric.name, ())]
    yield say("Alerts"), ", ".join(alerts) or _none(metric.no_alert, language)
    if metric.rare:
        yield say("May be absent"), md.prose(language.of(metric.rare))


def _panels(catalogue: Catalogue, metric: Metric, language: Language) -> str:
    """Return the panels that show *metric* by dashboard, or the written reason for having none."""
    shown = catalogue.panels_of.get(metric.name, ())
    boards = {board.slug: [panel.title for at, panel in shown if at is board] for board, _ in shown}
    lines = (
        f"\n  - {links.dashboard(catalogue, slug)}: {md.prose('; '.join(titles))}"
        for slug, titles in boards.items()
    )
    return "".join(lines) or _none(metric.no_panel, language)


def _none(reason: str, language: Language) -> str:
    return f"{language.fixed('none:')} {md.prose(language.of(reason))}"


def _labels(metric: Metric, language: Language) -> str:
    if not metric.attributes:
        return language.fixed("none of its own")
    return "".join(
        f"\n  - {md.code(name)}: {md.prose(language.of(label.meaning))}; {_bound(label, language)}"
        for name, label in metric.labels.items()
    )


def _bound(label: Label, language: Language) -> str:
    if label.values:
        return f"{language.fixed('one of')} {', '.join(map(md.code, label.values))}"
    return language.fixed("at most {bound} values").format(bound=label.at_most)
