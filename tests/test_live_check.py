# SPDX-License-Identifier: Apache-2.0
"""Each check finds what is wrong in hand-made data, and nothing in what is right."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from otel_setup.catalogue.boards import Panel
from otel_setup.catalogue.model import Gauge, Histogram, Metric
from otel_setup.live import arrivals, check, kinds, labels, panels, report, rules
from otel_setup.live.api import Sample
from otel_setup.live.findings import Finding, Level, some
from otel_setup.live.known import Known
from otel_setup.live.observe import Answer, Loaded, Seen, Told
from tests.live_world import BREWING, FURTHER, PANELS, SERIES, WORLD, house, tree

KNOWN = Known(house())
RULES = check.expected_rules(house())


def brief(found: list[Finding]) -> list[tuple[str, str, str]]:
    """Return level, subject and observation of each finding."""
    return [(str(each.level), each.about, each.seen) for each in found]


def with_series(name: str, *samples: Sample) -> Seen:
    """Return the world with other series under *name*."""
    return replace(WORLD, series={**SERIES, name: samples})


def sample(**labels: str) -> Sample:
    """Return a series with *labels*."""
    return Sample("", {"job": "kitchen", **labels}, 1.0)


def test_nothing_is_found_where_all_is_right() -> None:
    """The healthy world has no finding at all."""
    assert list(check.judge(house(), WORLD, RULES)) == []


def test_what_arrives_without_an_entry_is_a_violation() -> None:
    """It is named once for a whole histogram, with the job that sends it."""
    seen = replace(WORLD, strangers={"x_count": ("a",), "x_sum": ("a",), "y": ("b", "")})

    assert brief(list(arrivals.undocumented(KNOWN, seen))) == [
        ("violation", "x_count", "arrives from job 'a' and has no entry"),
        ("violation", "y", "arrives from job 'b', no job and has no entry"),
    ]


def test_what_prometheus_writes_by_itself_needs_no_entry() -> None:
    """Health of targets and alerts are there in every Prometheus."""
    seen = replace(WORLD, strangers=dict.fromkeys(("up", "ALERTS", "target_info"), ("a",)))

    assert list(arrivals.undocumented(KNOWN, seen)) == []


def test_a_name_that_differs_by_its_suffix_names_the_entry() -> None:
    """A counter that the code made a gauge arrives under another name."""
    seen = replace(WORLD, strangers={"tea_cups": ("kitchen",)})

    (found,) = arrivals.undocumented(KNOWN, seen)

    assert found.fix == (
        "entry 'tea.cups' is a counter in '{cup}', which arrives as tea_cups_total: "
        "make kind and unit the same in both"
    )


@pytest.mark.parametrize(
    ("series", "metric"),
    [("tea_cups_total", "tea.cups"), ("tea_brewing_duration_seconds_sum", "tea.brewing.duration")],
)
def test_an_entry_that_does_not_arrive_is_a_violation(series: str, metric: str) -> None:
    """Of a histogram each of the three series has to be there."""
    assert brief(list(arrivals.missing(KNOWN, with_series(series)))) == [
        ("violation", metric, f"no series {series} in the last minutes")
    ]


def test_a_rare_entry_may_be_absent() -> None:
    """The kettle's steam has a reason to be absent."""
    assert SERIES["kettle_steam_bytes"] == ()
    assert list(arrivals.missing(KNOWN, WORLD)) == []


def test_a_label_that_is_not_listed_is_a_violation() -> None:
    """The finding shows the values, by which one knows where it came from."""
    seen = with_series("kettle_heat_ratio", sample(pot="red", guest="Ann", quantile="0.5"))

    assert brief(list(labels.check(KNOWN, seen))) == [
        ("violation", "kettle_heat_ratio", "label 'guest' is not listed; its values: Ann")
    ]


def test_a_value_outside_a_closed_set_is_a_violation() -> None:
    """Values that may be are not named."""
    seen = with_series("tea_cups_total", sample(tea="green"), sample(tea="mate"))

    assert brief(list(labels.check(KNOWN, seen))) == [
        ("violation", "tea.cups", "label 'tea' has mate, outside its closed set")
    ]


