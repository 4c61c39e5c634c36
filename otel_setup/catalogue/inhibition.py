# SPDX-License-Identifier: Apache-2.0
"""What may hold back what: an alert that is silent by mistake is a fault that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_setup.catalogue.alerting import Alert

#: The more people a severity tells, the higher.
_RANK = {"info": 0, "warning": 1, "critical": 2}


def problems(alerts: Mapping[str, Alert]) -> Iterator[str]:
    """Yield what is wrong with ``inhibited_by`` of *alerts*; unknown names are passed over."""
    told: set[str] = set()
    for name, alert in alerts.items():
        for cause in (alerts[each] for each in alert.inhibited_by if each in alerts):
            if _RANK[cause.severity] < _RANK[alert.severity]:
                yield (
                    f"alert {name!r} is {alert.severity} and held back by {cause.name!r}, which "
                    f"is only {cause.severity}: nobody would be told in time. Raise the one, "
                    "lower the other, or remove it from inhibited_by."
                )
        circle = _circle(name, alerts)
        if circle and not told & circle:
            yield (
                f"alerts {', '.join(sorted(circle))} hold each other back: if they fire together, "
                "nobody is told. Remove one inhibited_by."
            )
            told |= circle


def _circle(name: str, alerts: Mapping[str, Alert]) -> set[str]:
    """Return the alerts on a way from *name* back to it; none if there is no such way."""
    return {each for each in _causes(name, alerts) if name in _causes(each, alerts)}


def _causes(name: str, alerts: Mapping[str, Alert]) -> set[str]:
    found: set[str] = set()
    new = {name}
    while new:
        new = {
            cause for each in new if each in alerts for cause in alerts[each].inhibited_by
        } - found
        found |= new
    return found
