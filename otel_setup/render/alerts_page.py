# SPDX-License-Identifier: Apache-2.0
"""
The page of the alerts: who is told, what is promised, and a runbook for each alert.

A runbook is the section below the heading that is the alert's name and nothing else, so that
a program finds it: a notification page shows just that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.whole import Catalogue, Component
from otel_setup.render import links, objectives_table, rule_groups
from otel_setup.render import markdown as md
from otel_setup.render.language import Language
from otel_setup.render.promql import folded

#: What an open window becomes in a query that is pasted.
PASTED = "5m"

_SEVERITIES = ("critical", "warning", "info")


def page(catalogue: Catalogue, language: Language) -> str:
    """Return the page in *language*."""
    say = language.fixed
    return "\n".join(
        (
            md.header(),
            f"# {say('{title}: alerts').format(title=md.prose(catalogue.title))}\n",
            f"{links.others(language, links.ALERTS)}\n",
            _sum(catalogue, language),
            _overview(catalogue, language),
            *_told(catalogue, language),
            *objectives_table.chapters(catalogue, language),
            *(
                part
                for component in catalogue.components
                if component.alerts
                for part in _chapter(catalogue, component, language)
            ),
        )
    )


def _sum(catalogue: Catalogue, language: Language) -> str:
    every: list[str] = [alert.severity for alert in catalogue.alerts.values()]
    text = "{alerts} alerts: {critical} critical, {warning} warning, {info} info."
    counts = {severity: every.count(severity) for severity in _SEVERITIES}
    return language.fixed(text).format(alerts=len(every), **counts) + "\n"


def _overview(catalogue: Catalogue, language: Language) -> str:
    """Return all alerts as a table, the gravest first."""
    say = language.fixed
    head = ("alert", "severity", "team", "says", "holds for")
    rows = [
        (
            links.alert(alert),
            md.code(alert.severity),
            _team(component, alert, language),
            _gist(alert, language),
            _holds(alert, language),
        )
        for severity in _SEVERITIES
        for component in catalogue.components
        for alert in component.alerts
        if alert.severity == severity
    ]
    return f"## {say('Overview')}\n\n{md.table(tuple(map(say, head)), rows)}"


def _gist(alert: Alert, language: Language) -> str:
    """Return the line that a notification begins with, or else what it means, in *language*."""
    if language.words is None:
        return md.template(alert.summary)
    return md.prose(re.split(r"(?<=[.!?]) ", language.of(alert.meaning), maxsplit=1)[0])


def _holds(alert: Alert, language: Language) -> str:
    return language.fixed("at once") if alert.is_instant else alert.lasts


def _told(catalogue: Catalogue, language: Language) -> Iterator[str]:
    """Yield who is told of an alert, and which alerts hold others back."""
    say = language.fixed
    yield f"## {say('Who is told')}\n"
    yield (
        say(
            "`critical` gets the person on duty out of bed, `warning` is for working hours, "
            "`info` is for machines and tells no one. The label `team` names the team that answers."
        )
        + "\n"
    )
    rows = [
        (
            links.alert(alert),
            ", ".join(links.alert(catalogue.alerts[name]) for name in alert.inhibited_by),
            ", ".join(map(md.code, alert.inhibited_on)) or say("none"),
        )
        for alert in catalogue.alerts.values()
        if alert.inhibited_by
    ]
    if rows:
        yield (
            say(
                "An alert below is held back while one that explains it is firing and the labels "
                "named are equal: the cause calls, its consequences stay silent."
            )
            + "\n"
        )
        yield md.table(tuple(map(say, ("alert", "held back by", "equal labels"))), rows)


def _chapter(catalogue: Catalogue, component: Component, language: Language) -> Iterator[str]:
    yield f"{md.mark(f'component-{component.name}')}\n"
    yield f"## {md.prose(language.of(component.title))}\n"
    for alert in component.alerts:
        yield from _runbook(catalogue, component, alert, language)


def _runbook(
    catalogue: Catalogue, component: Component, alert: Alert, language: Language
) -> Iterator[str]:
    say = language.fixed
    yield f"### {alert.name}\n"
    yield f"{md.code(alert.severity)}, {say('team')} {_team(component, alert, language)}.\n"
    sent = f"{md.template(alert.summary)} {md.template(alert.description)}"
    yield f"**{say('Notification')}.** {sent}\n"
    for head, text in (("Meaning", alert.meaning), ("Impact", alert.impact)):
        yield f"**{say(head)}.** {md.prose(language.of(text))}\n"
    yield f"**{say('Diagnosis')}.** {md.prose(language.of(alert.diagnosis))}\n"
    for query in alert.queries:
        yield md.block(folded(query.expr.over(PASTED).text))
    yield f"**{say('Mitigation')}.** {md.prose(language.of(alert.mitigation))}\n"
    yield f"**{say('Rule')}.** {_fires(alert, language)}\n"
    yield md.block(folded(alert.expr.text))
    facts = _facts(catalogue, component, alert, language)
    yield "".join(f"- {head}: {text}\n" for head, text in facts)


def _team(component: Component, alert: Alert, language: Language) -> str:
    """Return the team that is told; a template shows what it depends on."""
    team = rule_groups.labels(component, alert)["team"]
    if "{{" not in team:
        return md.code(team)
    return language.fixed("by {label}").format(label=md.template(team))


def _fires(alert: Alert, language: Language) -> str:
    say = language.fixed
    when = say("Fires at once")
    if not alert.is_instant:
        when = say("Fires when it holds for {lasts}").format(lasts=alert.lasts)
    if alert.keep_firing:
        when += say(", and goes on for {keep} after it ends").format(keep=alert.keep_firing)
    return f"{when}:"


def _facts(
    catalogue: Catalogue, component: Component, alert: Alert, language: Language
) -> Iterator[tuple[str, str]]:
    say = language.fixed
    labels = rule_groups.labels(component, alert)
    yield say("Labels"), ", ".join(md.code(f"{name}={value}") for name, value in labels.items())
    if alert.inhibited_by:
        causes = ", ".join(links.alert(catalogue.alerts[name]) for name in alert.inhibited_by)
        equal = ", ".join(map(md.code, alert.inhibited_on))
        yield say("Held back by"), f"{causes}, {say('on equal')} {equal}" if equal else causes
    if alert.dashboard:
        yield say("Dashboard"), links.dashboard(catalogue, alert.dashboard)
    if alert.exemplars:
        yield say("Traces"), f"{say('exemplars of')} {md.code(alert.exemplars)}"
    read = [each for name, each in catalogue.metrics.items() if name in alert.expr.metrics]
    yield say("Reads"), ", ".join(links.metric(each, links.METRICS) for each in read)
    if alert.rows:
        asked = (links.question(identity, links.METRICS) for identity in alert.rows)
        yield say("Answers"), ", ".join(asked)
