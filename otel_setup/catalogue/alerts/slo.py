# SPDX-License-Identifier: Apache-2.0
"""
Alerts about service level objectives: the budget of 30 days is being spent too fast.

Windows and factors are those of the table in chapter 5 of Google's Site Reliability Workbook.
The long window says that it matters, the short one, a twelfth of it, that it still goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from otel_setup.catalogue.alerting import Alert, Severity
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.burning import (
    BUDGET_REMAINING,
    ERROR_BUDGET,
    ERROR_RATIO,
    ERRORS,
    LEAST_ERRORS,
    OBJECTIVE,
    SPOKEN,
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, latest


@dataclass(frozen=True, slots=True)
class Burn:
    """
    One line of the table: *factor* times the allowed pace, in the *long* and the *short* window.

    *pace* says the factor in words, *gone* when the budget of 30 days is spent at that pace.
    """

    alert: str
    factor: float
    long: str
    short: str
    severity: Severity
    pace: Text
    gone: Text


BURNS = (
    Burn(
        *("SloBurnsFast", 14.4, "1h", "5m", "critical"),
        pace=Text("at 14.4 times the pace that is allowed", "в 14,4 раза быстрее дозволенного"),
        gone=Text("50 hours", "50 часов"),
    ),
    Burn(
        *("SloBurns", 6, "6h", "30m", "critical"),
        pace=Text("at 6 times the pace that is allowed", "в 6 раз быстрее дозволенного"),
        gone=Text("5 days", "5 суток"),
    ),
    Burn(
        *("SloBurnsSlowly", 3, "1d", "2h", "warning"),
        pace=Text("at 3 times the pace that is allowed", "в 3 раза быстрее дозволенного"),
        gone=Text("10 days", "10 суток"),
    ),
    Burn(
        *("SloBurnsVerySlowly", 1, "3d", "6h", "warning"),
        pace=Text("faster than is allowed", "быстрее дозволенного"),
        gone=Text("30 days", "30 суток"),
    ),
)

_LEGEND = "{{slo}}"


def _expr(burn: Burn) -> Expr:
    def pace(window: str) -> Expr:
        return latest(ERROR_RATIO[window]) / latest(ERROR_BUDGET)

    enough = latest(ERRORS[burn.long]) / latest(LEAST_ERRORS) >= 1
    return (pace(burn.long) > burn.factor).and_(pace(burn.short) > burn.factor).and_(enough)


def _alert(burn: Burn, faster: tuple[str, ...]) -> Alert:
    window = SPOKEN[burn.long]
    return Alert(
        name=burn.alert,
        expr=_expr(burn),
        lasts="0s",
        severity=burn.severity,
        # The objective's owner is told, not who keeps the rules.
        labels={"team": "{{ $labels.team }}"},
        summary=f"Errors use up the budget of {{{{ $labels.slo }}}} {burn.pace}.",
        description=f"Over {window} it was used up at {{{{ $value | humanize }}}} times the pace "
        f"that is allowed. If this goes on it is gone within {burn.gone}.",
        meaning=Text(
            f"Bad events come {burn.pace}, over {window} and over the shorter window too: it "
            "still goes on. There are enough of them not to be chance.",
            f"Плохие события идут {burn.pace.ru} за {window.ru}, и за короткое окно тоже: это "
            "продолжается. Их достаточно, чтобы это не было случайностью.",
        ),
        impact=Text(
            f"Users feel it. If it goes on, the promise for 30 days is broken within {burn.gone}.",
            "Пользователи это чувствуют. Если так пойдёт и дальше, обещание на 30 дней будет "
            f"нарушено за {burn.gone.ru}.",
        ),
        diagnosis=Text(
            "What counts as bad stands with the objective in the list of objectives. Look when "
            "it began and what changed then: a version, traffic, a part that it depends on. "
            "Other alerts that fire now usually name the cause; exemplars of the objective's "
            "metric lead to traces.",
            "Что считается плохим, написано у цели в списке целей. Посмотрите, когда это "
            "началось и что тогда изменилось: версия, трафик, зависимость. Причину обычно "
            "называют другие алерты, горящие сейчас; точки-примеры (exemplars) метрики ведут к "
            "трассам.",
        ),
        queries=(
            Query(latest(ERROR_RATIO[burn.long]) / latest(ERROR_BUDGET), _LEGEND),
            Query(latest(ERROR_RATIO[burn.short]) / latest(ERROR_BUDGET), _LEGEND),
            Query(latest(BUDGET_REMAINING), _LEGEND),
            Query(latest(OBJECTIVE), _LEGEND),
        ),
        mitigation=Text(
            "Stop the loss first: go back to the version before, switch the part off, add "
            "capacity. Look for the cause afterwards. With a spent budget, changes wait until it "
            "is mended.",
            "Сначала остановите потери: верните прежнюю версию, отключите часть, добавьте "
            "мощности. Причину ищите потом. Если бюджет истрачен, изменения ждут починки.",
        ),
        dashboard="slos",
        inhibited_by=faster,
        inhibited_on=("slo",),
    )


ALERTS = tuple(
    _alert(burn, tuple(each.alert for each in BURNS[:position]))
    for position, burn in enumerate(BURNS)
)
