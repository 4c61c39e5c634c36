# SPDX-License-Identifier: Apache-2.0
"""
Sixty secrets, planted where programs have them: none arrives at the Collector.

The programs run twice. The second time nothing is hidden, and the secrets arrive: what the
first run did not send was there to be sent.
"""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request

import pytest

from tests.otlp_sink import Sink
from tests.programs import Server, command, free_port, run

#: Takes everything that hides anything out of a program that is started with REDACTION=off.
START = """
import json, logging, os
SECRETS = json.loads(os.environ.pop("SECRETS"))
if os.environ.get("REDACTION") == "off":
    import otel_setup._providers as providers
    providers.redacted = lambda signal, exporter, redactor: exporter
    providers._limits.install = lambda limit, redactor: None
    providers.Resources.clean = lambda self, resource: resource
from otel_setup import setup
handle = setup()
"""

FASTAPI = """
import httpx, requests, uvicorn
from fastapi import FastAPI, Request
app = FastAPI()
logger = logging.getLogger("app")
here = f"http://127.0.0.1:{os.environ['PORT']}"

@app.get("/healthz")
def healthz():
    return "ok"

@app.get("/answer/{rest:path}")
def answer(rest: str):
    return "ok"

@app.get("/reset/{token}")
def reset(token: str):
    return "ok"

@app.get("/log")
def log():
    say = SECRETS
    logger.error("password=%s", say["log argument"])
    logger.error('sent {"api_key": "%s", "order": 7}', say["log JSON"])
    logger.error("headers: %s", {"Authorization": "Bearer " + say["log dict"], "Accept": "*/*"})
    logger.error("Cookie: sid=%s; theme=dark", say["log header"])
    logger.error("connecting to amqp://app:%s@rabbit:5672/shop", say["log URL"])
    logger.error("extra", extra={"db_password": say["log extra"]})
    logger.error("the token %s has expired", say["log word"])
    logger.error("key: -----BEGIN PRIVATE KEY-----\\n%s", say["log PEM"])
    logger.error("GET /files?signature=%s HTTP/1.1", say["log request line"])
    try:
        raise ValueError("secret=" + say["log exception"])
    except ValueError:
        logger.exception("failed")
    return "ok"

@app.get("/call")
def call():
    say = SECRETS
    presigned = "X-Amz-Credential=%s&X-Amz-Signature=%s&X-Amz-Security-Token=%s" % (
        say["call credential"], say["call signature"], say["call security token"])
    requests.get(f"{here}/answer/bucket/{say['call S3 key']}.pdf?{presigned}", timeout=5)
    httpx.get(here.replace("//", "//app:%s@" % say["call password"]) + "/answer/x")
    httpx.get(f"{here}/answer/x?page={say['call query']}")
    try:
        requests.get(f"http://127.0.0.1:1/x?token={say['call refused']}", timeout=5)
    except requests.ConnectionError:
        logger.exception("refused")
    return "ok"

FAILURES = {
    "dsn": "postgresql://app:{}@db:5432/shop refused",
    "libpq": "cannot connect: host=db user=app password='{} x'",
    "amqp": "amqp://app:{}@rabbit:5672/ closed",
    "sql": "near LINE 1: INSERT INTO cards (number) VALUES ('{}')",
    "unique": "duplicate key\\nDETAIL:  Key (card)=({}) already exists.",
    "parameters": "[SQL: SELECT 1]\\n[parameters: ('{}', 7)]",
    "bearer": "refused: Bearer {}",
    "JWT": "bad token eyJhbGciOiJIUzI1NiJ9.eyJ{}.x1",
    "pydantic": "  Input is no integer [type=int_parsing, input_value='{}', input_type=str]",
}

@app.get("/fail/{kind}")
def fail(kind: str):
    raise RuntimeError(FAILURES[kind].format(SECRETS["exception " + kind]))

uvicorn.run(app, port=int(os.environ["PORT"]))
"""

