# SPDX-License-Identifier: Apache-2.0
"""
What rules record of each service level objective, under names that all objectives share.

Windows of up to six hours count the events themselves. Longer ones add up what was recorded
every half minute: days of raw samples would be read anew at each evaluation. What happened
while Prometheus was away therefore counts in the short windows alone.

Without events there is no share and no series, so a quiet night neither burns nor alerts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.model import Label, Method, Recorded, Text
from otel_setup.catalogue.promql import Expr, or_zero, written

#: How often the rules of objectives are evaluated, in seconds.
EVERY = 30
#: The window that is recorded, in seconds; each event is in so many recordings of it.
_RECORDED = 300
_TIMES = _RECORDED // EVERY

#: Windows that count events, and those that add up recordings.
SHORT_WINDOWS = ("5m", "30m", "1h", "2h", "6h")
LONG_WINDOWS = ("1d", "3d")
#: Windows whose bad events are counted: the long ones of the alerts.
COUNTED_WINDOWS = ("1h", "6h", "1d", "3d")
#: An objective is promised over this time.
PERIOD = "30d"

SPOKEN = {
    "5m": Text("the last 5 minutes", "последние 5 минут"),
    "30m": Text("the last 30 minutes", "последние 30 минут"),
    "1h": Text("the last hour", "последний час"),
    "2h": Text("the last 2 hours", "последние 2 часа"),
    "6h": Text("the last 6 hours", "последние 6 часов"),
    "1d": Text("the last day", "последние сутки"),
    "3d": Text("the last 3 days", "последние 3 суток"),
}

LABELS = {
    "slo": Label(Text("name of the objective", "имя цели"), at_most=50),
    "team": Label(Text("who promised it", "кто обещал"), at_most=20),
}

_NO_EVENTS = Text("Absent while there are no events.", "Отсутствует, пока событий нет.")
_WHY_RATIO = Text(
    "Compared with what is allowed, it says how fast the promise is being broken.",
    "В сравнении с дозволенным показывает, как быстро нарушается обещание.",
)
_ONLY_ALERTS = Text(
    "Alerts compare it; people see the window of an hour.",
    "Его сравнивают алерты, людям показано окно в час.",
)


def _ratio(window: str) -> Recorded:
    spoken = SPOKEN[window]
    return Recorded(
        name=f"slo:sli_error:ratio_rate{window}",
        unit="1",
        description=Text(
            f"Share of bad events in {spoken}.", f"Доля плохих событий за {spoken.ru}."
        ),
        why=_WHY_RATIO,
        attributes=LABELS,
        method=Method.ERRORS,
        rare=_NO_EVENTS,
        no_panel="" if window == "1h" else _ONLY_ALERTS,
    )


def _bad(window: str) -> Recorded:
    spoken = SPOKEN[window]
    return Recorded(
        name=f"slo:sli_error:increase{window}",
        unit="{event}",
        description=Text(f"Bad events in {spoken}.", f"Плохие события за {spoken.ru}."),
        why=Text(
            "One failure of two in a quiet night is half of all; the number keeps it in place.",
            "Одна ошибка из двух тихой ночью — уже половина; число ставит её на место.",
        ),
        attributes=LABELS,
        method=Method.ERRORS,
        rare=_NO_EVENTS,
        no_panel=_ONLY_ALERTS,
    )


ERROR_RATIO = {window: _ratio(window) for window in (*SHORT_WINDOWS, *LONG_WINDOWS)}
ERRORS = {window: _bad(window) for window in COUNTED_WINDOWS}

_FEEDS = Text("Longer windows are added up from it.", "Из него складываются длинные окна.")

RECENT_ERRORS = Recorded(
    name="slo:sli_error:increase5m",
    unit="{event}",
    description=Text("Bad events in the last 5 minutes.", "Плохие события за последние 5 минут."),
    why=_FEEDS,
    attributes=LABELS,
    method=Method.ERRORS,
    rare=_NO_EVENTS,
    no_panel=_FEEDS,
    no_alert=_FEEDS,
)

RECENT_EVENTS = Recorded(
    name="slo:sli_total:increase5m",
    unit="{event}",
    description=Text("All events in the last 5 minutes.", "Все события за последние 5 минут."),
    why=_FEEDS,
    attributes=LABELS,
    method=Method.RATE,
    rare=_NO_EVENTS,
    no_panel=_FEEDS,
    no_alert=_FEEDS,
)

OBJECTIVE = Recorded(
    name="slo:objective:ratio",
    unit="1",
    description=Text("Share of good events that is promised.", "Обещанная доля хороших событий."),
    why=Text("The promise itself, beside what was kept of it.", "Само обещание рядом с итогом."),
    attributes=LABELS,
    no_alert=Text("It does not change by itself.", "Само оно не меняется."),
)

ERROR_BUDGET = Recorded(
    name="slo:error_budget:ratio",
    unit="1",
    description=Text("Share of bad events that is allowed.", "Дозволенная доля плохих событий."),
    why=Text(
        "A burn rate is the share of bad events divided by it.",
        "Скорость расхода — это доля плохих событий, делённая на неё.",
    ),
    attributes=LABELS,
)

LEAST_ERRORS = Recorded(
    name="slo:minimum_errors:count",
    unit="{event}",
    description=Text(
        "Bad events below which an alert keeps silent.",
        "Число плохих событий, ниже которого алерт молчит.",
    ),
    why=Text("With fewer, chance decides.", "Если их меньше, решает случай."),
    attributes=LABELS,
    no_panel=Text("It stands in the list of objectives.", "Оно есть в списке целей."),
)

BUDGET_REMAINING = Recorded(
    name="slo:budget_remaining:ratio",
    unit="1",
    description=Text(
        "What is left of the allowed bad events, over 30 days or the history there is.",
        "Что осталось от дозволенных плохих событий за 30 дней или за всю имеющуюся историю.",
    ),
    why=Text(
        "Says whether there is room for a risky change, or whether reliability comes first.",
        "Показывает, можно ли рисковать изменениями или пора заняться надёжностью.",
    ),
    attributes=LABELS,
    method=Method.ERRORS,
    rare=_NO_EVENTS,
    no_alert=Text(
        "A spent budget is no news; the alerts say when it is being spent.",
        "Истраченный бюджет уже не новость; алерты говорят, пока он тратится.",
    ),
)

METRICS = (
    *(OBJECTIVE, ERROR_BUDGET, LEAST_ERRORS, BUDGET_REMAINING),
    *ERROR_RATIO.values(),
    *(RECENT_ERRORS, *ERRORS.values(), RECENT_EVENTS),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule of an objective: its name, what it computes, and the labels it adds."""

    name: str
    expr: Expr
    labels: Mapping[str, str]


