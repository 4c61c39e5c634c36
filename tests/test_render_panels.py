# SPDX-License-Identifier: Apache-2.0
"""The panels of a dashboard: formats, axes, colours, legends, queries and links."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Dashboard, Panel, Query, Threshold
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, highest, latest, quantile, rate, written
from otel_setup.render.dashboards import pages
from otel_setup.render.page import RenderError
from tests.bakery_boards import (
    ASKED,
    ORDERS,
    bakery,
    board,
    colours,
    every_shape,
    graph,
    only,
    panels_of,
)
from tests.sample_catalogue import BAKING, BREADS, CATALOGUE, COLD, HEAT


def test_texts_are_english() -> None:
    """Of a text in two languages the English one is shown."""
    made = only(graph(rate(BREADS), title=Text("Bread", "Хлеб"), why=Text("Hunger.", "Голод.")))

    assert made["title"] == "Bread"
    assert made["description"].splitlines()[0] == "Hunger."


def test_the_description_says_what_is_read_and_answered() -> None:
    """Without a reason of its own a panel has its first metric's; then its metrics and rows."""
    made = panels_of(board(CATALOGUE))[0]

    assert made["description"] == (
        "The bakery lives on it.\n\nReads `bakery_breads_sold_total`.\n\nAnswers B1."
    )


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        ("s", "s"),
        ("By", "bytes"),
        ("By/s", "binBps"),
        ("1", "percentunit"),
        ("%", "percent"),
        ("{request}/s", "reqps"),
        ("{message}/s", "mps"),
        ("{query}/s", "suffix:queries/s"),
        ("{batch}/s", "suffix:batches/s"),
        ("{dead_letter}/s", "suffix:dead letters/s"),
        ("{series}/s", "suffix:series/s"),
        ("{order}", "locale"),
    ],
)
def test_every_unit_has_a_format(unit: str, shown: str) -> None:
    """UCUM becomes the format of Grafana that reads best."""
    made = only(graph(written("bakery_orders_open", unit, ORDERS)))

    assert made["fieldConfig"]["defaults"]["unit"] == shown


def test_an_unknown_unit_is_named() -> None:
    """The message has the panel, the unit and what to do."""
    with pytest.raises(RenderError) as caught:
        only(graph(written("bakery_orders_open", "furlong", ORDERS), title="Length"))

    assert str(caught.value) == (
        "panel 'Length': unit 'furlong' has no format in Grafana. Use one of s, By, By/s, 1, %, "
        "{request}/s, {message}/s, {event}/s, {row}/s, a count such as {order} or a rate such as "
        "{order}/s, or add it to otel_setup/render/grafana_units.py."
    )


@pytest.mark.parametrize(
    ("expr", "decimals"),
    [
        (latest(ORDERS, fold="sum"), 0),
        (latest(ORDERS, fold="avg"), None),
        (latest(ORDERS, fold="sum") / 3, None),
        (rate(BREADS), None),
    ],
    ids=["sum", "average", "third", "rate"],
)
def test_whole_numbers_have_no_decimals(expr: Expr, decimals: int | None) -> None:
    """Half an order is shown only where an average may be half."""
    assert only(graph(expr))["fieldConfig"]["defaults"].get("decimals") == decimals


@pytest.mark.parametrize(
    ("text", "lowest"),
    [
        ("sum(a)", 0),
        ("a - b", None),
        ("deriv(a[5m])", None),
        ("time() - a", 0),
        ('a{job="x - y"}', 0),
    ],
)
def test_an_axis_begins_at_zero_unless_values_fall_below(text: str, lowest: int | None) -> None:
    """Only a difference or a slope can be negative; an age or a label's value cannot."""
    made = only(graph(written(text, "{order}", ORDERS)))

    assert made["fieldConfig"]["defaults"].get("min") == lowest


def test_most_ends_the_axis() -> None:
    """A share is drawn up to 1."""
    assert panels_of(board(CATALOGUE))[3]["fieldConfig"]["defaults"]["max"] == 1


