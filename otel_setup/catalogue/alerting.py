# SPDX-License-Identifier: Apache-2.0
"""
The types of rules: recordings, alerts with their runbooks, and service level objectives.

An alert is about a symptom that somebody feels, or a cause that will become one. It
carries its whole runbook: rules, documents and the links between them are made from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.model import Recorded
from otel_setup.catalogue.promql import DURATION, Expr

Severity = Literal["critical", "warning", "info"]

_ALERT_NAME = re.compile(r"([A-Z][a-z0-9]+)+[A-Z0-9]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Recorded):
    """A rule that computes ``expr`` and stores it under ``name``, with ``adds`` as labels."""

    expr: Expr
    adds: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        Recorded.__post_init__(self)
        _closed(f"recording {self.name!r}", self.expr)
        if self.expr.unit != self.unit:
            raise ValueError(
                f"recording {self.name!r}: unit={self.unit!r}, its expression is in "
                f"{self.expr.unit!r}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    One alert and its runbook.

    ``critical`` gets a person out of bed, ``warning`` is for working hours, ``info`` goes to a
    machine. ``summary`` and ``description`` are templates of Prometheus; the description shows
    the value. ``lasts`` is how long the condition must hold (``for``). ``inhibited_by`` names
    alerts of whose fault this one is only a consequence, ``inhibited_on`` the labels
    that must then be equal. ``exemplars`` is a selector (a template too) whose exemplars are
    traces of the fault. ``diagnosis`` says where to look, ``queries`` are to be pasted.
    ``urgent`` alerts are told within seconds: Prometheus evaluates them apart from all others
    and much more often, so their expressions must be cheap, and their label ``urgency`` is
    ``now`` for the routes of Alertmanager.

    Raises:
        ValueError: a name, duration or text that breaks the rules; the message names the alert.
    """

    name: str
    expr: Expr
    lasts: str
    severity: Severity
    summary: str
    description: str
    meaning: str
    impact: str
    diagnosis: str
    queries: tuple[Query, ...]
    mitigation: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    rows: tuple[str, ...] = ()
    dashboard: str = ""
    exemplars: str = ""
    keep_firing: str = ""
    urgent: bool = False
    inhibited_by: tuple[str, ...] = ()
    inhibited_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _ALERT_NAME.fullmatch(self.name):
            raise ValueError(
                f"alert name {self.name!r}: expected component and state in capitals, such as "
                "'QueueHasNoConsumers'."
            )
        what = f"alert {self.name!r}"
        _closed(what, self.expr)
        for key in ("lasts", "keep_firing"):
            value = getattr(self, key)
            if value and not DURATION.fullmatch(value):
                raise ValueError(f"{what}: {key}={value!r}: expected a duration such as '2m'.")
        texts = ("summary", "description", "meaning", "impact", "diagnosis", "mitigation")
        for key in texts:
            if not getattr(self, key).strip():
                raise ValueError(f"{what}: {key} is empty. Say it in one or two sentences.")
        if "$value" not in self.description:
            raise ValueError(f"{what}: its description does not show the value, {{{{ $value }}}}.")
        if not self.queries:
            raise ValueError(f"{what}: it has no query to paste. Give at least one.")
        if self.urgent and not self.is_instant:
            raise ValueError(
                f"{what}: urgent=True and lasts={self.lasts!r}: what is told at once cannot wait. "
                "Expected lasts='0s'."
            )

    @property
    def is_instant(self) -> bool:
        """True when the condition need not hold for any time."""
        return not re.search(r"[1-9]", self.lasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """
    A service level objective: the share ``objective`` of all events is good, over 30 days.

    ``bad`` and ``total`` count events with an open window (`increase`, `within`). An alert about
    it needs at least ``at_least`` bad events in its long window, so that one failure in a quiet
    night wakes nobody.

    Raises:
        ValueError: an objective that is no share, a closed window, units that differ.
    """

    name: str
    objective: float
    promise: str
    why: str
    bad: Expr
    total: Expr
    owner: str
    at_least: int = 3
    rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"objective {self.name!r}"
        if not 0 < self.objective < 1:
            raise ValueError(f"{what}: objective={self.objective!r}: expected a share below 1.")
        for expr in (self.bad, self.total):
            if not expr.is_open:
                raise ValueError(f"{what}: {expr.text!r} has a fixed window. Leave out over=.")
        if self.bad.unit != self.total.unit:
            raise ValueError(
                f"{what}: bad events are in {self.bad.unit!r}, all in {self.total.unit!r}."
            )


def _closed(what: str, expr: Expr) -> None:
    if "$" in expr.text:
        raise ValueError(
            f"{what}: {expr.text!r} has an open window or variable. A rule has no dashboard "
            "to fill it: give over='5m'."
        )
