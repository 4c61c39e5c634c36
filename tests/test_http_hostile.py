# SPDX-License-Identifier: Apache-2.0
"""
Strangers can make neither series nor memory grow, nor write into our traces.

Whatever a client chooses is random here: Host, method, path, User-Agent, forwarded headers,
trace headers, user id. ``HTTP_HOSTILE_REQUESTS`` and ``HTTP_HOSTILE_SECONDS`` make the flood
longer than a test run allows: a million requests take some minutes.
"""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
import sys
from collections.abc import Iterator

import pytest

from otel_setup.catalogue.entries import http as catalogue
from tests.http_asking import ask, http_metrics, program, raw, server_spans, serving
from tests.http_matrix import ROOT
from tests.otlp_sink import Sink
from tests.programs import Server, environment

pytestmark = pytest.mark.stack

REQUESTS = int(os.environ.get("HTTP_HOSTILE_REQUESTS", "60000"))
SECONDS = float(os.environ.get("HTTP_HOSTILE_SECONDS", "90"))
#: Kind of app and edge → sets of headers. Both kinds share what reads them.
FUZZED = {
    ("asgi", "untrusted"): 100_000,
    ("wsgi", "untrusted"): 20_000,
    ("asgi", "internal"): 20_000,
    ("wsgi", "internal"): 20_000,
}
MIB = 1 << 20

FASTAPI = """
import os, uvicorn
from fastapi import FastAPI
app = FastAPI()

@app.get("/orders/{order_id}")
async def order(order_id: int):
    return {"id": order_id}

@app.get("/healthz")
async def healthz():
    return "ok"

uvicorn.run(app, port=int(os.environ["PORT"]), log_level="critical")
"""
FLASK = """
import os
from flask import Flask
app = Flask("shop")

@app.get("/orders/<int:order_id>")
def order(order_id):
    return {"id": order_id}

@app.get("/healthz")
def healthz():
    return "ok"

app.run(port=int(os.environ["PORT"]))
"""


class Flooding(Sink):
    """A Collector that drops spans unread: they are too many for a test to decode."""

    def _keep(self, path: str, body: bytes, connection: int) -> None:
        if path != "/v1/traces":
            super()._keep(path, body, connection)


def series(sink: Sink, prefix: str = "") -> set[tuple[str, str]]:
    """Return name and labels of each series that arrived, of metrics whose name so begins."""
    return {
        (point.name, str(sorted(point.attributes.items())))
        for point in sink.points
        if point.name.startswith(prefix)
    }


def word(chance: random.Random, most: int = 12) -> str:
    """Return a random word."""
    return "".join(chance.choices(string.ascii_uppercase, k=chance.randint(2, most)))


def attack(server: Server, chance: random.Random) -> None:
    """Send one request, all of it random but its end."""
    request = (
        f"{word(chance)} /{word(chance)}/{chance.random()}?{word(chance)}=1 HTTP/1.1\r\n"
        f"Host: {word(chance)}.example:{chance.randint(1, 65535)}\r\n"
        f"User-Agent: {word(chance)}\r\n"
        f"X-Forwarded-For: {chance.randint(1, 254)}.2.3.4, {word(chance)}\r\n"
        f"X-Forwarded-Host: {word(chance)}\r\n"
        f"X-Forwarded-Proto: {word(chance)}\r\n"
        f"X-Forwarded-Port: {word(chance)}\r\n"
        f"Forwarded: for={word(chance)};host={word(chance)};proto={word(chance)}\r\n"
        "Connection: close\r\n\r\n"
    )
    with raw(server, request.encode()) as opened:
        assert opened.recv(65536).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("code", [FASTAPI, FLASK], ids=["fastapi", "flask"])
def test_strangers_make_no_series(sink: Sink, code: str) -> None:
    """500 random requests are one row of each metric: an unknown method, no route, 404."""
    chance = random.Random(5)  # noqa: S311 - no secret
    with serving(program(code), sink, OTEL_TRACES_EXPORTER="none") as server:
        ask(server, "GET", "/orders/7")
        ask(server, "GET", "/nowhere")
        count = catalogue.REQUEST_DURATION.name
        sink.wait_for(lambda arrived: len(series(arrived, count)) == 2)
        before = series(sink, "http.server.")
        for _ in range(500):
            attack(server, chance)
        server.end()
    grown = series(sink, "http.server.") - before
    assert len(grown) <= 3, grown
    assert max(point.value for point in sink.metric(count)) == 500