def test_more_values_than_the_bound_are_a_violation() -> None:
    """Two pots are the most; the third is one too many."""
    pots = [sample(pot=name) for name in ("red", "blue", "green")]

    assert list(labels.check(KNOWN, with_series("kettle_heat_ratio", *pots[:2]))) == []
    assert brief(list(labels.check(KNOWN, with_series("kettle_heat_ratio", *pots)))) == [
        (
            "violation",
            "kettle_heat_ratio",
            "label 'pot' has 3 values, at most 2 are said: blue, green, red",
        )
    ]


def test_a_label_that_nobody_saw_is_for_information() -> None:
    """It may come with errors only."""
    assert brief(list(labels.check(KNOWN, with_series("kettle_heat_ratio", sample())))) == [
        ("information", "kettle_heat_ratio", "label 'pot' was not seen")
    ]


def test_the_label_that_a_rule_adds_has_its_one_value() -> None:
    """Another value under the same name is of another rule."""
    seen = with_series("tea:cups_sold:increase1h", Sample("", {"window": "2h"}, 1.0))

    assert brief(list(labels.check(KNOWN, seen))) == [
        (
            "violation",
            "tea:cups_sold:increase1h",
            "label 'window' has 2h, outside its closed set",
        )
    ]


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"kettle_heat_ratio": (Told("counter"),)}, "the program says counter, the entry gauge"),
        ({"kettle_heat_ratio": (Told("gauge", "bytes"),)}, "the program says bytes, the entry '1'"),
        ({"tea_cups": (Told("gauge"),)}, "the program says gauge, the entry counter"),
        ({"tea_cups_total": (Told("histogram"),)}, "the program says histogram, the entry counter"),
        (
            {"tea_brewing_duration_seconds": (Told("summary"),)},
            "the program says summary, the entry histogram",
        ),
        (
            {"tea_brewing_duration_seconds": (Told("histogram", "bytes"),)},
            "the program says bytes, the entry 's'",
        ),
    ],
)
def test_another_type_or_unit_on_the_page_is_a_violation(
    told: dict[str, tuple[Told, ...]], seen: str
) -> None:
    """What the program itself says of its metric counts."""
    found = list(kinds.check(KNOWN, replace(WORLD, told=told)))

    assert [(each.level, each.seen) for each in found] == [(Level.VIOLATION, seen)]


@pytest.mark.parametrize(
    "told",
    [
        {"kettle_heat_ratio": (Told("unknown"),)},
        {"kettle_heat_ratio": (Told("summary"),)},
        {"tea_cups": (Told("counter"),), "tea_cups_total": (Told("counter"),)},
        {"tea_brewing_duration_seconds": (Told("histogram", "seconds"),)},
        {},
    ],
)
def test_a_page_that_agrees_or_says_nothing_is_right(told: dict[str, tuple[Told, ...]]) -> None:
    """What is pushed has no page."""
    assert list(kinds.check(KNOWN, replace(WORLD, told=told))) == []


@pytest.mark.parametrize(
    ("name", "unit", "seen"),
    [
        ("disk_bytes", "s", "the name says bytes, the entry 's'"),
        ("wait_seconds_total", "ms", "the name says seconds, the entry 'ms'"),
        ("disk_bytes", "By", ""),
        ("disk_used", "By", ""),
        ("disk_bytes_per_second", "By/s", ""),
    ],
)
def test_the_unit_in_a_name_is_the_entrys(name: str, unit: str, seen: str) -> None:
    """Programs that say nothing of units still say it in the name; but names may lie."""
    entry: Metric = Gauge(name=name, unit=unit, description="A thing.", why="Needed.")

    assert [(str(each.level), each.seen) for each in kinds.unit_of_name(entry)] == (
        [("improvement", seen)] if seen else []
    )


