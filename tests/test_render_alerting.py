# SPDX-License-Identifier: Apache-2.0
"""The configuration of Alertmanager, rendered from the catalogue of a bakery."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import built
import pytest
import sample_catalogue as sample
import yaml

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.whole import Catalogue, CatalogueError
from otel_setup.render import alerting
from otel_setup.render.page import RenderError

BAKERY = sample.CATALOGUE
SHOP, OVEN = BAKERY.components


_ROUTES = """\
route: {receiver: night}
receivers:
  - name: night
time_intervals:
  - name: early
    time_intervals:
      - times: [{start_time: 03:00, end_time: 05:30}]
"""


def alertmanager(catalogue: Catalogue = BAKERY, routes: str = _ROUTES) -> dict[str, Any]:
    """Return the configuration as Alertmanager reads it."""
    return yaml.safe_load(alerting.pages(catalogue, routes)["alertmanager/alertmanager.yml"])


def test_a_consequence_is_held_back_by_its_cause() -> None:
    """For the same oven only."""
    assert alertmanager()["inhibit_rules"] == [
        {
            "source_matchers": ['alertname="OvenIsCold"'],
            "target_matchers": ['alertname="BakingIsSlow"'],
            "equal": ["oven"],
        }
    ]


def test_several_causes_are_one_rule() -> None:
    """Any of them holds it back."""
    fire = dataclasses.replace(sample.COLD, name="FireIsOut")
    slow = dataclasses.replace(sample.SLOW, inhibited_by=("OvenIsCold", "FireIsOut"))
    parts = (
        dataclasses.replace(SHOP, alerts=(slow,)),
        dataclasses.replace(OVEN, alerts=(sample.COLD, fire)),
    )
    (rule,) = alertmanager(dataclasses.replace(BAKERY, components=parts))["inhibit_rules"]
    assert rule["source_matchers"] == ['alertname=~"OvenIsCold|FireIsOut"']


def test_hand_written_inhibitions_stay() -> None:
    """They stand first; those of the catalogue follow."""
    own = 'inhibit_rules: [{source_matchers: [a="b"], target_matchers: [c="d"]}]\n'
    found = alertmanager(routes=own + _ROUTES)["inhibit_rules"]
    assert (len(found), found[0]) == (
        2,
        {"source_matchers": ['a="b"'], "target_matchers": ['c="d"']},
    )


def test_routes_come_through_as_they_were_written() -> None:
    """A time of day stays one."""
    page = alerting.pages(BAKERY, _ROUTES)["alertmanager/alertmanager.yml"]
    assert "start_time: 03:00\n" in page
    found = alertmanager()
    assert (found["route"], found["receivers"]) == ({"receiver": "night"}, [{"name": "night"}])


def test_without_routes_nobody_is_told_and_the_file_says_so() -> None:
    """Alertmanager still shows on its page what fires."""
    page = alerting.pages(BAKERY)["alertmanager/alertmanager.yml"]
    assert "# No routes were given, so nobody is told: write routes.yml beside this file.\n" in page
    assert alertmanager(routes="")["receivers"] == [{"name": "nobody"}]


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("route: {receiver: x}", "routes.yml: it has no 'receivers'."),
        ("receivers: [{name: x}]", "routes.yml: it has no 'route'."),
        ("- x", "routes.yml: expected keys such as 'route:', found ['x']."),
        ("route: [", "routes.yml: it is no YAML: "),
    ],
)
def test_wrong_routes_are_refused(routes: str, expected: str) -> None:
    """The message names the file and what it lacks."""
    with pytest.raises(RenderError) as raised:
        alerting.pages(BAKERY, routes)
    assert str(raised.value).startswith(expected)


def held_back(cause: Alert, consequence: Alert) -> list[str]:
    """Return what is said of a bakery with these two alerts of the oven."""
    shop = dataclasses.replace(SHOP, alerts=(consequence,))
    oven = dataclasses.replace(OVEN, alerts=(cause,))
    with pytest.raises(CatalogueError) as raised:
        dataclasses.replace(BAKERY, components=(shop, oven))
    return [line.strip() for line in str(raised.value).splitlines()[1:]]


def test_a_warning_does_not_hold_back_what_is_critical() -> None:
    """Nobody would be told at night."""
    assert held_back(dataclasses.replace(sample.COLD, severity="info"), sample.SLOW) == [
        (
            "alert 'BakingIsSlow' is warning and held back by 'OvenIsCold', which is only info: "
            "nobody would be told in time. Raise the one, lower the other, or remove it from "
            "inhibited_by."
        )
    ]


def test_alerts_do_not_hold_each_other_back() -> None:
    """Fired together, both would be silent."""
    cause = dataclasses.replace(
        sample.COLD, inhibited_by=("BakingIsSlow",), severity=sample.SLOW.severity
    )
    assert held_back(cause, sample.SLOW) == [
        (
            "alerts BakingIsSlow, OvenIsCold hold each other back: if they fire together, nobody "
            "is told. Remove one inhibited_by."
        )
    ]


@pytest.mark.stack
def test_alertmanager_accepts_what_is_rendered(tmp_path: Path) -> None:
    """Times of day included."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(alerting.pages(BAKERY, _ROUTES)["alertmanager/alertmanager.yml"])
    found = built.run("amtool", "check-config", path)
    assert (found.returncode, " - 1 inhibit rules" in found.stdout) == (0, True)
