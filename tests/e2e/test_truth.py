# SPDX-License-Identifier: Apache-2.0
"""What dashboards, rules and documents say is true of the running company."""

from __future__ import annotations

import json
import math
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import yaml

from e2e.running import Stack, poll_until
from e2e.units import unit
from otel_setup.catalogue.boards import Panel, Query, Section
from otel_setup.catalogue.model import Histogram, Metric, Recorded
from otel_setup.catalogue.promql import written
from otel_setup.catalogue.whole import Catalogue, CatalogueError, Component
from otel_setup.cli import main
from otel_setup.live import check, report
from otel_setup.live.api import Prometheus, Sample
from otel_setup.live.findings import Finding, Level
from otel_setup.live.observe import WINDOWS
from otel_setup.live.syntax import closed
from services_demo.catalogue.company import CATALOGUE
from services_demo.stack.layout import REPOSITORY
from services_demo.traffic.order import FollowedOrder
from tests.live_world import TREES_FILE

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

#: What arrives late: a rate over five minutes, a scan of the storage.
_SECONDS = 60

#: The traffic beside these tests ends with them; this is for the case that nobody ends it.
_AT_WORK_SECONDS = 900

#: Until every kind of request has been made more than once.
_WARM_SECONDS = 20

_BOARDS = [
    json.loads(path.read_text())
    for path in sorted((REPOSITORY / "docker/grafana/dashboards").glob("*.json"))
]
_PANELS = [
    (f"{board['uid']}: {panel['title']}", panel)
    for board in _BOARDS
    for panel in board["panels"]
    if panel.get("targets")
]
_RULES = [
    rule
    for path in sorted((REPOSITORY / "docker/prometheus/rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
_NAMES = [f"{rule.get('alert') or rule['record']}" for rule in _RULES]


#: One triangle: a file that can be read and has no volume, so no price.
_OPEN_MODEL = b"""solid open
facet normal 0 0 1
outer loop
vertex 0 0 0
vertex 9 0 0
vertex 0 9 0
endloop
endfacet
endsolid open
"""


@pytest.fixture(scope="module", name="working")
def _working(stack: Stack) -> Iterator[None]:
    """Traffic while these tests run: without any, a rate of the last minute has no data."""
    with subprocess.Popen(
        stack.traffic(_AT_WORK_SECONDS),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as traffic:
        try:
            time.sleep(_WARM_SECONDS)
            yield
        finally:
            traffic.terminate()
            traffic.wait(timeout=30)


@pytest.fixture(scope="module", name="prometheus")
def _prometheus(stack: Stack, busy: FollowedOrder, working: None) -> Prometheus:
    """The Prometheus of a company at work, where some things went wrong."""
    assert working is None
    with stack.customer("mistaken@example.com") as customer:
        model = customer.post("/models?filename=open.stl", content=_OPEN_MODEL).json()["model_id"]
        for wish in (str(uuid.uuid4()), model):
            customer.post("/orders", json={"model_id": wish, "material": "gold", "quantity": 1})
    with stack.operator("first-operator") as operator:
        path = f"/operator/orders/{busy.order_id}/state"
        assert operator.post(path, json={"state": "claimed"}).status_code == 409
    return Prometheus(stack.url("prometheus"))


def _answer(prometheus: Prometheus, text: str) -> list[Sample]:
    """Ask with the shortest window that has data."""
    for window in WINDOWS:
        samples = prometheus.query(closed(text, window))
        if samples:
            break
    return samples


def _violations(prometheus: Prometheus, catalogue: Catalogue) -> list[Finding]:
    found, _ = check.run(prometheus, catalogue)
    return [each for each in found if each.level is Level.VIOLATION]


@pytest.fixture(scope="module", name="sound")
def _sound(prometheus: Prometheus) -> Prometheus:
    """The same, of which the catalogue is true: what a changed catalogue shows is the change."""
    deadline = time.monotonic() + _SECONDS
    while (found := _violations(prometheus, CATALOGUE)) and _may_pass(found):
        if time.monotonic() > deadline:
            break
        time.sleep(2)
    assert found == [], "\n" + report.table(found, {})
    return prometheus


def _may_pass(violations: list[Finding]) -> bool:
    """Tell whether waiting is of use: what is there and wrong does not become right."""
    return any(each.check in {"arrivals", "panels", "rules"} for each in violations)


def test_the_live_check_finds_no_violation(
    sound: Prometheus, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that a user types says the same."""
    arguments = ["--catalogue", "services_demo.catalogue.company", "--prometheus", sound.url]

    code = main(["live-check", *arguments])

    assert (code, "found: 0 violations" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize(
    "promql",
    [
        "sum(shop_order_errors_total)",
        "sum(mes_order_transition_errors_total)",
        'sum(mes_price_calculations_total{outcome="error", error_type="CannotPrice"})',
    ],
)
def test_what_went_wrong_is_counted(prometheus: Prometheus, promql: str) -> None:
    """An unknown model, an illegal change of state, a model without a price."""
    seen = poll_until(
        lambda: [sample.value for sample in prometheus.query(promql)],
        lambda values: values > [0],
        promql,
        30,
    )

    assert seen > [0]


@pytest.mark.parametrize(
    "panel", [panel for _, panel in _PANELS], ids=[name for name, _ in _PANELS]
)
def test_a_panel_has_data_or_its_reason(prometheus: Prometheus, panel: dict[str, Any]) -> None:
    """Each query of each panel gives a number, unless the panel says why it may not."""
    texts = [target["expr"] for target in panel["targets"]]
    reason = panel["fieldConfig"]["defaults"].get("noValue", "")

    def empty() -> list[str]:
        answers = {text: _answer(prometheus, text) for text in texts}
        return [
            text
            for text, samples in answers.items()
            if all(math.isnan(sample.value) for sample in samples)
        ]

    if reason:
        assert isinstance(empty(), list)  # evaluated, at least
        return
    assert poll_until(empty, lambda texts: not texts, f"data of {panel['title']!r}", 30) == []


@pytest.mark.parametrize(
    "panel", [panel for _, panel in _PANELS], ids=[name for name, _ in _PANELS]
)
def test_the_unit_of_a_panel_is_that_of_its_names(
    prometheus: Prometheus, panel: dict[str, Any]
) -> None:
    """Where the names of metrics tell a unit, the panel shows that."""
    shown = panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        told = unit(prometheus.parse(closed(target["expr"], WINDOWS[0])))

        assert told is None or shown in told


@pytest.mark.parametrize("rule", _RULES, ids=_NAMES)
def test_a_rule_evaluates(prometheus: Prometheus, rule: dict[str, Any]) -> None:
    """Prometheus takes the expression and has no error on live data."""
    assert isinstance(prometheus.query(rule["expr"]), list)


def test_every_rule_is_loaded_and_healthy(prometheus: Prometheus) -> None:
    """What Prometheus evaluates is what is committed, and nothing fails."""
    groups = poll_until(
        lambda: prometheus.get("rules")["groups"],
        lambda groups: all(
            rule["health"] != "unknown" for each in groups for rule in each["rules"]
        ),
        "all rules to be evaluated",
        _SECONDS,
    )
    loaded = [rule for group in groups for rule in group["rules"]]

    assert sorted(rule["name"] for rule in loaded) == sorted(_NAMES)
    assert [(rule["name"], rule["lastError"]) for rule in loaded if rule["health"] != "ok"] == []


def test_dashboards_and_rules_were_read() -> None:
    """An empty folder would make every test above pass."""
    assert {board["uid"] for board in _BOARDS} == {board.slug for board in CATALOGUE.dashboards}
    assert len(_PANELS) == sum(len(board.panels) for board in CATALOGUE.dashboards)
    assert {rule["alert"] for rule in _RULES if "alert" in rule} == CATALOGUE.alerts.keys()


def _changed(change: Callable[[Component], Component]) -> Catalogue:
    """Return the catalogue with each component as *change* makes it."""
    return replace(CATALOGUE, components=tuple(map(change, CATALOGUE.components)))


def _with(entry: Metric) -> Catalogue:
    """Return the catalogue with another *entry* of the same name."""
    return _changed(
        lambda component: replace(
            component,
            metrics=tuple(
                entry if metric.name == entry.name else metric for metric in component.metrics
            ),
        )
    )


def _without(name: str) -> Catalogue:
    """
    Return the catalogue without the metric *name* and the panels that read it.

    Raises:
        CatalogueError: something else reads it, or an answer is missing then.
    """
    boards = []
    for board in CATALOGUE.dashboards:
        sections = [
            replace(each, panels=tuple(panel for panel in each.panels if name not in panel.metrics))
            for each in board.sections
        ]
        boards.append(replace(board, sections=tuple(each for each in sections if each.panels)))
    return replace(
        CATALOGUE,
        dashboards=tuple(boards),
        components=tuple(
            replace(part, metrics=tuple(each for each in part.metrics if each.name != name))
            for part in CATALOGUE.components
        ),
    )


def _that_can_be_left_out() -> Iterator[tuple[Metric, Catalogue]]:
    """Yield metrics that nothing but panels of their own needs, each with the rest."""
    for metric in CATALOGUE.metrics.values():
        if not metric.rare and not isinstance(metric, Recorded):
            with suppress(CatalogueError):
                yield metric, _without(metric.name)


def _brief(found: list[Finding]) -> Iterator[tuple[str, str, str]]:
    for each in found:
        yield each.check, each.about, each.seen


def test_a_metric_without_an_entry_is_found(sound: Prometheus) -> None:
    """The catalogue without one metric gives just that finding."""
    metric, smaller = next(_that_can_be_left_out())

    found = _violations(sound, smaller)

    assert [(each.check, each.about) for each in found] == [("arrivals", metric.series[0])]
    assert found[0].seen.endswith("and has no entry")


def test_a_label_without_a_meaning_is_found(sound: Prometheus) -> None:
    """An entry that lost a label which no expression uses gives just that finding."""
    metric = CATALOGUE.metrics["http.server.request.duration"]
    kept = {k: v for k, v in metric.attributes.items() if k != "network.protocol.version"}

    found = _violations(sound, _with(replace(metric, attributes=kept)))

    assert list(_brief(found)) == [
        (
            "labels",
            "http.server.request.duration",
            "label 'network_protocol_version' is not listed; its values: 1.1",
        )
    ]


def test_other_buckets_are_found(sound: Prometheus) -> None:
    """An entry with one bound less gives a finding for each job that sends it, and no other."""
    metric = CATALOGUE.metrics["mes.price_calculation.duration"]
    assert isinstance(metric, Histogram)

    found = _violations(sound, _with(replace(metric, buckets=metric.buckets[:-1])))

    assert {(each.check, each.about) for each in found} == {("kinds", metric.name)}


def test_a_misspelt_metric_is_found(sound: Prometheus) -> None:
    """A panel that reads mes_ordrs is empty, and the name is no entry."""
    expr = written("mes_ordrs", "{order}", CATALOGUE.metrics["mes.orders"])
    wrong = Section(title="Wrong", panels=(Panel(title="Misspelt", queries=(Query(expr),)),))
    first, *others = CATALOGUE.dashboards
    board = replace(first, sections=(*first.sections, wrong))

    found = _violations(sound, replace(CATALOGUE, dashboards=(board, *others)))

    assert list(_brief(found)) == [
        ("panels", f"{first.slug}: Misspelt", "no data: mes_ordrs"),
        ("reads", f"panel {first.slug}: Misspelt", "reads 'mes_ordrs', which is no entry"),
    ]


def test_a_rule_that_changed_is_found(sound: Prometheus) -> None:
    """An alert that the catalogue gives another time gives just that finding."""
    alert = next(iter(CATALOGUE.alerts.values()))
    slower = replace(alert, lasts="47m")
    changed = _changed(
        lambda component: replace(
            component,
            alerts=tuple(slower if each is alert else each for each in component.alerts),
        )
    )

    (found,) = _violations(sound, changed)

    assert (found.check, found.about) == ("rules", alert.name)
    assert found.seen.startswith("is loaded with another for:")


def test_the_trees_of_the_unit_tests_are_those_of_this_prometheus(stack: Stack) -> None:
    """Unit tests judge trees that were kept; ``python tests/live_world.py URL`` renews them."""
    prometheus = Prometheus(stack.url("prometheus"))
    kept = json.loads(TREES_FILE.read_text())

    assert {text: prometheus.parse(text) for text in kept} == kept
