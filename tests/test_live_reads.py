# SPDX-License-Identifier: Apache-2.0
"""Expressions that read what the catalogue does not have are found, by Prometheus' own trees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otel_setup.live import reads
from otel_setup.live.known import Known
from otel_setup.live.observe import Parsed
from otel_setup.live.reads import Read
from tests.live_world import PANELS, WORLD, house, tree

KNOWN = Known(house())


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("kettle_heet_ratio", ["reads 'kettle_heet_ratio', which is no entry"]),
        (
            'sum by (pot) (kettle_heat_ratio{color="red"})',
            ["asks kettle_heat_ratio for label 'color', which it does not have"],
        ),
        (
            "sum by (color) (kettle_heat_ratio)",
            ["sum by (color): no series there has it"],
        ),
        (
            "sum without (color) (kettle_heat_ratio)",
            ["sum without (color): no series there has it"],
        ),
        (
            "sum by (pot) (kettle_heat_ratio) / on (tea) sum by (tea) (tea_cups_total)",
            ["left of / on (tea): no series there has it"],
        ),
        (
            "sum by (tea) (tea_cups_total) * on (job) group_left (pot) kettle_heat_ratio",
            ["left of * on (job): no series there has it"],
        ),
        (
            'rate(tea_cups_total{tea="white"}[5m])',
            ['tea_cups_total{tea="white"} fits none of its values'],
        ),
        (
            'rate(tea_cups_total{tea!="white"}[5m])',
            ['tea_cups_total{tea!="white"} fits none of its values'],
        ),
        (
            'rate(tea_cups_total{tea!~"w.*"}[5m])',
            ['tea_cups_total{tea!~"w.*"} fits none of its values'],
        ),
        ('rate(tea_cups_total{tea=~"gr.*|white"}[5m])', []),
        ('rate(tea_cups_total{tea=""}[5m])', []),
        ("tea_cups_total unless on (job) kettle_heat_ratio", []),
        ("sum by (le) (rate(tea_brewing_duration_seconds_bucket[5m]))", []),
        ('sum by (pot) ({__name__=~"kettle_.*"})', []),
    ],
)
def test_an_expression_reads_only_what_there_is(text: str, seen: list[str]) -> None:
    """Names, labels and values that no series can have are found."""
    found = list(reads.of_tree(KNOWN, Read("panel", text), tree(text)))

    assert [each.seen for each in found] == seen


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("topk(3, sum by (pot) (kettle_heat_ratio))", "pot"),
        ('count_values("heat", kettle_heat_ratio)', "heat"),
        ("sum without (instance) (kettle_heat_ratio)", "pot"),
        ('label_replace(sum(kettle_heat_ratio), "where", "kitchen", "", "")', "where"),
        ('absent(kettle_heat_ratio{pot="red", job=~"k.*"})', "pot"),
        ("max_over_time(sum by (pot) (kettle_heat_ratio)[5m:10s])", "pot"),
        ("2 * sum by (pot) (kettle_heat_ratio)", "pot"),
        ("time() - max by (pot) (kettle_heat_ratio)", "pot"),
        ("-sum by (pot) (kettle_heat_ratio)", "pot"),
        ("sum(kettle_heat_ratio) or sum by (tea) (tea_cups_total)", "tea"),
        ("tea_cups_total unless on (job) kettle_heat_ratio", "tea"),
        ("sum by (tea) (tea_cups_total) * on (job) group_left (pot) kettle_heat_ratio", "pot"),
        ('sum by (pot) ({__name__=~"kettle_.*"})', "pot"),
    ],
)
def test_a_label_that_survives_may_be_shown(text: str, shown: str) -> None:
    """Legends and annotations name labels of the result."""
    found = reads.of_tree(KNOWN, Read("panel", text, (shown,)), tree(text))

    assert [each.seen for each in found if "shows" in each.seen] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("topk(3, sum by (pot) (kettle_heat_ratio))", "instance"),
        ('count_values("heat", kettle_heat_ratio)', "pot"),
        ("sum without (instance) (kettle_heat_ratio)", "instance"),
        ('absent(kettle_heat_ratio{pot="red", job=~"k.*"})', "job"),
        ("sum by (pot) (kettle_heat_ratio) + ignoring (pot) sum(kettle_heat_ratio)", "pot"),
        ("tea_cups_total unless on (job) kettle_heat_ratio", "pot"),
        (PANELS[1].queries[0].expr.text, "le"),
        ("vector(1)", "pot"),
    ],
)
def test_a_label_that_is_lost_may_not_be_shown(text: str, shown: str) -> None:
    """A legend with it would show an empty place."""
    found = reads.of_tree(KNOWN, Read("panel", text, (shown,)), tree(text))

    assert [each.seen for each in found] == [f"shows label {shown!r}, which its series do not have"]


def test_what_is_no_promql_is_a_violation() -> None:
    """The parser's own words say where."""
    text = PANELS[0].queries[0].expr.text
    seen = replace(WORLD, parsed={**WORLD.parsed, text: Parsed(error="1:4: unexpected )")})

    assert [(each.about, each.seen) for each in reads.check(KNOWN, seen)] == [
        ("panel tea: Cups", "is no PromQL: 1:4: unexpected )")
    ]


def test_an_expression_that_was_not_parsed_is_found() -> None:
    """The check does not pass because it was given nothing."""
    found = list(reads.check(KNOWN, replace(WORLD, parsed={})))

    assert [each.about for each in found] == [
        read.about for read in reads.expressions(KNOWN.catalogue)
    ]


def test_labels_of_legends_and_annotations_are_looked_up() -> None:
    """Legends of panels, templates of alerts and what inhibits on are all read."""
    shown = {read.about: read.shows for read in reads.expressions(house())}

    assert shown == {
        "panel tea: Cups": ("tea",),
        "panel tea: Brewing": (),
        "panel tea: Cups of the hour": (),
        "panel tea: Heat": ("pot",),
        "panel tea: Heat lost": (),
        "alert KettleIsCold": ("pot",),
        "query of alert KettleIsCold": ("pot",),
        "recording tea:cups_sold:increase1h": (),
    }
