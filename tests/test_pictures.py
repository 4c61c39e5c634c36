# SPDX-License-Identifier: Apache-2.0
"""A picture says what Grafana would: numbers, names, colours, gaps."""

from __future__ import annotations

import json
import math
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from otel_setup.cli import main
from otel_setup.live.api import Line, Prometheus
from otel_setup.pictures.boards import Cell, cells, named, threshold_colour
from otel_setup.pictures.graph import points
from otel_setup.pictures.numbers import shown, ticks
from otel_setup.pictures.sheet import WIDTH, Span, picture
from otel_setup.render import dashboards
from tests.sample_catalogue import CATALOGUE

BOARD = json.loads(next(iter(dashboards.pages(CATALOGUE).values())))
CELLS = {cell.title: cell for cell in cells(BOARD)}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (0.0000021, "s", "2.1 µs"),
        (0.0421, "s", "42.1 ms"),
        (1.5, "s", "1.5 s"),
        (90.0, "s", "1.5 min"),
        (7200.0, "s", "2 hour"),
        (-90.0, "s", "-1.5 min"),
        (0.0, "bytes", "0 B"),
        (1536.0, "bytes", "1.5 KiB"),
        (3.5 * 1024**3, "bytes", "3.5 GiB"),
        (2048.0, "binBps", "2 KiB/s"),
        (0.955, "percentunit", "95.5%"),
        (0.00042, "percentunit", "0.042%"),
        (42.0, "percent", "42%"),
        (12345.0, "locale", "12,345"),
        (0.5, "locale", "0.5"),
        (0.0123, "reqps", "0.012 req/s"),
        (12345.0, "reqps", "12.3 K req/s"),
        (3.14159, "suffix:orders/s", "3.14 orders/s"),
        (1500.0, "short", "1.5 K"),
        (math.nan, "s", "NaN"),
        (math.inf, "s", "∞"),
    ],
)
def test_a_number_is_short_and_has_its_unit(value: float, unit: str, text: str) -> None:
    """Three digits are enough for a glance."""
    assert shown(value, unit) == text


def test_fixed_decimals_are_kept() -> None:
    """A count of orders has none."""
    assert shown(12.0, "locale", 0) == "12"


