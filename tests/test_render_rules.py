# SPDX-License-Identifier: Apache-2.0
"""Rules of Prometheus, rendered from the catalogue of a bakery."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import built
import pytest
import sample_catalogue as sample
import yaml
from hypothesis import given
from hypothesis import strategies as st

from otel_setup.catalogue import burning
from otel_setup.catalogue.alerting import Slo
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import increase
from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import rules
from otel_setup.render.page import MARK
from otel_setup.render.promql import folded
from tests import programs

BAKERY = sample.CATALOGUE
SHOP, OVEN = BAKERY.components


def with_alert(**changes: Any) -> Catalogue:
    """Return the bakery whose alert of the oven has *changes*."""
    return with_oven(alerts=(dataclasses.replace(sample.COLD, **changes),))


def with_oven(**changes: Any) -> Catalogue:
    """Return the bakery whose component of the oven has *changes*."""
    return dataclasses.replace(BAKERY, components=(SHOP, dataclasses.replace(OVEN, **changes)))


def group(catalogue: Catalogue, component: str) -> dict[str, Any]:
    """Return the rule group of *component* as Prometheus reads it."""
    (found,) = yaml.safe_load(rules.pages(catalogue)[f"prometheus/rules/{component}.yml"])["groups"]
    return found


def cold(**changes: Any) -> dict[str, Any]:
    """Return the rule of the oven's alert with *changes*."""
    (rule,) = group(with_alert(**changes), "oven")["rules"]
    return rule


def test_each_component_with_rules_has_a_file() -> None:
    """A component that only has metrics needs none."""
    assert list(rules.pages(BAKERY)) == ["prometheus/rules/shop.yml", "prometheus/rules/oven.yml"]
    bare = (*BAKERY.components, dataclasses.replace(SHOP, name="attic", metrics=(), alerts=()))
    assert list(rules.pages(dataclasses.replace(BAKERY, components=bare))) == list(
        rules.pages(BAKERY)
    )


def test_a_rule_file_says_that_it_is_generated() -> None:
    """Whoever opens it learns where to change it."""
    assert [text.splitlines()[:2] for text in rules.pages(BAKERY).values()] == [
        [f"# {MARK}.", "# Do not edit: change the catalogue and render again."]
    ] * 2


def test_recordings_stand_before_alerts() -> None:
    """Rules of a group run in order, and an alert may read what is recorded."""
    assert [next(iter(rule.values())) for rule in group(BAKERY, "shop")["rules"]] == [
        "bakery:breads_sold:increase1h",
        "BakingIsSlow",
    ]


def test_an_alert_is_rendered_whole() -> None:
    """Labels say whose it is, annotations what happened and where to look."""
    assert cold() == {
        "alert": "OvenIsCold",
        "expr": "min by (oven) (oven_heat_ratio) < 0.2",
        "for": "2m",
        "labels": {"severity": "critical", "team": "bakers", "component": "oven"},
        "annotations": {
            "summary": "Oven {{ $labels.oven }} is cold.",
            "description": "Its heat is {{ $value | humanizePercentage }} of the most for 2 "
            "minutes.",
            "runbook_url": "http://127.0.0.1:8090/runbooks/OvenIsCold",
            "dashboard_url": "http://127.0.0.1:3000/d/bakery",
            "exemplars": 'bakery_baking_duration_seconds_bucket{oven="{{ $labels.oven }}"}',
        },
    }


@pytest.mark.parametrize("lasts", ["0s", "0m", ""])
def test_an_alert_that_fires_at_once_has_no_duration(lasts: str) -> None:
    """Zero is Prometheus' default."""
    assert "for" not in cold(lasts=lasts)


def test_an_urgent_alert_is_evaluated_apart_and_often() -> None:
    """It delays no other, and its label is there for the routes of Alertmanager."""
    late = dataclasses.replace(sample.COLD, name="OvenIsCool")
    now = dataclasses.replace(sample.COLD, lasts="0s", urgent=True)
    page = rules.pages(with_oven(alerts=(late, now)))["prometheus/rules/oven.yml"]

    urgent, others = yaml.safe_load(page)["groups"]

    assert (urgent["name"], urgent["interval"]) == ("oven-urgent", "500ms")
    assert [rule["alert"] for rule in urgent["rules"]] == ["OvenIsCold"]
    assert urgent["rules"][0]["labels"]["urgency"] == "now"
    assert (others["name"], "interval" in others) == ("oven", False)
    assert "urgency" not in others["rules"][0]["labels"]


def test_an_urgent_alert_cannot_wait() -> None:
    """Evaluated twice a second and then held for minutes it would only be dear."""
    with pytest.raises(ValueError, match="told at once cannot wait") as raised:
        dataclasses.replace(sample.COLD, urgent=True, lasts="2m")
    assert str(raised.value) == (
        "alert 'OvenIsCold': urgent=True and lasts='2m': what is told at once cannot wait. "
        "Expected lasts='0s'."
    )


def test_an_alert_may_keep_firing() -> None:
    """It is only written if it is given."""
    assert "keep_firing_for" not in cold()
    assert cold(keep_firing="5m")["keep_firing_for"] == "5m"


def test_the_labels_of_an_alert_win() -> None:
    """An alert for many services names the team of the one that is ill."""
    assert cold(labels={"team": "{{ $labels.team }}", "shift": "night"})["labels"] == {
        "severity": "critical",
        "team": "{{ $labels.team }}",
        "component": "oven",
        "shift": "night",
    }


def test_an_alert_without_dashboard_or_exemplars_has_no_links_to_them() -> None:
    """An empty link would be a broken one."""
    assert list(cold(dashboard="", exemplars="")["annotations"]) == [
        "summary",
        "description",
        "runbook_url",
    ]