FLASK = """
from flask import Flask
app = Flask("shop")

@app.get("/healthz")
def healthz():
    return "ok"

@app.get("/invite/<code>")
def invite(code):
    app.logger.error("session_id=%s", SECRETS["Flask log"])
    return "ok"

@app.get("/fail")
def fail():
    raise RuntimeError("redis://:%s@cache:6379/0 refused" % SECRETS["Flask exception"])

app.run(port=int(os.environ["PORT"]))
"""

#: What upstream's instrumentations of pika, botocore and psycopg record, without their servers.
DIRECT = """
from opentelemetry import metrics, trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
tracer = trace.get_tracer("app")
say = SECRETS

def span(name, attributes=None, **more):
    return tracer.start_as_current_span(name, attributes=attributes, **more)

with span("INSERT", {"db.system": "postgresql", "db.statement":
        "INSERT INTO users VALUES ('%s', 7)" % say["SQL values"]}): pass
with span("SELECT", {"db.system.name": "postgresql", "db.query.text":
        "SELECT * FROM users WHERE token = '%s' AND id IN (1, '%s')"
        % (say["SQL equals"], say["SQL in"])}): pass
with span("SELECT", {"db.query.text": "SELECT 1 -- by %s" % say["SQL comment"]}): pass
with span("SELECT", {"db.system.name": "mysql", "db.query.text":
        'SELECT * FROM users WHERE pin = "%s"' % say["SQL of MySQL"]}): pass
with span("SELECT", {"db.statement.parameters": "('%s',)" % say["SQL parameters"]}): pass
with span("SET", {"db.system": "redis", "db.statement": "SET session %s" % say["Redis"]}): pass

with span("orders send", {"messaging.system": "rabbitmq", "messaging.url":
        "amqp://app:%s@rabbit:5672/shop" % say["AMQP URL"]}, kind=SpanKind.PRODUCER) as current:
    current.add_event("returned", {"headers": "{'x-token': '%s'}" % say["AMQP event"]})
    said = "amqps://app:%s@rabbit closed" % say["AMQP status"]
    current.set_status(Status(StatusCode.ERROR, said))
link = Link(SpanContext(7, 7, False), {"url.full": "https://host/?sig=" + say["link"]})
with span("orders receive", links=[link]): pass

with span("S3.PutObject", {"rpc.system": "aws-api", "aws.s3.bucket": "models",
        "aws.s3.key": "users/%s.stl" % say["S3 key"]}): pass
with span("S3.CopyObject", {"aws.s3.copy_source": "models/" + say["S3 copy source"]}): pass
with span("GET", {"http.url":
        "https://models.s3.eu-west-1.amazonaws.com/%s.stl" % say["S3 host"]}): pass
with span("GET", {"url.full":
        "https://s3.eu-west-1.amazonaws.com/models/%s.stl" % say["S3 path"]}): pass
with span("GET /verify/%s" % say["span name"]): pass
with span("upload", {"aws.access_key": "AKIA" + say["AWS key"].upper()[:16]}): pass
with span("list", {"arguments": ["--verbose", "api_key=" + say["list"]]}): pass

meter = metrics.get_meter("app")
counter = meter.create_counter("calls")
counter.add(1, {"url": "https://host/x?token=" + say["metric URL"]})
counter.add(1, {"password": say["metric password"]})
duration = meter.create_histogram("http.server.request.duration", "s")
with span("request"):
    duration.record(1, {"http.route": "/", "user.token": say["exemplar"]})
broker = {"broker": "amqp://app:%s@rabbit" % say["metric observed"]}
meter.create_observable_gauge("queue", [lambda _options: [metrics.Observation(1, broker)]])
logging.getLogger("app").error({"a": 1, "user": {"passwd": say["log body"]}})
handle.flush()
"""

