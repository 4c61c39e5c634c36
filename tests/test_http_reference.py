# SPDX-License-Identifier: Apache-2.0
"""
Our HTTP layer against upstream's, field by field, on the same requests.

Upstream's instrumentations are the reference for the stable conventions. Where ours says
something else on purpose, `DIFFERENCES` says what and why; nothing else may differ, and an
entry that is not needed any more fails as well: upstream has caught up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.http_asking import ask, http_metrics, latest, program, raw, server_spans, serving
from tests.otlp_sink import Point, Sink, Span

pytestmark = pytest.mark.stack

FASTAPI = """
import os, uvicorn
from fastapi import APIRouter, FastAPI, Response
from starlette.responses import PlainTextResponse
app, inner, router = FastAPI(), FastAPI(), APIRouter()

@app.get("/orders/{order_id}")
def order(order_id: int):
    return {"id": order_id}

@app.post("/orders")
def create(order: dict):
    return order

@app.get("/fails")
def fails():
    raise ValueError("no such price")

@app.get("/answers-500")
def answers():
    return Response(status_code=500)

@app.get("/teapot")
def teapot():
    return Response(status_code=418)

@router.get("/parts/{part}")
def part(part: str):
    return part

@inner.get("/models/{model}")
def model(model: str):
    return model

@app.get("/healthz")
def healthz():
    return "ok"

app.include_router(router, prefix="/api")
app.mount("/inner", inner)
uvicorn.run(app, port=int(os.environ["PORT"]), log_level="critical")
"""
FLASK = """
import os
from flask import Blueprint, Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
app, inner, router = Flask("shop"), Flask("inner"), Blueprint("api", "api")

@app.get("/orders/<int:order_id>")
def order(order_id):
    return {"id": order_id}

@app.post("/orders")
def create():
    return request.get_json()

@app.get("/fails")
def fails():
    raise ValueError("no such price")

@app.get("/answers-500")
def answers():
    return Response(status=500)

@app.get("/teapot")
def teapot():
    return Response(status=418)

@router.get("/parts/<part>")
def part(part):
    return part

@inner.get("/models/<model>")
def model(model):
    return model

@app.get("/healthz")
def healthz():
    return "ok"

