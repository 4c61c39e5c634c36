# SPDX-License-Identifier: Apache-2.0
"""
Who sends the requests: the busiest users by their pseudonyms, of services that say who calls.

*job* is the name of one service, or a regular expression after ``~``. One who knows the key finds
out whose pseudonym it is: HMAC-SHA256 of the id, its first 16 hexadecimal digits.
"""

from __future__ import annotations

from otel_setup.catalogue.alerts.users import FLOODING_SHARE
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.http import USER_REQUESTS
from otel_setup.catalogue.jobs import legend, of
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, highest, rate, written

__all__ = ["busiest", "groups", "share"]

_HASH, _GROUP = "user.hash", "user.group"
_NO_USERS = Text("no service says who calls", "ни один сервис не называет, кто зовёт")


def busiest(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many requests each of the ten busiest users sends."""
    each = rate(USER_REQUESTS, by=["job", _HASH, _GROUP], where=of(job, **{_HASH: "!other"}))
    return Panel(
        title=title or Text("Who sends the most requests?", "Кто шлёт больше всех запросов?"),
        queries=(Query(highest(10, each), legend(job, "{{user_hash}} {{user_group}}")),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_USERS,
    )


def share(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return which share of all requests the busiest user sends."""
    each = rate(USER_REQUESTS, by=["job", _HASH], where=of(job, **{_HASH: "!other"}))
    every = rate(USER_REQUESTS, by=["job"], where=of(job))
    most = _most(each)
    return Panel(
        title=title or Text("What share has the busiest?", "Какая доля у самого активного?"),
        queries=(Query(most / (every > 0), legend(job, "busiest user")),),
        why=Text(
            "One of many users has a small share. Who has half of all requests is a robot, a "
            "client that tries again for ever, or somebody who collects our data.",
            "У одного из многих доля мала. Половина всех запросов бывает у робота, у клиента, "
            "который без конца повторяет попытки, или у того, кто собирает наши данные.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FLOODING_SHARE, "warning"),),
        most=1,
        may_be_empty=_NO_USERS,
    )


def groups(job: str, *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = "") -> Panel:
    """Return how many requests each kind of user sends."""
    return Panel(
        title=title or Text("Requests by kind of user", "Запросы по видам пользователей"),
        queries=(
            Query(
                rate(USER_REQUESTS, by=["job", _GROUP], where=of(job)),
                legend(job, "{{user_group}}"),
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_USERS,
    )


def _most(each: Expr) -> Expr:
    return written(f"max by (job) ({each.text})", each.unit, USER_REQUESTS)