#: What the programs have, and what clients send them.
PROGRAMS = {
    "fastapi": (
        *("log argument", "log JSON", "log dict", "log header", "log URL", "log extra"),
        *("log word", "log PEM", "log request line", "log exception"),
        *("call credential", "call signature", "call security token", "call S3 key"),
        *("call query", "call refused"),
        *("exception dsn", "exception libpq", "exception amqp", "exception sql"),
        *("exception unique", "exception parameters", "exception bearer", "exception JWT"),
        "exception pydantic",
    ),
    "flask": ("Flask log", "Flask exception"),
    "direct": (
        *("SQL values", "SQL equals", "SQL in", "SQL comment", "SQL of MySQL", "SQL parameters"),
        *("Redis", "AMQP URL", "AMQP event", "AMQP status", "link"),
        *("S3 key", "S3 copy source", "S3 host", "S3 path", "span name", "AWS key", "list"),
        *("metric URL", "metric password", "exemplar", "metric observed", "log body"),
        *("resource arguments", "resource attribute"),
    ),
}
REQUESTS = (
    *("query token", "query code", "query signature", "query value", "path reset", "path unknown"),
    *("agent", "Flask query", "Flask path", "Flask path unknown"),
)
#: What HTTP has and nobody records: headers, and the password in a URL that httpx calls.
UNRECORDED = (
    *("header authorization", "header cookie", "header key", "header referer"),
    "call password",
)


def secret(name: str) -> str:
    """Return the secret of that *name*: no two have anything in common."""
    return hashlib.sha256(name.encode()).hexdigest()[:24]


PLANTED = {
    name: secret(name)
    for name in (*(each for names in PROGRAMS.values() for each in names), *REQUESTS, *UNRECORDED)
}
ALL = {
    "SECRETS": json.dumps(PLANTED),
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRIC_EXPORT_INTERVAL": "60000",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
    "OTEL_RESOURCE_ATTRIBUTES": (
        f"process.command_args=app --token {secret('resource arguments')},"
        f"deploy.key=password%3D{secret('resource attribute')}"
    ),
}


def ask(server: Server, path: str, **headers: str) -> None:
    """Ask *server* for *path*, whatever it answers."""
    request = urllib.request.Request(server.url + path, headers=headers)  # noqa: S310 - our own
    try:
        urllib.request.urlopen(request, timeout=20).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()


def sent(redaction: str) -> dict[str, bytes]:
    """Return the bytes of all requests to the Collector, by their path."""
    p = PLANTED
    with Sink() as sink:
        variables = {**ALL, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "REDACTION": redaction}
        ended = run(START + DIRECT, launcher=False, **variables)
        assert ended.returncode == 0, ended.stderr
        port = str(free_port())
        with Server(command(START + FASTAPI, launcher=False), PORT=port, **variables) as server:
            server.wait()
            ask(server, f"/answer/x?token={p['query token']}&code={p['query code']}")
            ask(server, f"/answer/x?X-Amz-Signature={p['query signature']}&q={p['query value']}")
            ask(server, f"/reset/{p['path reset']}")
            ask(server, f"/nowhere/{p['path unknown']}")
            ask(
                server,
                "/answer/x",
                Authorization=f"Bearer {p['header authorization']}",
                Cookie=f"sid={p['header cookie']}",
                Referer=f"https://host/x?token={p['header referer']}",
            )
            ask(server, "/answer/x", **{"X-Api-Key": p["header key"]})
            ask(server, "/answer/x", **{"User-Agent": f"tool/1 token={p['agent']}"})
            ask(server, "/log")
            ask(server, "/call")
            for name in PROGRAMS["fastapi"]:
                if name.startswith("exception "):
                    ask(server, f"/fail/{name.removeprefix('exception ')}")
            server.end()
        port = str(free_port())
        with Server(command(START + FLASK, launcher=False), PORT=port, **variables) as server:
            server.wait()
            ask(server, f"/invite/{p['Flask path']}?token={p['Flask query']}")
            ask(server, f"/nowhere/{p['Flask path unknown']}")
            ask(server, "/fail")
            server.end()
        found: dict[str, bytes] = {}
        for path, body in sink.raw:
            found[path] = found.get(path, b"") + body
    return found


@pytest.fixture(scope="module")
def arrived() -> dict[str, bytes]:
    """What the Collector gets."""
    return sent("on")