def test_long_texts_are_folded_and_stay_what_they_were() -> None:
    """A description of three lines reads as one sentence, in any language."""
    long = Text("It is {{ $value }}. " + "Ёлки горят. " * 20 + "End.", "Да")
    text = rules.pages(with_alert(description=long))["prometheus/rules/oven.yml"]
    assert max(map(len, text.splitlines())) <= 110
    assert "Ёлки" in text
    assert cold(description=long)["annotations"]["description"] == str(long)


def test_rendering_does_not_depend_on_the_run() -> None:
    """Two processes with different hashes of strings write the same bytes."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from sample_catalogue import CATALOGUE\n"
        "from otel_setup.render import alerting, rules, scrape\n"
        "for made in rules.pages, scrape.pages, alerting.pages: print(made(CATALOGUE))\n"
    )
    first, second = (programs.run(code, launcher=False, PYTHONHASHSEED=seed) for seed in "12")
    assert (first.stderr, len(first.stdout) > 1000) == ("", True)
    assert first.stdout == second.stdout


def test_objectives_have_a_group_of_their_own() -> None:
    """What is recorded stands before the alerts that read it, at the pace that it counts on."""
    slo = Slo(
        name="bread",
        objective=0.99,
        promise="Rye is rare.",
        why="Wheat sells.",
        bad=increase(sample.BREADS, where={"flour": "rye"}),
        total=increase(sample.BREADS),
        owner="sales",
    )
    component = dataclasses.replace(OVEN, name="slo")
    parts = dataclasses.replace(BAKERY, components=(SHOP, component), slos=(slo,))
    found = group(parts, "slo")
    *recorded, alert = found["rules"]
    assert (found["interval"], alert["alert"]) == ("30s", "OvenIsCold")
    assert [(rule["record"], rule["labels"]) for rule in recorded] == [
        (rule.name, {"slo": "bread", "team": "sales"}) for rule in burning.rules(slo)
    ]


# Long expressions.


def test_a_long_expression_is_broken_at_its_operators() -> None:
    """The loosest binding first, brackets indented."""
    expr = (
        'sum by (job) (rate(http_server_request_duration_seconds_count{code=~"5.. or 4.."}[5m])) '
        "/ sum by (job) (rate(http_server_request_duration_seconds_count[5m])) > 0.05 and on (job) "
        "(sum by (job) (increase(http_server_request_duration_seconds_count[5m])) > 20)"
    )
    assert folded(expr).splitlines() == [
        'sum by (job) (rate(http_server_request_duration_seconds_count{code=~"5.. or 4.."}[5m]))',
        "/ sum by (job) (rate(http_server_request_duration_seconds_count[5m]))",
        "> 0.05",
        "and on (job) (",
        "  sum by (job) (increase(http_server_request_duration_seconds_count[5m])) > 20",
        ")",
    ]


def test_a_long_selector_has_a_line_for_each_label() -> None:
    """And a function one for each argument."""
    assert folded('clamp_min(increase(orders_total{job="shop", kind="a, b"}[5m]), 0)', 24) == (
        """\
clamp_min(
  increase(
    orders_total{
      job="shop",
      kind="a, b"
    }[5m]
  ),
  0
)"""
    )


_STRINGS = st.text("ab ()'{}or>-", max_size=12).map(lambda text: f'"{text}"')
_SELECTORS = st.builds(
    lambda name, value: f"{name}{{kind={value}}}", st.sampled_from(["up", "queue_length"]), _STRINGS
)
_EXPRESSIONS = st.recursive(
    _SELECTORS,
    lambda inner: st.one_of(
        st.builds(
            lambda a, operator, b: f"({a}) {operator} ({b})",
            inner,
            st.sampled_from(["or", "and on (kind)", "unless", ">", "+", "-", "/", "* on (kind)"]),
            inner,
        ),
        st.builds(lambda a: f"sum by (kind) ({a})", inner),
        st.builds(lambda a: f"label_replace({a}, 'x', ' or $1', 'kind', '(.*)')", inner),
    ),
    max_leaves=8,
)


def without_blanks(expr: str) -> list[str]:
    """Return the tokens of *expr*, strings whole."""
    return re.findall(r'"[^"]*"|\'[^\']*\'|\w+|[^\w\s]', expr)


@given(_EXPRESSIONS)
def test_folding_changes_blanks_outside_strings_only(expr: str) -> None:
    """The expression stays what it was, whatever its strings hold."""
    assert without_blanks(folded(expr, 20)) == without_blanks(expr)


@given(_EXPRESSIONS)
def test_folding_again_changes_nothing(expr: str) -> None:
    """What is short enough stays in its line."""
    assert folded(expr, 10_000) == expr


@pytest.mark.stack
def test_prometheus_reads_the_same_from_a_folded_expression() -> None:
    """Written in Prometheus' own manner both are one text."""
    expr = (
        'label_replace(sum by (a) (rate(x{a=~"b or c"}[5m])), "a", " - $1", "b", "(.*)") / 2 > 1 '
        "unless on (a) (up == 0 or on () absent(up))"
    )
    first, second = (
        built.run("promtool", "--experimental", "promql", "format", text)
        for text in (expr, folded(expr, 20))
    )
    assert (first.returncode, first.stdout) == (0, second.stdout)


@pytest.mark.stack
def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    """Without one complaint."""
    files = {tmp_path / Path(name).name: text for name, text in rules.pages(BAKERY).items()}
    for path, text in files.items():
        path.write_text(text)
    found = built.run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert (found.returncode, found.stderr) == (0, "")
