# SPDX-License-Identifier: Apache-2.0
"""All ways in give the same telemetry; real programs send it to a Collector of the test."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from otel_setup import instrument_app
from tests.otlp_sink import Point, Sink, Span
from tests.programs import Server, command, free_port, run

WAYS = {
    "launcher": "",
    "auto": "import otel_setup.auto",
    "setup": "from otel_setup import setup; setup()",
}

#: The same service twice. The frameworks are imported by name, as everybody does.
FASTAPI = """
import os, uvicorn
from fastapi import FastAPI
app = FastAPI()

@app.get("/orders/{order_id}")
def order(order_id: int):
    return {"id": order_id}

@app.get("/healthz")
def healthz():
    return "ok"
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
"""
APPS = {
    "fastapi": (FASTAPI, "uvicorn.run(app, port=int(os.environ['PORT']), log_level='warning')"),
    "flask": (FLASK, "app.run(port=int(os.environ['PORT']))"),
}
ROUTES = {"fastapi": "/orders/{order_id}", "flask": "/orders/<int:order_id>"}

#: Makes one span and says that it ran.
WORK = """
from opentelemetry import trace
with trace.get_tracer("app").start_as_current_span("work"):
    print("worked")
"""


class Runs:
    """What the six services sent, each under the name ``framework-way``, and how they ended."""

    def __init__(self, sink: Sink, exit_codes: dict[str, int]) -> None:
        self._sink = sink
        self.exit_codes = exit_codes

    def spans(self, service: str) -> list[Span]:
        """Return the spans of *service* by their path."""
        spans = [span for span in self._sink.spans if span.resource["service.name"] == service]
        return sorted(spans, key=lambda span: str(span.attributes.get("url.path")))

    def points(self, service: str) -> list[Point]:
        """Return the data points of *service*, without those that the SDK sends about itself."""
        return [
            point
            for point in self._sink.points
            if point.resource["service.name"] == service and point.scope != "opentelemetry-sdk"
        ]

    def shapes(self, service: str) -> set[tuple[str, str, tuple[str, ...]]]:
        """Return name, unit and label keys of each metric of *service*."""
        return {
            (point.name, point.unit, tuple(sorted(point.attributes)))
            for point in self.points(service)
        }


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """Start each framework in each way, ask each the same, end each with SIGTERM."""
    exit_codes = {}
    with Sink() as sink, contextlib.ExitStack() as stack:
        servers = {}
        for framework, (app, serve) in APPS.items():
            for way, first_line in WAYS.items():
                name = f"{framework}-{way}"
                program = command(first_line + app + serve, launcher=way == "launcher")
                servers[name] = stack.enter_context(
                    Server(
                        program,
                        PORT=str(free_port()),
                        OTEL_SERVICE_NAME=name,
                        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
                    )
                )
        for name, server in servers.items():
            server.wait("/healthz")
            assert json.loads(server.get("/orders/7")) == {"id": 7}
            assert json.loads(server.get("/orders/8")) == {"id": 8}
            exit_codes[name] = server.end()
        yield Runs(sink, exit_codes)


@pytest.mark.parametrize("framework", APPS)
@pytest.mark.parametrize("way", WAYS)
def test_each_request_is_one_server_span(runs: Runs, framework: str, way: str) -> None:
    """There is no second span beside it, and none for /healthz."""
    spans = runs.spans(f"{framework}-{way}")
    assert [(span.kind, span.name, span.attributes["url.path"]) for span in spans] == [
        ("SERVER", f"GET {ROUTES[framework]}", "/orders/7"),
        ("SERVER", f"GET {ROUTES[framework]}", "/orders/8"),
    ]


@pytest.mark.parametrize("framework", APPS)
@pytest.mark.parametrize("way", ["auto", "setup"])
def test_each_way_gives_the_same_span_attributes(runs: Runs, framework: str, way: str) -> None:
    """A query for an attribute finds all services."""
    expected = [set(span.attributes) for span in runs.spans(f"{framework}-launcher")]
    assert [set(span.attributes) for span in runs.spans(f"{framework}-{way}")] == expected


@pytest.mark.parametrize("framework", APPS)
@pytest.mark.parametrize("way", ["auto", "setup"])
def test_each_way_gives_the_same_metrics(runs: Runs, framework: str, way: str) -> None:
    """Names, units and labels do not depend on how a service was started."""
    assert runs.shapes(f"{framework}-{way}") == runs.shapes(f"{framework}-launcher")


@pytest.mark.parametrize("framework", APPS)
def test_a_service_sends_the_metrics_of_the_catalogue(runs: Runs, framework: str) -> None:
    """Requests in seconds, and the process; no metric under an old name."""
    assert {name: unit for name, unit, _keys in runs.shapes(f"{framework}-launcher")} == {
        "http.server.request.duration": "s",
        "http.server.request.cpu.time": "s",
        "http.server.response.body.size": "By",
        "http.server.active_requests": "{request}",
        "process.cpu.time": "s",
        "process.memory.usage": "By",
        "process.thread.count": "{thread}",
        "process.unix.file_descriptor.count": "{file_descriptor}",
        "cpython.gc.collections": "{collection}",
    }


@pytest.mark.parametrize("framework", APPS)
def test_the_duration_is_in_seconds_under_the_route(runs: Runs, framework: str) -> None:
    """Two requests are one series of the route's template, and /healthz is none."""
    last = [
        point
        for point in runs.points(f"{framework}-launcher")
        if point.name == "http.server.request.duration"
    ][-1]
    assert last.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": ROUTES[framework],
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }
    assert last.value == 2
    assert 0 < last.sum < 2
    assert (last.bounds[0], last.bounds[-1]) == (0.005, 10.0)