@pytest.mark.parametrize(
    ("top", "unit", "marks"),
    [
        (1.0, "percentunit", [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (2.1 * 1024**2, "bytes", [0, 2**19, 2**20, 1.5 * 2**20, 2**21]),
        (0.19, "s", [0, 0.05, 0.1, 0.15]),
        (600.0, "s", [0, 120, 240, 360, 480, 600]),
        (8.6, "reqps", [0, 2, 4, 6, 8]),
    ],
)
def test_an_axis_has_round_marks(top: float, unit: str, marks: list[float]) -> None:
    """Round means round in the unit: minutes, mebibytes."""
    assert ticks(0, top, unit) == pytest.approx(marks)


def test_an_axis_of_whole_things_has_whole_marks() -> None:
    """There is no half order."""
    assert ticks(0, 2, "locale", whole=True) == [0, 1, 2]


def test_cells_stand_where_grafana_puts_them() -> None:
    """Places come from the JSON, not from the catalogue."""
    panels = [panel for panel in BOARD["panels"] if panel["title"]]

    assert {title: (cell.x, cell.y, cell.w, cell.h) for title, cell in CELLS.items()} == {
        **{p["title"]: tuple(p["gridPos"][key] for key in "xywh") for p in panels},
        "Is there bread?": (0, 0, 24, 2),
    }


def test_a_cell_keeps_what_is_drawn() -> None:
    """Kind, unit, ends of the axis, limits and the reason for emptiness are read."""
    heat, baking = CELLS["Heat of the ovens"], CELLS["How long does baking take?"]

    assert (heat.kind, heat.unit, heat.least, heat.most) == ("timeseries", "percentunit", 0, 1)
    assert heat.no_value == "ovens are off at night"
    assert [start for start, _ in baking.steps] == [-math.inf, 1800]
    assert baking.limits


def line(*values: float, **labels: str) -> Line:
    """Return a series with a value each 10 s."""
    return Line(labels, tuple(10.0 * n for n in range(len(values))), values)


def test_series_are_named_by_the_legend() -> None:
    """The label's value takes the place of its name."""
    (sold,) = named(CELLS["Breads sold (1/s)"], [[line(1, flour="rye")]])

    assert sold.name == "rye"


def test_a_series_without_labels_has_the_name_of_its_panel() -> None:
    """There is nothing else to call it."""
    (hour,) = named(CELLS["Breads of the last hour"], [[line(1)]])

    assert hour.name == "Breads of the last hour"


def test_colours_are_those_of_the_overrides() -> None:
    """Both kinds of flour keep one colour each; what has none takes the palette in turn."""
    lines = [line(1, flour=name) for name in ("wheat", "rye", "oats")]
    wanted = {
        each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
        for panel in BOARD["panels"]
        if panel["title"] == "Breads sold (1/s)"
        for each in panel["fieldConfig"]["overrides"]
    }

    colours = {each.name: each.colour for each in named(CELLS["Breads sold (1/s)"], [lines])}

    assert {name: colours[name] for name in wanted} == wanted
    assert wanted.keys() == {"wheat", "rye"}
    assert colours["oats"] == "#8AB8FF"


def test_the_highest_step_that_is_reached_gives_the_colour() -> None:
    """From half an hour on, baking is orange."""
    cell = CELLS["How long does baking take?"]

    assert [threshold_colour(cell, value) for value in (10, 1800, 4000)] == [
        "#73BF69",
        "#FF9830",
        "#FF9830",
    ]


def test_a_gap_breaks_the_line() -> None:
    """Nobody knows what was in it."""
    times, values = points(Line({}, (0.0, 10.0, 50.0), (1.0, 2.0, 3.0)), 10.0)

    assert times == [0, 10, 20, 50]
    assert values[:2] == [1, 2]
    assert math.isnan(values[2])
    assert values[3] == 3


class _Bakery(BaseHTTPRequestHandler):
    """A Prometheus with one series for every query."""

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        row: dict[str, Any] = {"metric": {"flour": "rye", "oven": "left"}}
        if "start" in asked:
            start, step = float(asked["start"][0]), float(asked["step"][0])
            row["values"] = [[start + step * n, str(n % 7)] for n in range(20)]
        else:
            row["value"] = [0, "3"]
        body = {"status": "success", "data": {"resultType": "vector", "result": [row]}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Be silent."""


def test_a_dashboard_becomes_a_small_picture() -> None:
    """It is a PNG as wide as a page and high enough for all rows."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bakery) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        prometheus = Prometheus(f"http://127.0.0.1:{server.server_port}", 5)
        png = picture(prometheus, BOARD, Span(1000, 1600))
        server.shutdown()

    width, height = (int.from_bytes(png[start : start + 4]) for start in (16, 20))
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in BOARD["panels"])
    assert png.startswith(b"\x89PNG\r\n")
    assert (width, height) == (WIDTH, rows * 38 + 8)
    assert 5_000 < len(png) < 200_000


def test_every_kind_of_panel_is_known() -> None:
    """A shape that Grafana gets and the picture does not know would be drawn as a table."""
    known = {"timeseries", "stat", "bargauge", "table", "row", "text"}

    assert {panel["type"] for panel in BOARD["panels"]} <= known
    assert isinstance(CELLS["Bread"], Cell)


def test_without_matplotlib_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an extra, since only few machines draw."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bakery) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        place = ["--prometheus", url, "--out", str(tmp_path)]
        code = main(["pictures", "--catalogue", "tests.sample_catalogue", *place])
        server.shutdown()

    assert code == 2
    assert capsys.readouterr().err == (
        "otel-setup pictures: matplotlib.figure is not installed. "
        "Run: pip install 'otel-setup[pictures]'\n"
    )


def test_an_unknown_dashboard_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists those that there are."""
    code = main(["pictures", "--catalogue", "tests.sample_catalogue", "--only", "bakry"])

    assert code == 2
    assert capsys.readouterr().err == (
        "otel-setup pictures: --only 'bakry': expected one of bakery.\n"
    )
