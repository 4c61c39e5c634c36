# SPDX-License-Identifier: Apache-2.0
"""What the guide to S3 says is so: names, bounds, its program; its queries are tried live."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_setup.catalogue import s3
from otel_setup.catalogue.alerts.s3 import (
    FAILING_SHARE,
    FAULT,
    RETRIED_SHARE,
    SLOW_ANSWER_SECONDS,
    THROTTLED_SHARE,
)
from otel_setup.catalogue.entries.s3 import TRANSFER_DURATION
from otel_setup.catalogue.whole import Catalogue
from otel_setup.settings import VARIABLES

GUIDE = (Path(__file__).parents[1] / "docs" / "s3.md").read_text()


def section(title: str) -> str:
    """Return the part of the guide under *title*."""
    return GUIDE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_metric_of_clients_is_asked_for_by_somebody() -> None:
    """The table of questions has all of them, and no others."""
    table = [line for line in section("Metrics").splitlines() if line.startswith("| ")]
    named = set(re.findall(r"`(aws\.[a-z0-9_.]+)`", "\n".join(table)))
    assert named == {each.name for each in s3.METRICS}


def test_every_outcome_of_a_transfer_is_explained() -> None:
    """In the order of the catalogue."""
    outcomes = TRANSFER_DURATION.attributes["aws.s3.transfer.outcome"].values
    rows = re.findall(r"^\| `([a-z]+)` \|", section("Metrics"), re.MULTILINE)
    assert tuple(rows) == outcomes


def test_every_alert_about_s3_is_in_the_guide() -> None:
    """And those that are there exist."""
    told = re.findall(r"\[([A-Za-z0-9]+)\]\(alerts\.md", section("Alerts and dashboards"))
    assert told == [alert.name for alert in s3.ALERTS]


def test_the_bounds_are_those_of_the_alerts() -> None:
    """A number that changes there changes here."""
    text = section("Alerts and dashboards")
    assert f"over {FAILING_SHARE:.0%}".replace("%", " %") in text
    assert f"over {THROTTLED_SHARE:.0%}".replace("%", " %") in text
    assert RETRIED_SHARE == 0.1
    assert "over one retry for ten calls" in text
    assert f"over {SLOW_ANSWER_SECONDS:g} s" in text
    assert f"below {s3.SLOW_SPEED / 1000:g} kB/s" in text


def test_the_expected_answers_are_those_that_alerts_leave_out() -> None:
    """All that the guide names, and the patterns match nothing that it does not."""
    ((_label, matcher),) = FAULT.items()
    line = next(each for each in GUIDE.splitlines() if each.startswith("`BucketAlreadyOwned"))
    named = re.findall(r"`([A-Za-z]+)`", line)
    patterns = [each for each in matcher.removeprefix("!~").split("|") if not each.isdigit()]
    assert all(re.fullmatch(matcher.removeprefix("!~"), name) for name in named)
    assert [
        each for each in patterns if each and not any(re.fullmatch(each, name) for name in named)
    ] == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"OTEL_SETUP_[A-Z0-9_]+", GUIDE))))
def test_a_variable_that_the_guide_names_is_one(name: str) -> None:
    """It is set as the guide says."""
    assert name in {each.name for each in VARIABLES}


def test_the_catalogue_of_the_guide_is_one() -> None:
    """As it stands there."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(program, names)  # noqa: S102 - that it runs is what is tested
    made = names["CATALOGUE"]
    assert isinstance(made, Catalogue)
    assert "< 2e+06" in made.alerts["S3TransfersSlow"].expr.text