def rules(slo: Slo) -> tuple[Rule, ...]:
    """Return the rules of *slo* in the order in which they have to be evaluated."""
    labels = {"slo": slo.name, "team": slo.owner}
    return tuple(
        Rule(metric.name, expr, labels)
        for metric, expr in (*_promised(slo), *_counted(slo), *_added_up(slo))
    )


def _promised(slo: Slo) -> Iterator[tuple[Recorded, Expr]]:
    yield OBJECTIVE, written(f"vector({slo.objective})", OBJECTIVE.unit)
    yield ERROR_BUDGET, written(f"vector({_budget(slo)})", ERROR_BUDGET.unit)
    yield LEAST_ERRORS, written(f"vector({slo.at_least})", LEAST_ERRORS.unit)


def _counted(slo: Slo) -> Iterator[tuple[Recorded, Expr]]:
    """Yield what counts events: within 5 minutes to 6 hours."""
    for window in SHORT_WINDOWS:
        bad, total = _events(slo, window)
        if window == "5m":
            yield RECENT_ERRORS, bad
            yield RECENT_EVENTS, total
        if window in ERRORS:
            yield ERRORS[window], bad
        yield ERROR_RATIO[window], bad / (total > 0)


def _events(slo: Slo, window: str) -> tuple[Expr, Expr]:
    """Return the bad and all events of *window*; bad ones are 0 where they have no series."""
    bad, total = (_one(each.over(window)) for each in (slo.bad, slo.total))
    filled = or_zero(bad, total)
    # A difference of two extrapolated counts may fall a little below zero.
    return Expr(f"clamp_min({filled.text}, 0)", bad.unit, filled.metrics), total


def _one(expr: Expr) -> Expr:
    """Return the sum of all series of *expr*."""
    text = expr.text if expr.text.startswith("sum(") else f"sum({expr.text})"
    return Expr(text, expr.unit, expr.metrics)


def _added_up(slo: Slo) -> Iterator[tuple[Recorded, Expr]]:
    """Yield what adds up recordings: a day and more."""
    for window in LONG_WINDOWS:
        bad = _sum(RECENT_ERRORS, slo, window)
        yield ERRORS[window], bad / _TIMES
        yield ERROR_RATIO[window], bad / (_sum(RECENT_EVENTS, slo, window) > 0)
    share = _sum(RECENT_ERRORS, slo, PERIOD) / (_sum(RECENT_EVENTS, slo, PERIOD) > 0)
    left = f"1 - {share.text} / {_budget(slo)}"
    yield BUDGET_REMAINING, Expr(left, BUDGET_REMAINING.unit, share.metrics)


def _sum(metric: Recorded, slo: Slo, window: str) -> Expr:
    return written(f'sum_over_time({metric.name}{{slo="{slo.name}"}}[{window}])', "{event}", metric)


def _budget(slo: Slo) -> Decimal:
    # Decimal, because 1 - 0.999 is not 0.001 in binary.
    return 1 - Decimal(str(slo.objective))