@pytest.mark.parametrize("framework", APPS)
def test_body_sizes_have_the_bounds_of_the_catalogue(runs: Runs, framework: str) -> None:
    """Upstream's end at 10 kB."""
    sizes = [
        point
        for point in runs.points(f"{framework}-launcher")
        if point.name == "http.server.response.body.size"
    ]
    assert {point.bounds for point in sizes} == {(100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8)}


@pytest.mark.parametrize("framework", APPS)
@pytest.mark.parametrize("way", WAYS)
def test_a_service_that_is_stopped_ends_by_the_signal(runs: Runs, framework: str, way: str) -> None:
    """It has sent all that the other tests read, and supervisors see what they expect."""
    assert runs.exit_codes[f"{framework}-{way}"] == -signal.SIGTERM


PREFORK = """
import os, threading, time
from flask import Flask
from opentelemetry import trace
app = Flask("mes")
kept = []

@app.get("/work")
def work():
    trace.get_current_span().set_attribute("worker.pid", os.getpid())
    if not kept:
        # Memory and CPU that the parent does not have.
        kept.append(b"x" * 100_000_000)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
    time.sleep(0.1)
    return str(os.getpid())

@app.get("/healthz")
def healthz():
    return "ok"

time.sleep(0.7)  # The parent reads its own numbers at least once before it forks.
"""


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, dict[int, str]]]:
    """A Flask app with two gunicorn workers, both asked; their instance ids by process id."""
    folder = tmp_path_factory.mktemp("gunicorn")
    (folder / "mes.py").write_text(PREFORK)
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    port = free_port()
    with (
        Sink() as sink,
        Server(
            [launcher, gunicorn, "--preload", "-w", "2", "-b", f"127.0.0.1:{port}", "mes:app"],
            folder,
            PORT=str(port),
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_METRIC_EXPORT_INTERVAL="300",
            OTEL_BSP_SCHEDULE_DELAY="200",
        ) as server,
    ):
        server.wait("/healthz")
        asked: set[str] = set()
        deadline = time.monotonic() + 20
        while len(asked) < 2 and time.monotonic() < deadline:
            asking = [
                threading.Thread(target=lambda: asked.add(server.get("/work"))) for _ in range(4)
            ]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()

        def instances(arrived: Sink) -> dict[int, str]:
            return {
                span.attributes["worker.pid"]: span.resource["service.instance.id"]
                for span in arrived.spans
                if "worker.pid" in span.attributes
            }

        sink.wait_for(lambda arrived: len(instances(arrived)) == 2)
        yield sink, instances(sink)
        assert server.end() == 0
        assert sink.broken == []


