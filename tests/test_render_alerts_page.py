# SPDX-License-Identifier: Apache-2.0
"""The page of the alerts: a runbook for each, who is told, and what is promised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_setup.render import alerts_page, objectives_table
from otel_setup.render.documents import pages
from otel_setup.render.language import ENGLISH
from tests.documented_bakery import FRESH, MADE, WHOLE
from tests.page_reading import section
from tests.sample_catalogue import CATALOGUE, COLD


def test_a_runbook_has_everything_that_the_person_on_duty_needs() -> None:
    """Open windows are filled, so that a query can be pasted as it is."""
    assert section(pages(WHOLE)["alerts.md"], "### BakingIsSlow") == (
        """
`warning`, team `sales`.

**Notification.** Oven *oven* bakes slowly. Baking takes *value*.

**Meaning.** Baking takes over half an hour.

**Impact.** Customers wait.

**Diagnosis.** Is the oven cold?

```promql
histogram_quantile(
  0.95, sum by (le, oven) (rate(bakery_baking_duration_seconds_bucket[5m]))
)
```

**Mitigation.** Bake less at once.

**Rule.** Fires at once, and goes on for 3m after it ends:

```promql
histogram_quantile(
  0.95, sum by (le, oven) (rate(bakery_baking_duration_seconds_bucket[10m]))
)
> 1800
```

- Labels: `severity=warning`, `team=sales`, `component=shop`
- Held back by: [OvenIsCold](#oveniscold), on equal `oven`
- Dashboard: [Bakery](http://127.0.0.1:3000/d/bakery)
- Reads: [`bakery_baking_duration_seconds`](metrics.md#bakery_baking_duration_seconds)
- Answers: [B1](metrics.md#question-B1)
""".strip("\n")
    )


def test_a_runbook_in_russian_says_the_same() -> None:
    """The notification stays as it is sent."""
    page = section(pages(CATALOGUE)["ru/alerts.md"], "### OvenIsCold")
    assert [line for line in page.splitlines() if line.startswith(("**", "- "))] == [
        "**Уведомление.** Oven *oven* is cold. Its heat is *value* of the most for 2 minutes.",
        "**Что произошло.** Печь остыла.",
        "**На что влияет.** Хлеба нет.",
        "**Диагностика.** Проверьте огонь.",
        "**Что делать.** Разожгите.",
        "**Правило.** Срабатывает, если условие держится 2m:",
        "- Ярлыки: `severity=critical`, `team=bakers`, `component=oven`",
        "- Дашборд: [Bakery](http://127.0.0.1:3000/d/bakery)",
        (
            "- Трассы: примеры (exemplars) ряда "
            '`bakery_baking_duration_seconds_bucket{oven="{{ $labels.oven }}"}`'
        ),
        "- Читает: [`oven_heat_ratio`](metrics.md#oven_heat_ratio)",
    ]


def test_the_gravest_alerts_stand_first() -> None:
    """The overview is ordered by severity, then as the catalogue is."""
    assert section(pages(CATALOGUE)["alerts.md"], "## Overview").splitlines()[2:] == [
        "| [OvenIsCold](#oveniscold) | `critical` | `bakers` | Oven *oven* is cold. | 2m |",
        "| [BakingIsSlow](#bakingisslow) | `warning` | `sales` | Oven *oven* bakes slowly. | 5m |",
    ]


def test_it_is_said_which_alerts_hold_others_back() -> None:
    """Whoever misses a notification finds out why it was not sent."""
    assert section(pages(CATALOGUE)["alerts.md"], "## Who is told").splitlines()[-1] == (
        "| [BakingIsSlow](#bakingisslow) | [OvenIsCold](#oveniscold) | `oven` |"
    )


def test_a_label_of_the_alert_wins_over_the_team_of_its_component() -> None:
    """The page names whom the rule names."""
    lent = replace(COLD, labels={"team": "smiths"})
    other = replace(CATALOGUE.components[1], alerts=(lent,))
    page = alerts_page.page(
        replace(CATALOGUE, components=(CATALOGUE.components[0], other)), ENGLISH
    )
    assert section(page, "### OvenIsCold").startswith("`critical`, team `smiths`.\n")


def test_a_team_that_depends_on_a_label_names_the_label() -> None:
    """A template of Prometheus is nothing that a person reads."""
    lent = replace(COLD, labels={"team": '{{ reReplaceAll "[.].*" "" $labels.oven }}'})
    other = replace(CATALOGUE.components[1], alerts=(lent,))
    page = alerts_page.page(
        replace(CATALOGUE, components=(CATALOGUE.components[0], other)), ENGLISH
    )
    assert section(page, "### OvenIsCold").startswith("`critical`, team by *oven*.\n")


@pytest.mark.parametrize(
    ("objective", "expected"),
    [(0.999, (43.2, 1000)), (0.99, (432.0, 10_000)), (0.95, (2160.0, 50_000))],
)
def test_the_budget_is_what_the_objective_leaves(
    objective: float, expected: tuple[float, int]
) -> None:
    """Minutes of 30 days, and events of a million."""
    assert objectives_table.budget(replace(FRESH, objective=objective)) == expected


def test_an_objective_shows_its_budget() -> None:
    """A share tells few people anything; minutes do."""
    line = section(pages(WHOLE)["alerts.md"], "## Objectives").splitlines()[4]
    assert line == (
        "| [`fresh-bread`](#slo-fresh-bread) | Bread is fresh. | Old bread comes back. "
        "| `sales` | 99.9 % | 43.2 | 1000 | 3 |"
    )


def test_an_objective_shows_what_it_counts() -> None:
    """Bad events and all, over the time of the promise, and the question behind it."""
    assert section(pages(WHOLE)["alerts.md"], "### `fresh-bread`") == (
        """
bad events:

```promql
sum(increase(bakery_breads_sold_total{flour="rye"}[30d]))
```

all events:

```promql
sum(increase(bakery_breads_sold_total[30d]))
```

Answers: [B1](metrics.md#question-B1)
""".strip("\n")
    )


def test_it_is_said_when_an_alert_about_a_budget_fires() -> None:
    """The factors and windows are those of the rules."""
    lines = section(MADE["alerts.md"], "## Objectives").splitlines()
    assert [line for line in lines if "alerts.md" in line or "[Slo" in line] == [
        "| [SloBurnsFast](#sloburnsfast) | `critical` | 14.4 | 1h | 5m |",
        "| [SloBurns](#sloburns) | `critical` | 6 | 6h | 30m |",
        "| [SloBurnsSlowly](#sloburnsslowly) | `warning` | 3 | 1d | 2h |",
        "| [SloBurnsVerySlowly](#sloburnsveryslowly) | `warning` | 1 | 3d | 6h |",
    ]
