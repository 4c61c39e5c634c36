# SPDX-License-Identifier: Apache-2.0
"""The service level objectives as a table: what is promised, and how much may go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.alerts.slo import BURNS
from otel_setup.catalogue.burning import PERIOD
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import links
from otel_setup.render import markdown as md
from otel_setup.render.language import Language
from otel_setup.render.promql import folded

#: The days of an objective, in minutes.
_MINUTES = 30 * 24 * 60

_HEAD = (
    "objective",
    "promise",
    "why",
    "team",
    "share",
    "minutes",
    "of a million",
    "bad events at least",
)


def chapters(catalogue: Catalogue, language: Language) -> Iterator[str]:
    """Yield the objectives, and when an alert about their budget fires."""
    if not catalogue.slos:
        return
    say = language.fixed
    yield f"## {say('Objectives')}\n"
    text = (
        "A promise is kept as a share of good events over 30 days. The budget is what may go "
        "wrong in that time: minutes of a total outage, or bad events of a million."
    )
    yield f"{say(text)}\n"
    yield md.table(tuple(map(say, _HEAD)), [_row(slo, language) for slo in catalogue.slos])
    yield from _burns(catalogue, language)
    for slo in catalogue.slos:
        yield f"{md.mark(f'slo-{slo.name}')}\n\n### {md.code(slo.name)}\n"
        for head, expr in (("bad events", slo.bad), ("all events", slo.total)):
            yield f"{say(head)}:\n\n{md.block(folded(expr.over(PERIOD).text))}"
        if slo.rows:
            asked = ", ".join(links.question(row, links.METRICS) for row in slo.rows)
            yield f"{say('Answers')}: {asked}\n"


def _burns(catalogue: Catalogue, language: Language) -> Iterator[str]:
    """Yield when the alerts about budgets fire, if the catalogue has them."""
    say = language.fixed
    rows = [
        (
            links.alert(catalogue.alerts[burn.alert]),
            md.code(burn.severity),
            f"{burn.factor:g}",
            burn.long,
            burn.short,
        )
        for burn in BURNS
        if burn.alert in catalogue.alerts
    ]
    if rows:
        yield (
            say(
                "An alert fires when the budget is spent so many times faster than allowed in both "
                "windows, and the long one has as many bad events as the objective asks for."
            )
            + "\n"
        )
        head = ("alert", "severity", "times too fast", "long window", "short window")
        yield md.table(tuple(map(say, head)), rows)


def budget(slo: Slo) -> tuple[float, int]:
    """Return what *slo* allows in 30 days: minutes of a total outage, bad events of a million."""
    # Decimal, because 1 - 0.999 is not 0.001 in binary.
    share = 1 - Decimal(str(slo.objective))
    return float(share * _MINUTES), round(share * 1_000_000)


def _row(slo: Slo, language: Language) -> tuple[str, ...]:
    minutes, events = budget(slo)
    return (
        md.link(md.code(slo.name), f"#slo-{slo.name}"),
        md.prose(language.of(slo.promise)),
        md.prose(language.of(slo.why)),
        md.code(slo.owner),
        f"{slo.objective * 100:g} %",
        f"{minutes:g}",
        str(events),
        str(slo.at_least),
    )