def test_each_gunicorn_worker_is_an_instance(workers: tuple[Sink, dict[int, str]]) -> None:
    """Series of two processes under one identity would jump between their values."""
    _sink, instances = workers
    assert len(set(instances.values())) == 2


def latest(sink: Sink, name: str, instance: str) -> list[Point]:
    """Return the points of the newest export of *name* by *instance*."""
    newest: dict[str, Point] = {}
    for point in sink.metric(name):
        if point.resource["service.instance.id"] == instance:
            newest[str(point.attributes)] = point
    return list(newest.values())


def test_each_gunicorn_worker_reports_its_own_memory(
    workers: tuple[Sink, dict[int, str]],
) -> None:
    """The numbers are the kernel's for that process, not the parent's."""
    sink, instances = workers
    for pid, instance in instances.items():
        resident = psutil.Process(pid).memory_info().rss

        def close(arrived: Sink, instance: str = instance, resident: int = resident) -> bool:
            points = latest(arrived, "process.memory.usage", instance)
            return any(abs(point.value - resident) < 8_000_000 for point in points)

        sink.wait_for(close)
        parent = psutil.Process(pid).parent()
        assert parent is not None
        assert abs(parent.memory_info().rss - resident) > 20_000_000  # they can be told apart


def test_each_gunicorn_worker_reports_its_own_cpu(
    workers: tuple[Sink, dict[int, str]],
) -> None:
    """Read between two exports, the kernel's number lies between theirs."""
    sink, instances = workers
    for pid, instance in instances.items():
        before = sum(point.value for point in latest(sink, "process.cpu.time", instance))
        times = psutil.Process(pid).cpu_times()
        spent = times.user + times.system
        assert 0.1 <= before <= spent + 0.02

        def later(arrived: Sink, instance: str = instance, spent: float = spent) -> bool:
            points = latest(arrived, "process.cpu.time", instance)
            return sum(point.value for point in points) >= spent

        sink.wait_for(later)
        assert sum(point.value for point in latest(sink, "process.cpu.time", instance)) < spent + 1


FORKING = """
import os, otel_setup
from opentelemetry import trace
handle = otel_setup.setup()
tracer = trace.get_tracer("app")
tracer.start_span("parent").end()
handle.flush()  # which leaves a connection open
if (child := os.fork()) == 0:
    tracer.start_span("child").end()
    os._exit(0 if handle.flush() else 1)
print(os.waitpid(child, 0)[1])
tracer.start_span("parent").end()
handle.flush()
"""


def test_a_forked_child_has_a_connection_of_its_own(sink: Sink) -> None:
    """Two processes that write into one connection garble what both send."""
    ended = run(FORKING, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_METRICS_EXPORTER="none")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")
    assert [span.name for span in sink.spans] == ["parent", "child", "parent"]
    first, childs, second = [span.connection for span in sink.spans]
    assert first == second != childs


BEFORE = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.test import Client

class MyFlask(Flask):
    pass

def early_route(_request):
    return PlainTextResponse("ok")

def plain_wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

async def plain_asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

early, flask_early = FastAPI(), MyFlask("early")
starlette = Starlette(routes=[Route("/starlette", early_route)])
TestClient(early).get("/")  # which builds its middleware
from otel_setup import instrument_app, setup
setup()
import fastapi, flask
late, flask_late = fastapi.FastAPI(), flask.Flask("late")
for app in (early, flask_early, late, flask_late, starlette):
    if INSTRUMENT:
        assert instrument_app(instrument_app(app)) is app
for name, app in (("early", early), ("late", late)):
    app.get("/" + name)(lambda: "ok")
for name, app in (("flask-early", flask_early), ("flask-late", flask_late)):
    app.get("/" + name)(lambda: "ok")
for name, app in (("early", early), ("late", late), ("starlette", starlette)):
    assert TestClient(app).get("/" + name).status_code == 200
