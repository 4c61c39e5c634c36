# SPDX-License-Identifier: Apache-2.0
"""What becomes of messages that no service could handle."""

from __future__ import annotations

from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase, latest
from services_demo.catalogue import deadletters

_BY = ("messaging.destination.name", "reason")
_QUEUE = "{{messaging_destination_name}}"
_LEGEND = f"{_QUEUE} {{{{reason}}}}"


def letters_waiting(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many dead letters wait for a person, by where and why they died."""
    return Panel(
        title=Text("Dead letters that wait", "Неразобранные «мёртвые письма»"),
        queries=(Query(latest(deadletters.WAITING, by=_BY, fold="max") > 0, _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(1, "warning"),),
        may_be_empty=Text("nothing waits", "разбирать нечего"),
        stacked=True,
    )


def letters_left(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many dead letters wait for a person, in all."""
    return Panel(
        title=Text("Dead letters left to handle", "Осталось разобрать «мёртвых писем»"),
        queries=(Query(latest(deadletters.WAITING, by=_BY[:1], fold="sum"), _QUEUE),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
        thresholds=(Threshold(1, "warning"),),
    )


def letters_age(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long the oldest dead letter has waited."""
    return Panel(
        title=Text("How long has the oldest waited?", "Сколько ждёт самое старое?"),
        queries=(Query(latest(deadletters.OLDEST_AGE, by=_BY[:1], fold="max"), _QUEUE),),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(deadletters.LOOKED_AT_SECONDS, "warning"),),
    )


def letters_kept(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many dead letters came, by where and why they died."""
    return Panel(
        title=Text("What died where, and why?", "Что, где и почему погибло?"),
        queries=(Query(increase(deadletters.KEPT, by=_BY), _LEGEND),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def letters_handled(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many dead letters were replayed and dropped."""
    by = (_BY[0], "action")
    return Panel(
        title=Text("Replayed and dropped", "Отправлено снова и отброшено"),
        queries=(
            Query(
                increase(deadletters.HANDLED, by=by),
                f"{_QUEUE} {{{{action}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )
