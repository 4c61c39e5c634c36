# SPDX-License-Identifier: Apache-2.0
"""What the guide to RabbitMQ says is so: names of metrics and alerts, destinations, its program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_setup.catalogue import messaging
from otel_setup.catalogue.whole import Catalogue
from otel_setup.instrumentation.messaging.naming import Naming

GUIDE = (Path(__file__).parents[1] / "docs" / "rabbitmq.md").read_text()
_PATTERNS = re.findall(r"^OTEL_SETUP_ROUTING_KEYS='(.+)'$", GUIDE, re.MULTILINE)

#: Exchange, routing key, queue, and what they are called.
_DESTINATION = re.compile(
    r"^\| (?:`([^`]+)`|the default one), `([^`]+)`, (?:`([^`]+)`|the same) \| `([^`]+)` \|$",
    re.MULTILINE,
)


def section(title: str) -> str:
    """Return the part of the guide under *title*."""
    return GUIDE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_metric_of_clients_is_asked_for_by_somebody() -> None:
    """The table of questions has all of them, and no others."""
    named = set(re.findall(r"`(messaging\.[a-z_.]+)`", section("Metrics")))
    assert named - {"messaging.destination.name"} == {each.name for each in messaging.METRICS}


def test_every_alert_about_messages_is_in_the_guide() -> None:
    """And those that are there exist."""
    told = re.findall(r"\[([A-Za-z]+)\]\(", section("Alerts and dashboards"))
    assert set(told) - {"EventHandlingFails"} == {alert.name for alert in messaging.ALERTS}


@pytest.mark.parametrize(("exchange", "key", "queue", "called"), _DESTINATION.findall(GUIDE))
def test_a_destination_is_called_what_the_guide_says(
    exchange: str, key: str, queue: str, called: str
) -> None:
    """With the patterns that it sets."""
    naming = Naming(_PATTERNS[0].split(","))
    assert naming.received(exchange, key, queue or key).template == called


def test_the_guide_shows_six_destinations() -> None:
    """A line that is written otherwise would not be tried."""
    assert len(_DESTINATION.findall(GUIDE)) == 6


def test_the_catalogue_of_the_guide_is_one() -> None:
    """As it stands there."""
    (program,) = (
        text
        for text in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
        if "CATALOGUE" in text
    )
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102 - that it runs is what is tested
    made = names["CATALOGUE"]
    assert isinstance(made, Catalogue)
    assert "ClockSkewed" not in made.alerts
    assert "> 60" in made.alerts["MessagesWaitLong"].expr.text