@pytest.mark.parametrize("code", [FASTAPI, FLASK], ids=["fastapi", "flask"])
def test_labels_have_the_values_of_the_catalogue(sink: Sink, code: str) -> None:
    """What may be said about a proxy's scheme or a version of HTTP is a closed list."""
    with serving(program(code), sink) as server:
        for proto in ("https", "ws", "wss", "gopher", "HTTPS"):
            ask(server, "GET", "/orders/7", headers={"X-Forwarded-Proto": proto})
        for version in (b"1.0", b"1.1", b"1.2", b"1.9"):
            request = b"GET /orders/7 HTTP/" + version + b"\r\nHost: x\r\nConnection: close\r\n\r\n"
            with raw(server, request) as opened:
                opened.recv(65536)
        server.end()
    closed = {
        key: label.values
        for entry in (catalogue.REQUEST_DURATION, catalogue.ACTIVE_REQUESTS)
        for key, label in entry.attributes.items()
        if label.values
    }
    assert set(closed) >= {"http.request.method", "url.scheme", "network.protocol.version"}
    assert [
        (point.name, key, value)
        for point in http_metrics(sink)
        for key, value in point.attributes.items()
        if key in closed and value not in closed[key]
    ] == []


def run_program(
    module: str, *arguments: str, seconds: float, **variables: str
) -> dict[str, object]:
    """Run a driver of this folder to its end and return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.{module}", *arguments],
        cwd=ROOT,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, object] = json.loads(ended.stdout)
    return told


@pytest.fixture(scope="module")
def flood() -> Iterator[tuple[Sink, dict[str, object]]]:
    """Drive an ASGI app with random requests and random users for as long as is allowed."""
    with Flooding() as sink:
        told = run_program(
            "http_flood",
            *(str(SECONDS), str(REQUESTS)),
            seconds=SECONDS + 120,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_METRIC_EXPORT_INTERVAL="1000",
            OTEL_SETUP_EDGE="untrusted",
            OTEL_SETUP_USER_KEY="k" * 32,
        )
        yield sink, told


@pytest.mark.timeout(SECONDS + 180)
def test_a_flood_fits_into_200_streams(flood: tuple[Sink, dict[str, object]]) -> None:
    """All series of the process together, its own health and its users included."""
    sink, told = flood
    assert told["requests"] == REQUESTS
    assert len(series(sink)) <= 200
    users = sum(
        point.value
        for point in {
            str(point.attributes): point for point in sink.metric(catalogue.USER_REQUESTS.name)
        }.values()
    )
    assert users > 0.01 * REQUESTS  # they were really called


@pytest.mark.timeout(SECONDS + 180)
def test_a_flood_leaves_no_memory_behind(flood: tuple[Sink, dict[str, object]]) -> None:
    """After the first thousands nothing grows: the limit is for what rises and falls."""
    _sink, told = flood
    before, after = told["heap"]  # type: ignore[misc]
    assert after - before <= MIB, told


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "edge"), FUZZED)
def test_whatever_trace_headers_say_the_edge_decides(kind: str, edge: str) -> None:
    """Untrusted: none is adopted, a valid one is a link. Internal: each valid one goes on."""
    count = FUZZED[kind, edge]
    with Flooding() as sink:
        told = run_program(
            "http_fuzz",
            *(kind, str(count)),
            seconds=280,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_SETUP_EDGE=edge,
        )
    assert told["calls"] == count
    assert told["valid"] > count / 4  # type: ignore[operator]
    assert (told["wrong"], told["examples"]) == ({}, [])


FOREIGN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("code", [FASTAPI, FLASK], ids=["fastapi", "flask"])
def test_at_the_edge_a_foreign_trace_is_a_link(sink: Sink, code: str) -> None:
    """Through a real server, and for a request that the caller does not want to be kept."""
    with serving(program(code), sink, OTEL_SETUP_EDGE="untrusted") as server:
        for flags in ("01", "00"):
            headers = {"traceparent": FOREIGN[:-2] + flags, "baggage": "a=1"}
            ask(server, "GET", "/orders/7", headers=headers)
        server.end()
    _version, trace_id, span_id, _flags = FOREIGN.split("-")
    assert [(span.parent_id, span.links) for span in server_spans(sink)] == [
        ("", ((trace_id, span_id),))
    ] * 2
    assert trace_id not in {span.trace_id for span in sink.spans}
