# SPDX-License-Identifier: Apache-2.0
"""
The same telemetry of a request, whatever the framework's version, way in and order.

Each cell is one server process: a version of a framework, a way to start telemetry, and
the moment at which it started. Upstream fails here: a class that was imported before is not
patched, and FastAPI's own telemetry has other names and no exclusions.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from otel_setup.catalogue.entries import http as catalogue
from tests.http_asking import ask, http_metrics, latest, program, serving
from tests.otlp_sink import Sink, Span

# The first cell of an environment may have to install it.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

#: Framework and environment.
VERSIONS = (
    ("fastapi", "fastapi-0.110"),
    ("fastapi", "fastapi-0.141"),
    ("fastapi", "fastapi-0.142"),
    ("fastapi", "current"),
    ("flask", "flask-2.3"),
    ("flask", "current"),
)
WAYS = {
    "launcher": "import otel_setup.auto",  # a second time, which must change nothing
    "auto": "import otel_setup.auto",
    "setup": "from otel_setup import setup; setup()",
}
ORDERS = {
    "first": "{start}\n{framework}\n{app}\n{serve}",
    "framework-imported": "{framework}\n{start}\n{app}\n{serve}",
    "app-made": "{framework}\n{app}\n{start}\nfrom otel_setup import instrument_app\n"
    "instrument_app(app)\n{serve}",
}

FASTAPI = """
app = FastAPI()

@app.get("/orders/{order_id}")
def order(order_id: int):
    return {"id": order_id}

@app.post("/orders")
async def create(request: Request):
    return {"bytes": len(await request.body())}

@app.get("/fails")
def fails():
    raise ValueError("no such price")

@app.get("/healthz")
@app.get("/metrics")
def healthz():
    with trace.get_tracer("app").start_as_current_span("looks at the database"):
        return "ok"
"""
FLASK = """
app = Flask("shop")

@app.get("/orders/<int:order_id>")
def order(order_id):
    return {"id": order_id}

@app.post("/orders")
def create():
    return {"bytes": len(request.get_data())}

@app.get("/fails")
def fails():
    raise ValueError("no such price")

@app.get("/healthz")
@app.get("/metrics")
def healthz():
    with trace.get_tracer("app").start_as_current_span("looks at the database"):
        return "ok"