for name, app in (("flask-early", flask_early), ("flask-late", flask_late)):
    assert app.test_client().get("/" + name).status_code == 200
if INSTRUMENT:
    served = instrument_app(plain_asgi)
    assert instrument_app(served) is served is not plain_asgi
    assert TestClient(served).get("/asgi").text == "ok"
    served = instrument_app(plain_wsgi)
    assert instrument_app(served) is served is not plain_wsgi
    assert Client(served).get("/wsgi").text == "ok"
print("worked")
"""
FRAMEWORKS = ["/early", "/flask-early", "/flask-late", "/late", "/starlette"]


@pytest.mark.parametrize("by_hand", [True, False])
def test_an_app_that_was_made_before_setup_is_measured(sink: Sink, *, by_hand: bool) -> None:
    """Apps of a framework need nothing, plain callables are wrapped, and nothing counts twice."""
    ended = run(
        f"INSTRUMENT = {by_hand}\n" + BEFORE,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout) == (0, "worked\n"), ended.stderr
    plain = ["/asgi", "/wsgi"] if by_hand else []
    assert sorted((span.kind, span.attributes["url.path"]) for span in sink.spans) == [
        ("SERVER", path) for path in sorted([*FRAMEWORKS, *plain])
    ]
    counted = {
        point.attributes.get("http.route"): point.value
        for point in sink.metric("http.server.request.duration")
    }
    assert counted == {**dict.fromkeys(FRAMEWORKS, 1), **({None: 2} if by_hand else {})}


GIVEN_BACK = """
from otel_setup import instrument_app, setup
setup()
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask
app, flask_app = FastAPI(), Flask("shop")
app.get("/orders")(lambda: "ok")
flask_app.get("/orders")(lambda: "ok")
assert instrument_app(app) is app
assert TestClient(app).get("/orders").status_code == 200
assert flask_app.test_client().get("/orders").status_code == 200
"""
UPSTREAM = "opentelemetry.instrumentation."


@pytest.mark.parametrize(
    ("disabled", "scopes"),
    [
        ("otel_setup_fastapi,otel_setup_flask", [UPSTREAM + "fastapi", UPSTREAM + "flask"]),
        ("otel_setup_fastapi", [UPSTREAM + "fastapi", "otel_setup"]),
        ("fastapi", ["fastapi", "otel_setup"]),
        ("fastapi, otel_setup_fastapi,flask", ["fastapi"]),
    ],
)
def test_upstreams_instrumentation_runs_where_ours_is_disabled(
    sink: Sink, disabled: str, scopes: list[str]
) -> None:
    """One of the two, never both; with both disabled the framework is left alone."""
    ended = run(
        GIVEN_BACK,
        launcher=False,
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert ended.returncode == 0, ended.stderr
    # FastAPI itself speaks when nobody else does.
    assert sorted({span.scope for span in sink.spans if span.kind == "SERVER"}) == scopes


@pytest.mark.parametrize(
    ("thing", "kind"), [({}, "builtins.dict"), (print, "builtins.builtin_function_or_method")]
)
def test_what_is_no_app_is_refused(thing: object, kind: str) -> None:
    """The message has the type that was given and those that are taken."""
    with pytest.raises(TypeError) as raised:
        instrument_app(thing)
    assert str(raised.value) == (
        f"instrument_app got {kind}: expected a FastAPI, Starlette or Flask application, or a "
        "callable of ASGI (scope, receive, send) or WSGI (environ, start_response)."
    )


def test_a_second_setup_returns_the_first(sink: Sink) -> None:
    """What modules and entry points each set up is one telemetry, and sends once."""
    ended = run(
        "from otel_setup import setup\n"
        "first, second = setup('shop'), setup('shop')\n"
        "import otel_setup.auto\n"
        "print(first == second == otel_setup.auto.handle)\n" + WORK + "print(first.flush())",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\nworked\nTrue\n", "")
    assert [span.name for span in sink.spans] == ["work"]


def test_what_setup_is_given_wins_over_the_environment(sink: Sink) -> None:
    """A program that knows its name and its Collector says so."""
    ended = run(
        f"from otel_setup import setup\nsetup('mes', endpoint='{sink.url}')\n" + WORK,
        launcher=False,
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "worked\n", "")
    assert [span.resource["service.name"] for span in sink.spans] == ["mes"]


@pytest.mark.parametrize("call", ["flush()", "shutdown()"])
def test_a_handle_sends_what_is_waiting(sink: Sink, call: str) -> None:
    """A program that ends without atexit can be sure; ending twice does no harm."""
    ended = run(
        "import os, otel_setup\nhandle = otel_setup.setup()\n"
        + WORK
        + f"print(handle.{call}, handle.{call}, flush=True)\nos._exit(0)",
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "worked\nTrue True\n", "")
    assert [span.name for span in sink.spans] == ["work"]
    assert sink.metric("process.memory.usage") != []


LOADED = """
import json, sys
from otel_setup import setup
handle = setup()
print(handle.flush(), handle.shutdown())
import flask, fastapi, psycopg
from importlib.metadata import entry_points
print(flask.Flask.__module__, fastapi.FastAPI.__module__)
print(hasattr(psycopg.Cursor.execute, "__wrapped__"))
print("opentelemetry.sdk" in sys.modules)
"""


@pytest.mark.parametrize("launcher", [True, False])
def test_disabled_telemetry_leaves_everything_alone(sink: Sink, *, launcher: bool) -> None:
    """No class is replaced, the SDK is not even imported, and nothing is sent."""
    ended = run(
        LOADED + WORK,
        launcher=launcher,
        OTEL_SDK_DISABLED="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "True True",
        "flask.app fastapi.applications",
        "False",
        "False",
        "worked",
    ]
    assert sink.paths == []


BAD = {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_SETUP_EXIT_TIMEOUT": "never"}
BAD_LINES = [
    (
        "OTEL_TRACES_EXPORTER='zipkin': expected none, or a list of otlp, console. "
        "Where traces go: otlp, console, none."
    ),
    (
        "OTEL_SETUP_EXIT_TIMEOUT='never': expected seconds, more than 0 and at most 3600. "
        "Seconds that the last exports together may hold up the end of the process."
    ),
]


def test_under_the_launcher_a_wrong_environment_costs_the_telemetry_only(sink: Sink) -> None:
    """The program runs; stderr has one line per problem and no stack trace."""
    ended = run(WORK + "raise SystemExit(7)", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **BAD)
    assert (ended.returncode, ended.stdout) == (7, "worked\n")
    assert ended.stderr.splitlines() == [f"telemetry is off: {line}" for line in BAD_LINES]
    assert sink.paths == []


def test_setup_raises_on_a_wrong_environment_and_can_be_called_again(sink: Sink) -> None:
    """The program decides; with the environment mended it starts."""
    ended = run(
        "import os\nfrom otel_setup import ConfigError, setup\n"
        "for _ in range(2):\n"
        "    try: setup()\n"
        "    except ConfigError as error: print(error)\n"
        "del os.environ['OTEL_TRACES_EXPORTER'], os.environ['OTEL_SETUP_EXIT_TIMEOUT']\n"
        "setup()\n" + WORK,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        **BAD,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [*BAD_LINES, *BAD_LINES, "worked"]
    assert [span.name for span in sink.spans] == ["work"]


def test_a_repaired_endpoint_is_said_once() -> None:
    """Telemetry goes on, with one line that says what to set."""
    ended = run(
        WORK,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    assert (ended.stdout, ended.stderr.splitlines()) == (
        "worked\n",
        [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT='http://127.0.0.1:4317' is the port of another "
                "protocol than OTEL_EXPORTER_OTLP_PROTOCOL='http/protobuf'; "
                "'http://127.0.0.1:4318' is used. "
                "Set one of the two to match the other."
            )
        ],
    )


def test_prometheus_can_read_one_process_directly(sink: Sink) -> None:
    """The page has the duration in seconds; nothing but traces goes to the Collector."""
    app, serve = APPS["flask"]
    page = free_port()
    with Server(
        command(app + serve),
        PORT=str(free_port()),
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(page),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    ) as server:
        server.wait("/orders/7")
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        server.end()
    counts = [
        line for line in lines if line.startswith("http_server_request_duration_seconds_count")
    ]
    assert [line.rsplit(" ", 1)[1] for line in counts] == ["1.0"]
    assert 'http_route="/orders/<int:order_id>"' in counts[0]
    assert set(sink.paths) == {"/v1/traces"}


def taken(port: int) -> str:
    """Return the message about the taken *port*."""
    return (
        f"OTEL_EXPORTER_PROMETHEUS_PORT={port}: cannot serve /metrics on 127.0.0.1 (Address "
        "already in use). Choose a free port. Of an app with several workers only one could "
        "have it: use OTEL_METRICS_EXPORTER=otlp."
    )


@pytest.mark.parametrize("exporters", ["prometheus", "otlp,prometheus"])
def test_a_taken_port_is_named_under_the_launcher(sink: Sink, exporters: str) -> None:
    """The program runs without telemetry, and its log says how to have it."""
    ended = run(
        WORK,
        OTEL_METRICS_EXPORTER=exporters,
        OTEL_EXPORTER_PROMETHEUS_PORT=str(sink.port),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout) == (0, "worked\n")
    assert ended.stderr.splitlines() == [f"telemetry is off: {taken(sink.port)}"]
    assert sink.paths == []


def test_setup_raises_on_a_taken_port_and_can_be_called_again(sink: Sink) -> None:
    """Nothing is left half done: with another port all of it starts."""
    ended = run(
        "import os\nfrom otel_setup import ConfigError, setup\n"
        "try: setup()\n"
        "except ConfigError as error: print(error)\n"
        f"os.environ['OTEL_EXPORTER_PROMETHEUS_PORT'] = '{free_port()}'\n"
        "setup()\n" + WORK,
        launcher=False,
        OTEL_METRICS_EXPORTER="otlp,prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(sink.port),
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [taken(sink.port), "worked"]
    assert [span.name for span in sink.spans] == ["work"]
    assert len({point.resource["service.instance.id"] for point in sink.points}) == 1


LAZY = """
import sys
watched = ["fastapi", "flask", "botocore", "pika", "psycopg", "psycopg_pool", "sqlalchemy"]
print([name for name in watched if name in sys.modules])
import psycopg_pool
print([name for name in watched if name in sys.modules])
print(hasattr(psycopg_pool.base.BasePool.__init__, "__wrapped__"))
print(hasattr(sys.modules["psycopg"].Cursor.execute, "__wrapped__"))
"""


def test_only_what_the_program_imports_is_loaded(sink: Sink) -> None:
    """A worker without a web page carries no web framework; what it imports is patched."""
    ended = run(LAZY, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["[]", "['psycopg', 'psycopg_pool']", "True", "True"]


HELPER = """
from multiprocessing import resource_tracker, shared_memory
memory = shared_memory.SharedMemory(create=True, size=16)
memory.close()
memory.unlink()
resource_tracker._resource_tracker._stop()  # waits for its process
"""


def test_the_helper_process_of_multiprocessing_sends_nothing(sink: Sink) -> None:
    """It inherits the launcher's environment, but is no part of the application."""
    # With an option of the interpreter, which multiprocessing hands on to the helper.
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "PYTHONDONTWRITEBYTECODE": "1"}
    ended = run(HELPER + WORK, **variables)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "worked\n", "")
    assert len({point.resource["service.instance.id"] for point in sink.points}) == 1


def test_an_app_is_left_alone_when_telemetry_is_disabled() -> None:
    """instrument_app does what the variable says: nothing."""
    ended = run(
        "from flask import Flask\n"
        "from otel_setup import instrument_app\n"
        "app = Flask('x')\n"
        "before = dict(vars(app))\n"
        "served = instrument_app(app)\n"
        "print(vars(app) == before, served is app, hasattr(Flask.__call__, '__wrapped__'))\n"
        "print(instrument_app(app.wsgi_app) == app.wsgi_app)\n",
        OTEL_SDK_DISABLED="true",
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True True False\nTrue\n", "")
