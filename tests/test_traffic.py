# SPDX-License-Identifier: Apache-2.0
"""Traffic: meshes are real, the rate holds, errors are explained, one order can be followed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trimesh

from services_demo.traffic.order import OrderError, place_and_follow
from services_demo.traffic.pacing import OrderClock
from services_demo.traffic.plan import Plan
from services_demo.traffic.scoreboard import Scoreboard
from services_demo.traffic.shapes import (
    TRIANGLES,
    binary_stl,
    jewel,
    model_file,
    torus,
    torus_volume,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services_demo.traffic.shapes import Format, Kind, Size

ROOT = Path(__file__).parents[1]
KINDS: tuple[Kind, ...] = ("ring", "pendant", "bead")
COMMAND = [sys.executable, "-m", "services_demo.traffic"]


def read_back(content: bytes, file_format: Format) -> trimesh.Trimesh:
    """Read a model with the library that the shop uses."""
    loaded = trimesh.load_mesh(
        io.BytesIO(content), file_type="obj" if file_format == "obj" else "stl"
    )
    assert isinstance(loaded, trimesh.Trimesh)
    return loaded


@pytest.mark.parametrize("triangles", [200, 1_000, 20_000])
def test_torus_has_its_analytic_volume(triangles: int) -> None:
    """A torus of any fineness encloses the volume of the smooth one within 2 %."""
    expected = torus_volume(9.0, 1.5)
    assert torus(9.0, 1.5, triangles).volume_mm3 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("file_format", ["stl", "ascii", "obj"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_is_closed_in_every_format(kind: Kind, file_format: Format) -> None:
    """The shop's reader finds a closed body, facing outwards, of the volume that was promised."""
    file = model_file(kind, "small", seed=3, file_format=file_format)
    mesh = read_back(file.content, file_format)
    assert mesh.is_volume
    assert mesh.volume == pytest.approx(file.volume_mm3, rel=1e-3)
    assert len(mesh.faces) == file.triangles


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", KINDS)
def test_no_seed_gives_a_broken_shape(kind: Kind, seed: int) -> None:
    """Whatever bumps and twists a seed chooses, the mesh stays a closed body."""
    assert read_back(binary_stl(jewel(kind, 1_000, seed)), "stl").is_volume


@pytest.mark.parametrize(("size", "megabytes"), [("small", 0.05), ("medium", 1.0), ("large", 10.0)])
def test_size_classes_keep_their_size(size: Size, megabytes: float) -> None:
    """A size class has its number of triangles and file size within 5 %."""
    file = model_file("ring", size, seed=1)
    assert file.triangles == pytest.approx(TRIANGLES[size], rel=0.05)
    assert len(file.content) / 1e6 == pytest.approx(megabytes, rel=0.05)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """A run can be repeated: a seed decides the file."""
    assert model_file("ring", "small", seed=7) == model_file("ring", "small", seed=7)


def test_another_seed_gives_another_model() -> None:
    """Customers do not all upload the same ring."""
    assert (
        model_file("ring", "small", seed=7).content != model_file("ring", "small", seed=8).content
    )


def test_too_few_triangles_are_refused() -> None:
    """The error names what was asked for and what to ask for instead."""
    with pytest.raises(ValueError, match=r"triangles=10: expected 128 or more\. Ask for 1000"):
        torus(9.0, 1.5, 10)


def test_binary_stl_does_not_pass_for_text() -> None:
    """Readers take a file that begins with "solid" for ASCII STL."""
    assert not binary_stl(torus(9.0, 1.5)).startswith(b"solid")


class StepClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


def test_orders_are_due_evenly_spaced() -> None:
    """At 30 a minute an order is due every two seconds, however late the caller comes."""
    now = StepClock()
    clock = OrderClock(30, now)
    first = clock.take()
    now.time += 5.0
    assert [clock.take() - first, clock.take() - first] == [2.0, 4.0]
    assert clock.missed == 0


def test_orders_missed_in_an_outage_are_given_up_and_counted() -> None:
    """After a minute without customers only the orders of the last ten seconds are still placed."""
    now = StepClock()
    clock = OrderClock(30, now)
    clock.take()
    now.time += 60.0
    assert now.time - clock.take() <= OrderClock.GIVE_UP_AFTER_SECONDS
    assert clock.missed == 25


def test_there_are_customers_enough_for_the_slowest_prices() -> None:
    """Every customer may be busy for 40 s, and an order is still placed on time."""
    assert Plan(orders_per_minute=30).customers >= 30 / 60 * 40


def test_large_models_are_never_sent_as_text() -> None:
    """Ten megabytes are wanted; as ASCII a large model would be 35."""
    plan, random = Plan(), Random(1)  # noqa: S311, nothing secret
    assert max(len(plan.choose_model(random).content) for _ in range(150)) < 12e6


def test_progress_line_tells_how_it_goes() -> None:
    """One line holds orders, errors and the latency of order creation."""
    score = Scoreboard(placed=5, priced=4, finished=2)
    score.add_request("POST /orders", 30.0)
    score.add_request("GET /orders", 999.0)
    score.add_request("POST /models", 1.0, "POST http://shop/models: HTTP 500 internal")
    expected = (
        "   10 s  orders 5 placed, 4 priced, 2 finished  |  1 errors  |  order creation p95 30 ms"
    )
    assert score.progress(10.0) == expected


def test_latency_is_that_since_the_last_line() -> None:
    """A shop that got fast again shows it in the next line."""
    score = Scoreboard()
    score.add_request("POST /orders", 3000.0)
    score.progress(10.0)
    score.add_request("POST /orders", 20.0)
    assert score.progress(20.0).endswith("p95 20 ms")