def test_other_buckets_than_the_entrys_are_a_violation() -> None:
    """They are compared job by job: two programs may differ."""
    bounds = {"a": ("60", "120", "300"), "b": ("60.0", "90", "300", "+Inf")}
    series = tuple(Sample("", {"job": job, "le": le}, 1) for job in bounds for le in bounds[job])

    assert brief(list(kinds.buckets(BREWING, series))) == [
        (
            "violation",
            "tea.brewing.duration",
            "buckets of job 'b' differ: not in the entry 90, not there 120",
        )
    ]


def test_buckets_that_did_not_arrive_are_not_compared() -> None:
    """That they are missing is said elsewhere."""
    assert isinstance(BREWING, Histogram)
    assert list(kinds.buckets(BREWING, ())) == []


def with_answer(panel: Panel, answer: Answer) -> Seen:
    """Return the world in which all queries of *panel* give *answer*."""
    given = {query.expr.text: answer for query in panel.queries}
    return replace(WORLD, answers={**WORLD.answers, **given})


def values(*numbers: float) -> Answer:
    """Return an answer with these values."""
    return Answer(tuple(Sample("", {}, number) for number in numbers))


_CUPS, _, _, _HEAT, _LOST = PANELS


@pytest.mark.parametrize(
    ("panel", "answer", "level", "seen"),
    [
        (_CUPS, Answer(error="parse error"), "violation", "parse error"),
        (_LOST, Answer(error="timed out"), "violation", "timed out"),
        (_CUPS, values(), "violation", "no data: {}"),
        (_LOST, values(), "", ""),
        (_CUPS, values(float("nan")), "improvement", "no number, only nan: {}"),
        (_CUPS, values(float("nan"), 1), "", ""),
        (_HEAT, values(0.2, 1.5), "violation", "1.5 is above most=1: {}"),
        (_HEAT, values(1.0, 1.005), "", ""),
        (_CUPS, values(-2), "violation", "-2 {{cup}}/s, which cannot be below zero: {}"),
        (_LOST, values(-2), "", ""),
    ],
)
def test_a_panel_shows_what_makes_sense(
    panel: Panel, answer: Answer, level: str, seen: str
) -> None:
    """Errors, emptiness and impossible values are found; what has a reason is not."""
    wanted = seen.format(panel.queries[0].expr.text)

    assert brief(list(panels.check(KNOWN, with_answer(panel, answer)))) == (
        [(level, f"tea: {panel.title}", wanted)] if level else []
    )


def test_a_query_that_nobody_asked_has_no_data() -> None:
    """The check does not pass because it was given nothing."""
    seen = replace(WORLD, answers={})

    empty = [str(panel.title) for panel in PANELS if not panel.may_be_empty]

    assert [each.about for each in panels.check(KNOWN, seen)] == [f"tea: {name}" for name in empty]


def loaded(name: str, **changes: Any) -> Seen:
    """Return the world in which the rule *name* is loaded with *changes*."""
    return replace(
        WORLD,
        rules=tuple(
            replace(rule, **changes) if rule.name == name else rule for rule in WORLD.rules
        ),
    )


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"expression": "min by (pot) (kettle_heat_ratio) < 0.3"}, "expr"),
        ({"lasts": 60.0}, "for"),
        ({"keeps": 60.0}, "keep_firing_for"),
        ({"labels": {"severity": "info"}}, "labels"),
        ({"annotations": {"summary": "Brr."}}, "annotations"),
    ],
)
def test_a_rule_that_is_loaded_otherwise_is_a_violation(
    changes: dict[str, Any], differs: str
) -> None:
    """The finding names what differs."""
    seen = loaded("KettleIsCold", **changes)
    expression = changes.get("expression", "min by (pot) (kettle_heat_ratio) < 0.2")

    assert brief(list(rules.check(RULES, seen))) == [
        ("violation", "KettleIsCold", f"is loaded with another {differs}: {expression}")
    ]


