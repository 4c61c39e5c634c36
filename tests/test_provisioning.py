# SPDX-License-Identifier: Apache-2.0
"""What Grafana is given at its start: data sources and where the dashboards are."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.composed import DOCKER, SERVICES, binds


def _provisioning() -> list[Path]:
    return sorted((DOCKER / "grafana" / "provisioning").glob("*/*.yml"))


def test_every_variable_of_the_provisioning_is_set() -> None:
    """Grafana would take a variable that is not set for an empty text."""
    values = "\n".join(
        line
        for path in _provisioning()
        for line in path.read_text().splitlines()
        if not line.lstrip().startswith("#")
    )
    used = set(re.findall(r"(?<!\$)\$(\w+)", values))

    assert used
    assert used <= SERVICES["grafana"]["environment"].keys()


def test_an_exemplar_leads_to_its_trace() -> None:
    """By the label that the SDK gives it: to the page of the store, and into Grafana."""
    text = (DOCKER / "grafana/provisioning/datasources/sources.yml").read_text()
    sources = {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}
    ways = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]

    assert {way["name"] for way in ways} == {"trace_id"}
    assert [way.get("url") or way["datasourceUid"] for way in ways] == [
        "$TRACES_PAGE/$${__value.raw}",
        "traces",
    ]
    assert sources.keys() == {"prometheus", "traces", "alertmanager"}


def test_dashboards_are_found_where_they_are_mounted() -> None:
    """The provider's folder is the one with the rendered dashboards; nobody edits them there."""
    text = (DOCKER / "grafana/provisioning/dashboards/provider.yml").read_text()
    (provider,) = yaml.safe_load(text)["providers"]
    grafana = SERVICES["grafana"]

    assert provider["options"]["path"] == "$DASHBOARDS_PATH"
    assert provider["allowUiUpdates"] is False
    assert (
        "./grafana/dashboards",
        grafana["environment"]["DASHBOARDS_PATH"],
        "ro",
    ) in binds(grafana)