def inside(sent: bytes) -> list[str]:
    """Return the names of the secrets that are in *sent*, in whatever case."""
    text = sent.lower()
    return [name for name, value in PLANTED.items() if value[:16].encode() in text]


def test_sixty_secrets_are_planted() -> None:
    """And each is one of its own."""
    assert len({value[:16] for value in PLANTED.values()}) == len(PLANTED) >= 60


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
def test_no_secret_arrives(arrived: dict[str, bytes], path: str) -> None:
    """In no byte of any signal."""
    assert len(arrived[path]) > 1000
    assert inside(arrived[path]) == []


@pytest.mark.stack
def test_every_secret_would_arrive() -> None:
    """The programs do record them: without redaction the Collector gets all but a few."""
    there = inside(b"".join(sent("off").values()))
    assert sorted(set(PLANTED) - set(there)) == sorted(UNRECORDED)


def test_the_console_shows_no_secret() -> None:
    """It is an exporter like the others, and its output is read by more people."""
    everywhere = dict.fromkeys(
        ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "console"
    )
    ended = run(START + DIRECT, launcher=False, **{**ALL, **everywhere})
    assert ended.returncode == 0, ended.stderr
    for part in ("S3.PutObject", '"calls"', "severity_text"):
        assert part in ended.stdout
    assert inside(ended.stdout.encode()) == []


CHOSEN = """
from opentelemetry import trace
from otel_setup import setup

def decide(name, value):
    return value.upper() if name == "aws.s3.key" else None

handle = setup(redact=decide)
with trace.get_tracer("app").start_as_current_span("work") as span:
    span.set_attributes({"aws.s3.key": "users/bob", "token": "abc", "customer.pin": "4711"})
"""


@pytest.mark.parametrize("launcher", [True, False])
def test_a_program_says_what_may_leave(sink: Sink, launcher: bool) -> None:
    """Its own function decides first, also when the launcher has set up everything before."""
    ended = run(
        CHOSEN,
        launcher=launcher,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_SETUP_SECRET_NAMES="pin",  # noqa: S106 - a name
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [span.attributes for span in sink.spans] == [
        {"aws.s3.key": "USERS/BOB", "token": "REDACTED", "customer.pin": "REDACTED"}
    ]


LONG = """
import logging
from opentelemetry import metrics, trace
text = "x" * 500
metrics.get_meter("app").create_counter("done").add(1, {"text": text})
logging.getLogger("app").error("said %s", text, extra={"text": text})
with trace.get_tracer("app").start_as_current_span("work", attributes={"text": text}) as span:
    span.record_exception(ValueError(text))
"""


def test_no_attribute_is_longer_than_the_limit(sink: Sink) -> None:
    """Of spans, events, metrics and log records; a log's message is no attribute."""
    ended = run(
        LONG,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="100",
    )
    assert ended.returncode == 0
    assert [len(point.attributes["text"]) for point in sink.metric("done")] == [100]
    assert [len(span.attributes["text"]) for span in sink.spans] == [100]
    (said,) = [record for record in sink.records if record.message.startswith("said")]
    assert (len(said.message), len(said.attributes["text"])) == (505, 100)
    body = b"".join(body for path, body in sink.raw if path == "/v1/traces")
    assert b"x" * 100 in body
    assert b"x" * 101 not in body


PAGE = """
import os, urllib.request
from opentelemetry import metrics
metrics.get_meter("app").create_counter("calls").add(1, {"url": "https://host/x?token=hunter2"})
address = f"http://127.0.0.1:{os.environ['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics"
print(urllib.request.urlopen(address, timeout=10).read().decode())
"""


def test_the_metrics_page_shows_no_secret() -> None:
    """Whoever may scrape it reads labels and what is said of the process."""
    ended = run(
        PAGE,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(free_port()),
        OTEL_RESOURCE_ATTRIBUTES="process.command_args=app --token hunter2",
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert 'url="https://host/x?token=REDACTED"' in ended.stdout
    assert 'process_command_args="app --token REDACTED"' in ended.stdout
    assert "hunter2" not in ended.stdout