def test_the_order_of_labels_makes_no_other_expression() -> None:
    """Prometheus sorts what is in braces."""
    ours, theirs = FURTHER[-2:]
    rule = {"alert": "Green", "expr": ours}
    seen = replace(WORLD, rules=(replace(rules.as_loaded(rule), expression=theirs),))

    assert tree(ours) != tree(theirs)
    assert list(rules.check([rule], seen)) == []


def test_addresses_in_annotations_may_differ() -> None:
    """One catalogue serves installations with different runbook and Grafana addresses."""
    (rule,) = (rule for rule in WORLD.rules if rule.name == "KettleIsCold")
    moved = {**rule.annotations, "runbook_url": "https://wiki.example/KettleIsCold"}

    assert list(rules.check(RULES, loaded("KettleIsCold", annotations=moved))) == []


def test_a_rule_that_is_not_loaded_is_a_violation() -> None:
    """An empty Prometheus lacks all of them."""
    assert brief(list(rules.check(RULES, replace(WORLD, rules=())))) == [
        ("violation", "tea:cups_sold:increase1h", "is not loaded"),
        ("violation", "KettleIsCold", "is not loaded"),
    ]


def test_a_rule_of_nobody_is_a_violation() -> None:
    """The finding names the file to look in; a recording with other labels is another rule."""
    other = Loaded(kind="alerting", name="Other", expression="vector(1)", file="/etc/o.yml")
    twin = replace(WORLD.rules[0], labels={"window": "2h"}, file="/etc/t.yml")
    seen = replace(WORLD, rules=(*WORLD.rules, other, twin))

    assert brief(list(rules.check(RULES, seen))) == [
        ("violation", "Other", "is loaded from /etc/o.yml and not in the catalogue"),
        (
            "violation",
            "tea:cups_sold:increase1h",
            "is loaded from /etc/t.yml and not in the catalogue",
        ),
    ]


@pytest.mark.parametrize(
    ("changes", "level", "seen"),
    [
        ({"health": "err", "error": "many-to-many"}, "violation", "fails: many-to-many"),
        ({"error": "many-to-many"}, "violation", "fails: many-to-many"),
        ({"health": "unknown"}, "information", "was not evaluated yet"),
    ],
)
def test_a_rule_that_fails_is_a_violation(changes: dict[str, str], level: str, seen: str) -> None:
    """One that was not evaluated yet has not failed."""
    found = list(rules.check(RULES, loaded("KettleIsCold", **changes)))

    assert brief(found) == [(level, "KettleIsCold", seen)]


@pytest.mark.parametrize(
    ("rule", "seconds"), [("2m", 120.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1w", 604800.0)]
)
def test_durations_are_those_of_prometheus(rule: str, seconds: float) -> None:
    """A rule file has texts, the running Prometheus has seconds."""
    assert rules.as_loaded({"alert": "A", "expr": "x", "for": rule}).lasts == seconds


def test_the_worst_is_told_first() -> None:
    """The table ends with what was compared and how much was found."""
    found = [
        Finding(Level.INFORMATION, "labels", "b", "was not seen", "nothing"),
        Finding(Level.VIOLATION, "panels", "a: long", "no data", "look"),
    ]

    assert report.table(found, {"metrics": 5, "rules": 2}).splitlines() == [
        "VIOLATION (1)",
        "  panels    a: long  no data",
        "                     → look",
        "",
        "INFORMATION (1)",
        "  labels    b  was not seen",
        "               → nothing",
        "",
        "compared: 5 metrics, 2 rules",
        "found: 1 violation, 0 improvements, 1 for information",
    ]


def test_the_machine_form_has_all_fields() -> None:
    """It is JSON with one object for each finding."""
    found = [Finding(Level.VIOLATION, "panels", "a", "no data", "look")]

    assert json.loads(report.machine(found, {"rules": 2})) == {
        "compared": {"rules": 2},
        "findings": [
            {
                "level": "violation",
                "check": "panels",
                "about": "a",
                "seen": "no data",
                "fix": "look",
            }
        ],
    }


def test_long_lists_are_cut() -> None:
    """The first are named, the others counted."""
    assert some("gfedcba") == "a, b, c, d, e and 2 more"