app.register_blueprint(router, url_prefix="/api")
whole = DispatcherMiddleware(app, {"/inner": inner})
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(os.environ["PORT"]), whole)
"""
APPS = {"fastapi": FASTAPI, "flask": FLASK}

#: What upstream is reached by.
UPSTREAM = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_setup_fastapi,otel_setup_flask"}

#: Name of a request → method, target, body, headers.
Request = tuple[str, str, bytes | None, Mapping[str, str]]
_JSON = {"Content-Type": "application/json"}
REQUESTS: dict[str, Request] = {
    "ok": ("GET", "/orders/7", None, {}),
    "query": ("GET", "/orders/8?page=2&name=%D0%A9&empty=", None, {}),
    "body": ("POST", "/orders", b'{"id": 7}', _JSON),
    "not found": ("GET", "/nowhere/5", None, {}),
    "wrong method": ("DELETE", "/orders/9", None, {}),
    "wrong value": ("GET", "/orders/seven", None, {}),
    "exception": ("GET", "/fails", None, {}),
    "500": ("GET", "/answers-500", None, {}),
    "418": ("GET", "/teapot", None, {}),
    "unknown method": ("BREW", "/orders/10", None, {}),
    "lower-case method": ("get", "/orders/11", None, {}),
    "router": ("GET", "/api/parts/bolt", None, {}),
    "mounted": ("GET", "/inner/models/cube", None, {}),
    "mounted, not found": ("GET", "/inner/nowhere", None, {}),
    "options": ("OPTIONS", "/orders/12", None, {}),
    "head": ("HEAD", "/orders/13", None, {}),
    "host": ("GET", "/orders/14", None, {"Host": "shop.example:8443"}),
    "browser": ("GET", "/orders/15", None, {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}),
    "robot": ("GET", "/orders/16", None, {"User-Agent": "Googlebot/2.1"}),
    "proxied": ("GET", "/orders/17", None, {"X-Forwarded-For": "203.0.113.9"}),
    "escaped path": ("GET", "/api/parts/nut%20and%2Fbolt", None, {}),
    "traced": (
        "GET",
        "/orders/18",
        None,
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    ),
}
#: One that no client library would send.
HTTP_1_0 = b"GET /orders/19 HTTP/1.0\r\n\r\n"


@dataclass(frozen=True)
class Told:
    """What one of the two said about all requests."""

    spans: dict[str, dict[str, Any]]
    #: Metric → unit, bounds and the labels that its series have.
    metrics: dict[str, dict[str, Any]]
    #: Labels of each series of the duration, as often as it counted.
    counted: Counter[frozenset[tuple[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """
    Something that ours says otherwise on purpose.

    *frameworks*, *requests* and *field* are regular expressions of the whole name.
    """

    frameworks: str
    requests: str
    field: str
    reason: str

    def covers(self, framework: str, request: str, field: str) -> bool:
        """Tell whether this is about that field of that request."""
        pairs = ((self.frameworks, framework), (self.requests, request), (self.field, field))
        return all(re.fullmatch(pattern, text) for pattern, text in pairs)


_MISSES = "not found|wrong method|wrong value|escaped path|mounted, not found"
DIFFERENCES = (
    Difference(
        frameworks=".*",
        requests=".*",
        field="server.address",
        reason="Upstream leaves the port in it, and nothing when a client names no host.",
    ),
    Difference(
        frameworks=".*",
        requests=".*",
        field="client.port|network.peer.address|network.peer.port",
        reason="The conventions recommend the peer of the connection, and its port there only.",
    ),
    Difference(
        frameworks=".*",
        requests="robot",
        field="user_agent.synthetic.type",
        reason="In development, and made of the user agent, which is on the span.",
    ),
    Difference(
        frameworks=".*",
        requests="exception",
        field="error.type",
        reason="The class of the exception says more than the status that follows from it.",
    ),
    Difference(
        frameworks="fastapi",
        requests="exception",
        field="status text",
        reason="Upstream writes it for Flask, and for FastAPI loses it to the status.",
    ),
    Difference(
        frameworks="fastapi",
        requests="mounted|mounted, not found",
        field="name|http.route",
        reason="The route of the app that is mounted: upstream stops at the mount's prefix.",
    ),
    Difference(
        frameworks="fastapi",
        requests="mounted|mounted, not found",
        field="spans beneath",
        reason="One request is one span; upstream counts that of a mounted app twice.",
    ),
    Difference(
        frameworks="flask",
        requests=_MISSES,
        field="name",
        reason="Without a route there is the method only: a path is no low-cardinality name.",
    ),
    Difference(
        frameworks="flask",
        requests="mounted|mounted, not found",
        field="url.path",
        reason="The path that the client asked for, with the mount's part.",
    ),
    Difference(
        frameworks="flask",
        requests="http.server.(request|response).body.size",
        field=".*",
        reason="Upstream does not measure sizes of Flask.",
    ),
)


def told(framework: str, variables: Mapping[str, str]) -> Told:
    """Run the app of *framework*, send all requests, and return what arrived."""
    order: list[str] = []
    with Sink() as sink:
        with serving(program(APPS[framework]), sink, **variables) as server:
            for name, (method, target, body, headers) in REQUESTS.items():
                ask(server, method, target, body, {"User-Agent": "test", **headers})
                order.append(name)
            with raw(server, HTTP_1_0) as opened:
                while opened.recv(65536):
                    pass
            order.append("http 1.0")
            server.end()
        spans = sorted(server_spans(sink), key=lambda span: span.start)
        assert len(spans) == len(order)
        return Told(
            {name: about(span, sink) for name, span in zip(order, spans, strict=True)},
            shapes(http_metrics(sink)),
            Counter(
                {
                    labels: int(point.value)
                    for labels, point in latest(sink, "http.server.request.duration").items()
                }
            ),
        )


def about(span: Span, sink: Sink) -> dict[str, Any]:
    """Return the fields of *span* that do not change from run to run."""
    beneath = [each.name for each in sink.spans if each.parent_id == span.span_id]
    attributes = dict(span.attributes)
    for port in ("client.port", "server.port", "network.peer.port"):
        if port in attributes:
            attributes[port] = "a number"
    if str(attributes.get("server.address")).startswith("127.0.0.1:"):
        attributes["server.address"] = "127.0.0.1:a number"
    return {
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "status text": span.status_text,
        "parent": span.parent_id,
        "events": span.events,
        "links": span.links,
        "spans beneath": beneath,
        **attributes,
    }


def shapes(points: list[Point]) -> dict[str, dict[str, Any]]:
    """Return unit, bounds and label keys of each metric."""
    return {
        name: {
            "unit": {point.unit for point in points if point.name == name},
            "bounds": {point.bounds for point in points if point.name == name},
            "labels": {key for point in points if point.name == name for key in point.attributes},
        }
        for name in sorted({point.name for point in points})
    }


@pytest.fixture(scope="module", params=APPS)
def both(request: pytest.FixtureRequest) -> tuple[str, Told, Told]:
    """Run one framework with upstream's instrumentation and with ours."""
    return request.param, told(request.param, UPSTREAM), told(request.param, {})


def differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which the two differ, with what each says."""
    absent = "absent"
    return {
        field: (theirs.get(field, absent), ours.get(field, absent))
        for field in sorted({*theirs, *ours})
        if theirs.get(field, absent) != ours.get(field, absent)
    }


def all_differences(theirs: Told, ours: Told) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Return request (or metric) and field of all that differs, with what each says."""
    assert list(theirs.spans) == list(ours.spans)
    return {
        (name, field): values
        for kind in ("spans", "metrics")
        for name in sorted({*getattr(theirs, kind), *getattr(ours, kind)})
        for field, values in differing(
            getattr(theirs, kind).get(name, {}), getattr(ours, kind).get(name, {})
        ).items()
    }


def test_nothing_differs_but_what_is_written(both: tuple[str, Told, Told]) -> None:
    """A field that differs by accident is a bug of ours."""
    framework, theirs, ours = both
    unwritten = {
        f"{name}: {field}": values
        for (name, field), values in all_differences(theirs, ours).items()
        if not any(each.covers(framework, name, field) for each in DIFFERENCES)
    }
    assert unwritten == {}


def test_each_written_difference_is_there(both: tuple[str, Told, Told]) -> None:
    """One that is gone was mended upstream, or lost here: both want a look."""
    framework, theirs, ours = both
    found = all_differences(theirs, ours)
    assert [
        each
        for each in DIFFERENCES
        if re.fullmatch(each.frameworks, framework)
        and not any(each.covers(framework, name, field) for name, field in found)
    ] == []


def test_the_metric_has_the_labels_of_the_spans(both: tuple[str, Told, Told]) -> None:
    """Who goes from a graph to a trace searches for the same words."""
    _framework, _theirs, ours = both
    labels = ours.metrics["http.server.request.duration"]["labels"]
    assert ours.counted == Counter(
        frozenset((key, value) for key, value in span.items() if key in labels)
        for span in ours.spans.values()
    )