def test_a_threshold_is_a_coloured_line() -> None:
    """Below the first threshold all is good; from each on it has its level's colour."""
    panel = graph(rate(BREADS), thresholds=(Threshold(9), Threshold(5, "warning")))
    made = only(panel)["fieldConfig"]["defaults"]

    assert made["thresholds"]["steps"] == [
        {"color": "green", "value": None},
        {"color": "orange", "value": 5},
        {"color": "red", "value": 9},
    ]
    assert made["custom"]["thresholdsStyle"] == {"mode": "dashed"}


def test_where_more_is_better_little_is_red() -> None:
    """A threshold that is good makes everything below it critical."""
    panel = graph(latest(HEAT), shape="stat", thresholds=(Threshold(0.5, "good"),))
    made = only(panel)["fieldConfig"]["defaults"]

    assert made["thresholds"]["steps"] == [
        {"color": "red", "value": None},
        {"color": "green", "value": 0.5},
    ]
    assert made["color"] == {"mode": "thresholds"}


def test_one_series_needs_no_legend() -> None:
    """The title names it."""
    made = only(graph(rate(BREADS)))

    assert made["options"]["legend"]["showLegend"] is False


@pytest.mark.parametrize(
    "panel",
    [
        graph(rate(BREADS, by=["flour"]), "{{flour}}"),
        graph(latest(ORDERS)),
        Panel(title="Two", queries=(Query(rate(BREADS), "a"), Query(rate(BREADS), "b"))),
    ],
    ids=["by label", "all series", "two queries"],
)
def test_many_series_have_a_table_of_last_and_most(panel: Panel) -> None:
    """Where several series may come, each is told with its last and highest value."""
    legend = only(panel)["options"]["legend"]

    assert (legend["showLegend"], legend["displayMode"], legend["calcs"]) == (
        True,
        "table",
        ["lastNotNull", "max"],
    )


def test_only_the_highest_quantile_of_a_histogram_offers_exemplars() -> None:
    """The traces of p50, p95 and p99 are the same: they are asked for once."""
    shares = {"p50": 0.5, "p99": 0.99, "p95": 0.95}
    queries = tuple(Query(quantile(share, BAKING), name) for name, share in shares.items())
    made = only(Panel(title="Time", queries=queries))

    assert [each["exemplar"] for each in made["targets"]] == [False, True, False]


def test_each_histogram_offers_its_own_exemplars() -> None:
    """Quantiles of other series lead to other traces."""
    queries = tuple(
        Query(quantile(0.95, BAKING, where={"oven": oven}), oven) for oven in ("a", "b")
    )
    made = only(Panel(title="Time", queries=queries))

    assert [each["exemplar"] for each in made["targets"]] == [True, True]


@pytest.mark.parametrize("shape", ["stat", "bars", "table"])
def test_what_shows_one_moment_asks_for_the_present(shape: Any) -> None:
    """A number does not go on showing the last word of a part that died."""
    target = only(graph(latest(ORDERS, by=["state"], fold="max"), shape=shape))["targets"][0]

    assert (target["instant"], target["range"], target["exemplar"]) == (True, False, False)


def test_bars_are_sorted() -> None:
    """The longest bar is on top."""
    expr = highest(3, rate(BREADS, by=["flour"]))
    made = only(graph(expr, "{{flour}}", shape="bars"))

    assert made["targets"][0]["expr"] == f"sort_desc({expr.text})"


def test_columns_of_a_table_are_named_by_their_legends() -> None:
    """Two queries become one table; a column without a legend is named by what it counts."""
    made = panels_of(board(every_shape()))[4]

    assert [each["id"] for each in made["transformations"]] == ["merge", "organize"]
    assert made["transformations"][1]["options"] == {
        "excludeByName": {"Time": True},
        "indexByName": {},
        "renameByName": {"Value #A": "most", "Value #B": "orders"},
    }