"""
APPS = {
    "fastapi": {
        # Names that are bound before anything could be replaced in the module.
        "framework": "from fastapi import FastAPI, Request",
        "app": "from opentelemetry import trace\n" + FASTAPI,
        "serve": "import os, uvicorn\n"
        "uvicorn.run(app, port=int(os.environ['PORT']), log_level='critical')",
    },
    "flask": {
        "framework": "from flask import Flask, request",
        "app": "from opentelemetry import trace\n" + FLASK,
        "serve": "import os\napp.run(port=int(os.environ['PORT']))",
    },
}

#: What each server is asked. The excluded ones come in between, so that one that leaked into
#: the context of its neighbours would show.
ASKED = (
    ("GET", "/orders/7", None, 200),
    ("GET", "/healthz", None, 200),
    ("GET", "/orders/8?page=2", None, 200),
    ("GET", "/healthz?verbose=1", None, 200),
    ("POST", "/orders", b"x" * 321, 200),
    ("GET", "/metrics", None, 200),
    ("GET", "/nowhere/5", None, 404),
    ("GET", "/fails", None, 500),
    ("GET", "/healthzz", None, 404),
)

_ROUTE = {"fastapi": "/orders/{order_id}", "flask": "/orders/<int:order_id>"}

_ALWAYS = (
    "http.request.method",
    "http.response.status_code",
    "network.protocol.version",
    "url.scheme",
)
_ROUTED = tuple(sorted((*_ALWAYS, "http.route")))
_FAILED = tuple(sorted((*_ROUTED, "error.type")))


def expected_metrics() -> set[tuple[str, str, tuple[str, ...]]]:
    """Return name, unit and label keys of all that a server has to say about `ASKED`."""
    requests = {
        (name, unit, keys)
        for name, unit in (
            ("http.server.request.duration", "s"),
            ("http.server.response.body.size", "By"),
        )
        for keys in (_ALWAYS, _ROUTED, _FAILED)
    }
    return {
        *requests,
        ("http.server.request.body.size", "By", _ROUTED),  # of the one that has a body
        ("http.server.active_requests", "{request}", ("http.request.method", "url.scheme")),
    }


def expected_spans(framework: str) -> Counter[tuple[str, str | None, str, int]]:
    """Return name, route, path and status of the span of each request."""
    route = _ROUTE[framework]
    return Counter(
        [
            (f"GET {route}", route, "/orders/7", 200),
            (f"GET {route}", route, "/orders/8", 200),
            ("POST /orders", "/orders", "/orders", 200),
            ("GET", None, "/nowhere/5", 404),
            ("GET /fails", "/fails", "/fails", 500),
            ("GET", None, "/healthzz", 404),
        ]
    )


@dataclass(frozen=True)
class Cell:
    """One server that ran to its end, and what it sent."""

    framework: str
    sink: Sink
    statuses: list[int]

    def spans(self) -> list[Span]:
        """Return all that arrived."""
        return self.sink.spans


CELLS = [
    pytest.param((*version, way, order), id=f"{'-'.join(version)}-{way}-{order}")
    for version, way, order in itertools.product(VERSIONS, WAYS, ORDERS)
]


@pytest.fixture(scope="module", params=CELLS)
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    """Run the server of one cell, ask it everything once, and end it."""
    framework, environment, way, order = request.param
    # What the launcher did before the first line is only to be done again afterwards.
    start = "" if (way, order) == ("launcher", "first") else WAYS[way]
    code = ORDERS[order].format(start=start, **APPS[framework])
    arguments = program(code, environment, launcher=way == "launcher")
    with Sink() as sink:
        with serving(arguments, sink, OTEL_SERVICE_NAME="shop") as server:
            statuses = [ask(server, method, path, body)[0] for method, path, body, _status in ASKED]
            server.end()
        yield Cell(framework, sink, statuses)


def test_the_app_answers_as_ever(cell: Cell) -> None:
    """What watches a request does not change it."""
    assert cell.statuses == [status for *_asked, status in ASKED]


def test_each_request_is_exactly_one_server_span(cell: Cell) -> None:
    """With the route's template in its name, and no second span from anybody else."""
    seen = Counter(
        (
            span.name,
            span.attributes.get("http.route"),
            span.attributes.get("url.path"),
            span.attributes.get("http.response.status_code"),
        )
        for span in cell.spans()
    )
    assert seen == expected_spans(cell.framework)
    assert {span.kind for span in cell.spans()} == {"SERVER"}
    assert len({span.scope for span in cell.spans()}) == 1


def test_each_cell_has_the_same_metrics(cell: Cell) -> None:
    """Names, units and label keys: a dashboard reads every service."""
    shapes = {
        (point.name, point.unit, tuple(sorted(point.attributes)))
        for point in http_metrics(cell.sink)
    }
    assert shapes == expected_metrics()
    assert len({point.scope for point in http_metrics(cell.sink)}) == 1


def test_each_request_is_counted_once(cell: Cell) -> None:
    """No more series than routes, and in them what was asked."""
    counts = Counter[tuple[str, object, object]]()
    for point in latest(cell.sink, catalogue.REQUEST_DURATION.name).values():
        labels = point.attributes
        counts[
            labels["http.request.method"],
            labels.get("http.route"),
            labels["http.response.status_code"],
        ] += int(point.value)
    assert counts == {
        ("GET", _ROUTE[cell.framework], 200): 2,
        ("POST", "/orders", 200): 1,
        ("GET", None, 404): 2,
        ("GET", "/fails", 500): 1,
    }


def test_the_duration_leads_to_a_trace(cell: Cell) -> None:
    """An exemplar is the way from a slow point of a graph to the request that it was."""
    kept = {(span.trace_id, span.span_id) for span in cell.spans()}
    durations = cell.sink.metric(catalogue.REQUEST_DURATION.name)
    exemplars = {each for point in durations for each in point.exemplars}
    assert exemplars
    assert exemplars <= kept


def test_nothing_is_said_about_health_and_metrics(cell: Cell) -> None:
    """Neither a span of theirs, nor one beneath them, nor a series."""
    about = [
        *(str(span.attributes) + span.name for span in cell.spans()),
        *(str(point.attributes) for point in http_metrics(cell.sink)),
    ]
    silent = ("/healthz'", "/metrics", "looks at the database", "verbose")
    assert [text for text in about if any(each in text for each in silent)] == []
