# SPDX-License-Identifier: Apache-2.0
"""One thing that somebody is told, and how Alertmanager's webhook says it (version 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

#: The end of the times that every machine can show.
_LATEST = datetime(3000, 1, 1, tzinfo=UTC).timestamp()

#: Bounds of what is kept of one alert, whatever was sent.
_LONGEST = 2_000
_MOST_LABELS = 64

_LONGEST_SHOWN = 80


class BadWebhookError(ValueError):
    """A body that is no webhook of Alertmanager; the message names the place and its value."""


class Key(NamedTuple):
    """Which alert, and which time that it fired."""

    fingerprint: str
    starts_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """
    One alert from its start to its end; times are seconds since 1970, 0 when not yet.

    ``received_at`` is when the pager first heard of it, ``resolved_at`` when it heard of its
    end. ``traces`` are ids of traces that show the fault, the newest first.
    """

    fingerprint: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    ends_at: float = 0.0
    expression_url: str = ""
    received_at: float = 0.0
    resolved_at: float = 0.0
    traces: tuple[str, ...] = field(default=())

    @property
    def key(self) -> Key:
        """What stays the same from the first word of it to the last."""
        return Key(self.fingerprint, self.starts_at)

    @property
    def firing(self) -> bool:
        """Whether it has not ended."""
        return self.status == "firing"

    @property
    def name(self) -> str:
        """The name of the alert."""
        return self.labels.get("alertname", "an alert without a name")

    @property
    def severity(self) -> str:
        """How bad it is: critical, warning or info."""
        return self.labels.get("severity", "unknown")

    @property
    def team(self) -> str:
        """Who is told."""
        return self.labels.get("team", "nobody")

    @property
    def changed_at(self) -> float:
        """When the pager last heard news of it."""
        return max(self.received_at, self.resolved_at)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON knows it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Notification:
        """Return what `to_json` made *data* of; raises KeyError or TypeError for anything else."""
        return cls(**{**data, "traces": tuple(data["traces"])})


def parse(body: bytes) -> list[Notification]:
    """
    Return the alerts of a webhook's *body*.

    Raises:
        BadWebhookError: the body is no JSON, another version, or lacks something.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadWebhookError(f"the body is no JSON: {error}") from None
    data = _expect(dict, data, "the body", "an object")
    if data.get("version") != "4":
        raise BadWebhookError(
            f"version={_shown(data.get('version'))}: expected '4', the webhook of Alertmanager."
        )
    alerts = _expect(list, data.get("alerts"), "alerts", "a list")
    return [_notification(alert, f"alerts[{place}]") for place, alert in enumerate(alerts)]


def _notification(alert: Any, place: str) -> Notification:
    alert = _expect(dict, alert, place, "an object")
    status = alert.get("status")
    if status not in ("firing", "resolved"):
        raise BadWebhookError(f"{place}.status={_shown(status)}: expected 'firing' or 'resolved'.")
    ends_at = _time(alert.get("endsAt", "0001-01-01T00:00:00Z"), f"{place}.endsAt")
    url = _expect(str, alert.get("generatorURL", ""), f"{place}.generatorURL", "a text")
    return Notification(
        fingerprint=_expect(str, alert.get("fingerprint"), f"{place}.fingerprint", "a text")[:64],
        status=status,
        labels=_texts(alert.get("labels"), f"{place}.labels"),
        annotations=_texts(alert.get("annotations", {}), f"{place}.annotations"),
        starts_at=_time(alert.get("startsAt"), f"{place}.startsAt"),
        ends_at=ends_at if status == "resolved" else 0.0,
        # A link that was cut leads nowhere.
        expression_url=url if len(url) <= 4 * _LONGEST else "",
    )


def _texts(given: Any, place: str) -> dict[str, str]:
    texts = _expect(dict, given, place, "an object")
    kept = islice(sorted(texts.items()), _MOST_LABELS)
    return {
        _clipped(key): _clipped(_expect(str, value, f"{place}.{_clipped(key)}", "a text"))
        for key, value in kept
    }


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _time(given: Any, place: str) -> float:
    text = _expect(str, given, place, "a time")
    seconds = _since_1970(text)
    if seconds is None or seconds > _LATEST:
        raise BadWebhookError(
            f"{place}={_shown(text)}: expected a time like '2030-01-31T12:00:00.5Z'."
        )
    # The first year is how Alertmanager says that a time is not known.
    return max(seconds, 0.0)


def _since_1970(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _expect(kind: type, given: Any, place: str, what: str) -> Any:
    if isinstance(given, kind):
        return given
    raise BadWebhookError(f"{place}={_shown(given)}: expected {what}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