def test_a_reason_for_no_data_is_shown() -> None:
    """A panel that may be empty says why, in place of "No data"."""
    made = panels_of(board(CATALOGUE))[3]

    assert made["fieldConfig"]["defaults"]["noValue"] == "ovens are off at night"


def test_colours_have_a_meaning() -> None:
    """Quantiles, errors, warnings, good ends and what waits have fixed colours; a limit is grey."""
    names = ("p50", "p95", "p99", "5xx", "4xx", "2xx", "waiting for a price", "max")
    queries = tuple(Query(latest(ORDERS, fold="sum"), name) for name in (*names, "cakes"))

    assert colours(only(Panel(title="Many", queries=queries))) == {
        "p50": "super-light-blue",
        "p95": "blue",
        "p99": "purple",
        "5xx": "red",
        "4xx": "orange",
        "2xx": "green",
        "waiting for a price": "yellow",
        "max": "#8E8E8E",
    }


def test_two_good_ends_beside_each_other_are_two_greens() -> None:
    """What means the same has the same colour, in shades that can be told apart."""
    queries = tuple(Query(latest(ORDERS, fold="sum"), name) for name in ("delivered", "done"))

    assert colours(only(Panel(title="Ends", queries=queries))) == {
        "delivered": "green",
        "done": "light-green",
    }


def test_a_series_named_like_a_state_has_its_colour() -> None:
    """Whether a label or a legend says it."""
    queries = tuple(Query(latest(ORDERS, fold="sum"), name) for name in ("cooling", "baking"))

    assert colours(only(Panel(title="Two", queries=queries))) == {"cooling": "#33A2E5"}


def test_values_of_a_closed_set_keep_their_colours() -> None:
    """A state has one colour on every panel: by its meaning, else by its place in the set."""
    expr = latest(ORDERS, by=["state"], fold="max")
    catalogue = bakery(
        graph(expr, "{{state}}", title="now"), graph(expr, "{{state}}", title="then")
    )
    first, second = map(colours, panels_of(board(catalogue)))

    assert first == second
    assert first == {
        "taken": "#5794F2",
        "in_oven": "#B877D9",
        "cooling": "#33A2E5",
        "failed": "red",
    }


def test_status_codes_are_coloured_by_their_class() -> None:
    """Codes are no closed set, yet 503 is an error."""
    expr = rate(ASKED, by=["http.response.status_code"])

    assert colours(only(graph(expr, "{{http_response_status_code}}"))) == {
        r"/^5\d\d$/": "red",
        r"/^4\d\d$/": "orange",
        r"/^3\d\d$/": "light-blue",
        r"/^2\d\d$/": "green",
    }


def test_a_closed_set_is_coloured_beside_who_sent_it() -> None:
    """Of two instances each state has the same colour; the legend tells them apart."""
    expr = latest(ORDERS, by=["instance", "state"], fold="max")

    assert colours(only(graph(expr, "{{instance}}: {{state}}"))) == {
        "/^.+:\\ taken$/": "#5794F2",
        "/^.+:\\ in_oven$/": "#B877D9",
        "/^.+:\\ cooling$/": "#33A2E5",
        "/^.+:\\ failed$/": "red",
    }


def test_an_open_set_beside_a_closed_one_takes_the_palette() -> None:
    """Five bakers' failures in one red could not be told apart."""
    expr = latest(ORDERS, by=["baker", "state"], fold="max")

    assert colours(only(graph(expr, "{{baker}} {{state}}"))) == {}


def test_a_limit_is_a_dashed_line() -> None:
    """It is no part of a stack, whoever's limit it is."""
    expr = latest(ORDERS, by=["instance"], fold="max")
    made = only(graph(expr, "{{instance}} limit", stacked=True))
    (override,) = made["fieldConfig"]["overrides"]

    assert override["matcher"] == {"id": "byRegexp", "options": "/^.+\\ limit$/"}
    assert {prop["id"]: prop["value"] for prop in override["properties"]} == {
        "color": {"fixedColor": "#8E8E8E", "mode": "fixed"},
        "custom.lineStyle": {"dash": [8, 6], "fill": "dash"},
        "custom.fillOpacity": 0,
        "custom.stacking": {"group": "A", "mode": "none"},
    }