def test_summary_names_the_first_error() -> None:
    """The first error is kept: later ones are often its consequences."""
    score = Scoreboard()
    score.add_request("POST /sessions", 1.0, "first")
    score.add_request("POST /sessions", 1.0, "second")
    assert "First error: first\n" in score.summary(10.0, 0)
    assert score.nothing_worked


def test_a_run_that_was_stopped_at_once_is_no_failure() -> None:
    """No order and no error: it had no time, nothing is wrong."""
    assert not Scoreboard().nothing_worked


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "fast"], "argument --rate: 'fast': expected orders a minute"),
        (["--rate", "0"], "argument --rate: '0': expected orders a minute"),
        (
            ["--duration", "1 day"],
            "argument --duration: '1 day': expected a time above 0 such as 60s",
        ),
        (["--shop", "localhost"], "argument --shop: 'localhost': expected an address with scheme"),
        (["--web-port", "99999"], "argument --web-port: '99999': expected a port from 1 to 65535"),
    ],
)
def test_wrong_arguments_are_named_with_the_fix(arguments: list[str], message: str) -> None:
    """Exit code 2, and the message shows what was typed."""
    outcome = run_command(*arguments)
    assert outcome.returncode == 2
    assert message in outcome.stderr


def test_a_taken_web_port_is_named() -> None:
    """Another program on the port of locust's page is said before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        outcome = run_command("--web", "--web-port", port)
    assert outcome.returncode == 2
    assert f"--web-port {port}: another program uses this port. Give a free one" in outcome.stderr


@pytest.fixture
def nobody() -> str:
    """Return an address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def test_exit_code_is_1_if_nothing_worked(nobody: str) -> None:
    """Without services the users go on until the end, and the first error is told."""
    outcome = run_command("--shop", nobody, "--mes", nobody, "--crm", nobody, "--duration", "2s")
    assert outcome.returncode == 1
    assert re.search(
        r"First error: (POST|GET) http://127\.0\.0\.1:\d+/\S+: no answer", outcome.stdout
    )
    assert "Are the services up? Start them with `make demo`" in outcome.stdout
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_three_seconds(nobody: str, number: signal.Signals) -> None:
    """Being told to stop in the middle of the work ends the command with its summary."""
    arguments = ["--shop", nobody, "--mes", nobody, "--crm", nobody, "--rate", "600"]
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("traffic: 600 orders a minute from")
        told = time.monotonic()
        os.kill(process.pid, number)
        output, _ = process.communicate(timeout=10)
        assert time.monotonic() - told < 3.0
    assert output.startswith("traffic: ")
    assert process.returncode in {0, 1}


def test_only_the_command_loads_locust() -> None:
    """Importing what tests and the demo use leaves the process free of gevent."""
    modules = "order, pacing, plan, scoreboard, shapes, __main__"
    code = f"""
import sys
from services_demo.traffic import {modules}
assert "gevent" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30, check=True)


class SlowShop(BaseHTTPRequestHandler):
    """Takes an order and then never gets further than the state that the test chose."""

    state: ClassVar[str]
    seen: ClassVar[list[tuple[str, str]]]

    def do_POST(self) -> None:
        """Answer as the Shop API does."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.path, self.headers.get("traceparent", "")))
        self._answer(
            {"token": "t", "customer_id": "c-1", "model_id": "m-1", "order_id": "o-1"}, status=201
        )

    def do_GET(self) -> None:
        """Answer the order."""
        self._answer({"order_id": "o-1", "state": self.state})

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def _answer(self, body: dict[str, str], status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def slow_shop() -> Iterator[str]:
    """Run a shop whose prices never come."""
    SlowShop.state, SlowShop.seen = "placed", []
    with ThreadingHTTPServer(("127.0.0.1", 0), SlowShop) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_timeout_names_the_step_what_was_seen_and_the_wait(slow_shop: str, nobody: str) -> None:
    """Who waits for a price in vain reads for what, where, and how long."""
    expected = (
        r"step 'priced' of order o-1: waited for priced at \S+/orders/o-1, last seen: placed,"
        r" after \d\.\d s\. Look at `make logs`\."
    )
    with pytest.raises(OrderError, match=expected):
        place_and_follow(slow_shop, nobody, nobody, timeout=1.0)


def test_an_order_that_cannot_be_priced_is_not_waited_for(slow_shop: str, nobody: str) -> None:
    """A state that leads nowhere ends the wait long before the timeout."""
    SlowShop.state = "pricing_failed"
    with pytest.raises(OrderError, match=r"last seen: pricing_failed, after 0\.\d s"):
        place_and_follow(slow_shop, nobody, nobody, timeout=60.0)


def test_an_unreachable_shop_is_named(nobody: str) -> None:
    """The error names the step and the address that did not answer."""
    with pytest.raises(OrderError, match=rf"step 'sign in'.*POST {nobody}/sessions got no answer"):
        place_and_follow(nobody, nobody, nobody, timeout=5.0)


def test_steps_are_told_while_they_happen(slow_shop: str, nobody: str) -> None:
    """The callback gets each finished step in order."""
    told: list[str] = []
    with pytest.raises(OrderError):
        place_and_follow(
            slow_shop, nobody, nobody, timeout=0.5, on_step=lambda name, _: told.append(name)
        )
    assert told == ["sign in", "upload", "edit", "order"]


def test_only_the_order_carries_the_trace(slow_shop: str, nobody: str) -> None:
    """A traced order is created under a new sampled W3C trace context; nothing else is."""
    with pytest.raises(OrderError):
        place_and_follow(slow_shop, nobody, nobody, timeout=0.5, traced=True)
    traced = {path: header for path, header in SlowShop.seen if header}
    assert list(traced) == ["/orders"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traced["/orders"])