def test_an_open_set_takes_the_palette() -> None:
    """Nobody knows the bakers' names beforehand."""
    made = only(graph(latest(ORDERS, by=["baker"], fold="max"), "{{baker}}"))

    assert made["fieldConfig"]["overrides"] == []
    assert made["fieldConfig"]["defaults"]["color"] == {"mode": "palette-classic"}


def test_a_panel_links_to_the_nearest_runbook() -> None:
    """The alert of this dashboard that reads what the panel reads is one click away."""
    assert panels_of(board(CATALOGUE))[1]["links"] == [
        {
            "targetBlank": True,
            "title": "Runbook: BakingIsSlow",
            "url": "http://127.0.0.1:8090/runbooks/BakingIsSlow",
        }
    ]


def _alert(name: str, expr: Expr, dashboard: str = "") -> Alert:
    return replace(COLD, name=name, expr=expr, dashboard=dashboard)


def test_the_nearest_runbook_reads_the_same_part_of_the_same_thing() -> None:
    """Not the alert of another route, nor one that only counts where durations are shown."""
    shown = graph(quantile(0.95, BAKING, where={"oven": "left"}), "p95")
    alerts = (
        _alert("OvenIdle", rate(BAKING, over="5m") < 1, "cakes"),
        _alert("RightOvenSlow", quantile(0.9, BAKING, where={"oven": "right"}, over="5m") > 9),
        _alert("HotOvenSlow", quantile(0.9, BAKING, where={"job": "hot"}, over="5m") > 9),
        _alert("OvensSlow", quantile(0.9, BAKING, by=["oven"], over="5m") > 9),
    )

    (link,) = only(shown, alerts=alerts)["links"]

    assert link["title"] == "Runbook: OvensSlow"


def test_among_equals_the_runbook_of_this_dashboard_is_nearest() -> None:
    """Two alerts about one thing: the one that leads here is meant here."""
    alerts = (
        _alert("CakesForgotten", latest(ORDERS) > 5),
        _alert("CakesLate", latest(ORDERS) > 3, "cakes"),
    )

    (link,) = only(graph(latest(ORDERS)), alerts=alerts)["links"]

    assert link["title"] == "Runbook: CakesLate"


def test_no_runbook_is_better_than_a_wrong_one() -> None:
    """The only alert is about another oven."""
    shown = graph(quantile(0.95, BAKING, where={"oven": "left"}), "p95")
    other = _alert("RightOvenSlow", quantile(0.9, BAKING, where={"oven": "right"}, over="5m") > 9)

    assert only(shown, alerts=(other,))["links"] == []


def test_a_panel_leads_on_with_its_range_of_time() -> None:
    """Where one looks next opens at the same time and on the same data source."""
    breads = Dashboard(slug="breads", title="Breads", asks="Is there bread?", sections=())
    catalogue = bakery(graph(rate(BREADS), leads_to="breads"), beside=(breads,))
    made = json.loads(pages(catalogue)["grafana/dashboards/cakes.json"])

    (link,) = panels_of(made)[0]["links"]

    assert (link["title"], link["url"], link["targetBlank"]) == (
        "Look next: Breads",
        "/d/breads?${__url_time_range}&${datasource:queryparam}",
        False,
    )


def test_a_panel_does_not_lead_to_where_it_stands() -> None:
    """One panel stands on several dashboards, maybe on the one that it leads to."""
    assert only(graph(rate(BREADS), leads_to="cakes"))["links"] == []


def test_a_panel_links_to_its_metric_where_documents_are_served() -> None:
    """With an address of the documents each panel links to the entry of its first metric."""
    (link,) = only(graph(rate(BREADS)), docs="https://docs.example/")["links"]

    assert link["url"] == "https://docs.example/metrics.md#bakery_breads_sold_total"
