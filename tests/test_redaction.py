# SPDX-License-Identifier: Apache-2.0
"""What is hidden, what is not, and that nothing of it can hurt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, Status, StatusCode

from otel_setup import _redaction, redaction
from otel_setup.redaction import REDACTED, Redactor

TEXTS = {
    # Addresses.
    "GET /a?token=x&page=2 HTTP/1.1": "GET /a?token=REDACTED&page=REDACTED HTTP/1.1",
    "https://bob:pw@host:80/a#x=y": "https://REDACTED:REDACTED@host:80/a#x=REDACTED",
    "amqp://bob:p/w@x@host:5672/vh.": "amqp://REDACTED:REDACTED@host:5672/vh.",
    "amqp://bob:12/34@host": "amqp://REDACTED:REDACTED@host",
    "amqp://bob:p#w?x@host/vh": "amqp://REDACTED:REDACTED@host/vh",
    "postgresql://bob:pw@h1:5432,h2:5432/db": "postgresql://REDACTED:REDACTED@h1:5432,h2:5432/db",
    "redis://:pw@host": "redis://REDACTED:REDACTED@host",
    "cut off: amqp://bob:passw": "cut off: amqp://REDACTED",
    "https://host/@me?q=a@b": "https://host/@me?q=REDACTED",
    "to /r/https://bob:pw@host/x": "to /r/https://REDACTED:REDACTED@host/x",
    "?next=https://host/reset/a1b2": "?next=REDACTED",
    "['http://a/x','amqp://bob:pw@h']": "['http://a/x','amqp://REDACTED:REDACTED@h']",
    "GET /reset-password/a1b2c3 404": "GET /reset-password/REDACTED 404",
    "/files/3f2a9c81d4e57b60aa11cc22/x": "/files/REDACTED/x",
    "/a;jsessionid=4711": "/a;jsessionid=REDACTED",
    "https://b.s3.eu-west-1.amazonaws.com/bob.pdf": "https://b.s3.eu-west-1.amazonaws.com/REDACTED",
    "https://s3.amazonaws.com/b/bob/x.pdf": "https://s3.amazonaws.com/b/REDACTED",
    "http://minio/b/bob.pdf?X-Amz-Signature=f": "http://minio/REDACTED?X-Amz-Signature=REDACTED",
    # Names.
    "password=hunter2": "password=REDACTED",
    "db_password: hunter2, retry": "db_password: REDACTED, retry",
    '{"password": "hun ter2", "a": 1}': '{"password": "REDACTED", "a": 1}',
    '\\"apiKey\\":\\"hun ter2\\",': '\\"apiKey\\":\\"REDACTED\\",',
    "{'X-Auth-Token': 'x', 'A': 1}": "{'X-Auth-Token': 'REDACTED', 'A': 1}",
    "[(b'authorization', b'Bearer x'), 1]": "[(b'authorization', b'REDACTED'), 1]",
    "host=db password='p w' user=bob": "host=db password='REDACTED' user=bob",
    "Cookie: sid=1; theme=dark": "Cookie: REDACTED",
    "Authorization: Token abc": "Authorization: REDACTED",
    'curl -H "X-Api-Key: a b" http://h': 'curl -H "X-Api-Key: REDACTED b" http://h',
    "token%3Dabc": "token%3DREDACTED",
    'session["token"] = "abc"': 'session["token"] = "REDACTED"',
    "secret_access_key => abc": "secret_access_key => REDACTED",
    "the token 12ab34cd has expired": "the token REDACTED has expired",
    "İİİ: password=hunter2, ok": "İİİ: password=REDACTED, ok",
    # Shapes.
    "sent Bearer abcDEF123": "sent Bearer REDACTED",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-_ gone": "REDACTED gone",
    "key AKIAIOSFODNN7EXAMPLE used": "key REDACTED used",
    "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b": "a REDACTED b",
    "-----BEGIN PRIVATE KEY-----\nMII cut": "REDACTED",
    # Databases.
    "LINE 1: SELECT * FROM a WHERE b='x' AND c=7": "LINE 1: SELECT * FROM a WHERE b=? AND c=?",
    "DETAIL:  Key (email)=(bob@x) already exists.": "DETAIL:  Key (email)=(REDACTED",
    'invalid input syntax for type integer: "x y"': (
        'invalid input syntax for type integer: "REDACTED"'
    ),
    "[type=int_parsing, input_value='x y', input_type=str]": (
        "[type=int_parsing, input_value='REDACTED', input_type=str]"
    ),
}

PLAIN = (
    "",
    "GET",
    "/orders/{order_id}",
    "/orders/550e8400-e29b-41d4-a716-446655440000",
    "/news/3d-printed-gear-v2-m5-final",
    "127.0.0.1:8000",
    "[::1]:80",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
    "http://127.0.0.1:8000/orders/7",
    "https://cdn.example.com/@scope/package",
    "2026-11-21 10:00:00 order 7 of customer 12 created: 3 parts",
    "exit code: 1, status_code=200",
    "token_count=5, tokens: 7",
    "basic settings, bearer of news",
    "the token has expired",
    'File "/usr/lib/python3.11/site-packages/opentelemetry/sdk/trace/__init__.py", line 7',
    "don't say 'no'",
    "Привет, мир: всё хорошо",
)


@pytest.fixture
def redactor() -> Redactor:
    """A redactor with what everybody has."""
    return Redactor()


@pytest.mark.parametrize(("text", "expected"), TEXTS.items(), ids=range(len(TEXTS)))
def test_a_text_loses_its_secrets(redactor: Redactor, text: str, expected: str) -> None:
    """And nothing else, so that it still says what happened."""
    assert redactor.text(text) == expected
    assert redactor.text(expected) == expected


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_secrets_stays(redactor: Redactor, text: str) -> None:
    """It is the same object: nothing has to be copied."""
    assert redactor.attribute("anything", text) is text
    assert redactor.changes({"url.path": text, "log.body": text}) == {}


ATTRIBUTES: tuple[tuple[str, Any, Any], ...] = (
    ("http.request.header.authorization", ("Basic x",), (REDACTED,)),
    ("http.response.header.set_cookie", ["a=b"], [REDACTED]),
    ("http.request.header.x-api-key", "x", REDACTED),
    ("db.password", 4711, REDACTED),
    ("session.id", "abc", REDACTED),
    ("password", "", ""),
    ("password", None, None),
    ("has_password", True, True),
    ("gen_ai.usage.input_tokens", 7, 7),
    ("messaging.rabbitmq.destination.routing_key", "orders", "orders"),
    ("code.function.name", "main", "main"),
    ("url.query", "a=1&b&token=2", "a=REDACTED&b&token=REDACTED"),
    ("http.target", "/a?b=1", "/a?b=REDACTED"),
    ("url.path", "/invite/a1b2", "/invite/REDACTED"),
    ("aws.s3.key", "users/bob.pdf", REDACTED),
    ("aws.s3.copy_source", "models", "models"),
    ("aws.s3.copy_source", "/models/users/bob.pdf", "models/REDACTED"),
    ("aws.extended_request_id", f"a/{'b1' * 20}=", f"a/{'b1' * 20}="),
    ("db.query.parameter.0", "bob", REDACTED),
    ("process.command_args", ["a", "--password", "b", "-v"], ["a", "--password", REDACTED, "-v"]),
    ("process.command_args", ["a", "--api-key=b"], ["a", "--api-key=REDACTED"]),
    ("process.command_line", "a --password b -v", "a --password REDACTED -v"),
    (
        "log.body",
        {"user": "a", "password": {"x": ["b"]}},
        {"user": "a", "password": {"x": [REDACTED]}},
    ),
    ("log.body", b"token=abc", b"token=REDACTED"),
    ("anything", ["ok", "token=abc"], ["ok", "token=REDACTED"]),
)


@pytest.mark.parametrize(("name", "value", "expected"), ATTRIBUTES)
def test_a_name_says_what_is_in_the_value(
    redactor: Redactor, name: str, value: Any, expected: Any
) -> None:
    """Whatever its type."""
    assert redactor.attribute(name, value) == expected
    assert redactor.changes({name: value}) == ({} if expected == value else {name: expected})


def test_a_word_that_was_clean_elsewhere_is_no_secret_told(redactor: Redactor) -> None:
    """What is remembered is remembered for its place."""
    assert redactor.attribute("process.command_args", ["abc"]) == ["abc"]
    assert redactor.attribute("process.command_args", ["--token", "abc"]) == ["--token", REDACTED]
    assert redactor.attribute("log.body", {"a": "abc"}) == {"a": "abc"}
    assert redactor.attribute("log.body", {"cookie": {"a": "abc"}}) == {"cookie": {"a": REDACTED}}


STATEMENTS = {
    "SELECT * FROM a WHERE b = 'it''s' AND c IN (1, -2.5, 'x')": (
        "SELECT * FROM a WHERE b = ? AND c IN (?, -?, ?)"
    ),
    "INSERT INTO a VALUES (E'it\\'s', 0xFF, $t$ x $t$, $1, :b, %(c)s, %s, ?)": (
        "INSERT INTO a VALUES (?, ?, ?, $1, :b, %(c)s, %s, ?)"
    ),
    'UPDATE "a1" SET "b" = "c", d2 = 1e5 -- by bob': 'UPDATE "a1" SET "b" = ?, d2 = ? --',
    "SELECT a /* bob */ FROM b WHERE c = 'cut off": "SELECT a /**/ FROM b WHERE c = ?",
    "SELECT ARRAY[1,2], a::text, 1_000": "SELECT ARRAY[?,?], a::text, ?",
    "select token from a where token = $1": "select token from a where token = $1",
}


@pytest.mark.parametrize(("statement", "expected"), STATEMENTS.items())
def test_a_statement_loses_its_values(redactor: Redactor, statement: str, expected: str) -> None:
    """Placeholders, names and the shape stay: statements can be told apart."""
    for name in ("db.statement", "db.query.text"):
        assert redactor.attribute(name, statement) == expected
        assert redactor.attribute(name, expected) == expected


def test_a_statement_is_read_as_its_database_does(redactor: Redactor) -> None:
    """MySQL takes double quotes for a text, and Redis has no SQL."""
    text = "SELECT \"a\" FROM b WHERE c = 'it\\'s'"
    of_mysql = {"db.system.name": "mysql", "db.query.text": text}
    assert redactor.changes(of_mysql) == {"db.query.text": "SELECT ? FROM b WHERE c = ?"}
    of_redis = {"db.system": "redis", "db.statement": "SET session:bob 4711"}
    assert redactor.changes(of_redis) == {"db.statement": "SET ? ?"}


def test_more_names_can_be_given() -> None:
    """However their words are joined; they are whole words."""
    redactor = Redactor(["pin", "tax number"])
    for text, expected in {
        "pin=4711": "pin=REDACTED",
        "shipping=4711": "shipping=4711",
        '{"taxNumber": "x y"}': '{"taxNumber": "REDACTED"}',
        "Tax-Number: 12": "Tax-Number: REDACTED",
    }.items():
        assert redactor.text(text) == expected
    assert redactor.attribute("customer.tax_number", "12") == REDACTED
    assert redactor.attribute("shipping", "12") == "12"


def test_values_of_chosen_parameters_stay() -> None:
    """Unless their name is one of a secret."""
    redactor = Redactor(kept_parameters=["page", "token"])
    assert redactor.attribute("url.query", "page=2&token=x&a=b") == (
        "page=2&token=REDACTED&a=REDACTED"
    )
    assert redactor.text("GET http://h/a?page=2") == "GET http://h/a?page=2"


def test_a_long_value_is_cut() -> None:
    """What is no attribute has room for a stack."""
    redactor = Redactor(limit=10)
    assert redactor.attribute("a", "x" * 99) == "x" * 10
    assert redactor.attribute("a", ["x" * 99, "y"]) == ["x" * 10, "y"]
    assert redactor.attribute("log.body", "x" * 99) == "x" * 99


@pytest.mark.parametrize("filler", range(1010, 1050))
def test_what_is_cut_through_is_not_shown(filler: int) -> None:
    """Half an address has no end by which it is known: a password may look like a port."""
    text = f"token={'x' * filler} amqp://bob:47114711@host/vh " + "y " * 2000
    shown = Redactor(limit=40).attribute("a", text)
    assert shown.startswith("token=REDACTED")
    assert ":47" not in shown


def test_keys_of_objects_are_shown_to_who_asks_for_them() -> None:
    """They are shown as they are, whatever they look like; names of secrets are none of them."""
    redactor = Redactor(["source"], s3_keys=True)
    key = f"models/{'a1' * 20}?token=x"
    assert redactor.attribute("aws.s3.key", key) == key
    assert redactor.attribute("aws.s3.copy_source", f"models/{key}") == REDACTED
    assert Redactor(s3_keys=True).attribute("aws.s3.copy_source", key) == key


def test_the_programs_own_decision_comes_first() -> None:
    """None leaves it to the rules; what goes wrong is hidden."""
    redactor = Redactor(asks=True)
    asked: list[tuple[str, str]] = []

    def decide(name: str, value: str) -> str | None:
        asked.append((name, value))
        if value == "fail":
            raise ValueError(value)
        return {"aws.s3.key": value, "greeting": "bye", "bad": 7}.get(name)  # type: ignore[return-value]

    redaction.decide_with(decide)
    try:
        assert redactor.attribute("aws.s3.key", "users/bob") == "users/bob"
        assert redactor.changes({"greeting": "hello"}) == {"greeting": "bye"}
        assert redactor.attribute("token", "x") == REDACTED
        assert redactor.attribute("a", "password=x") == "password=REDACTED"
        assert redactor.attribute("a", "fail") == REDACTED
        assert redactor.attribute("bad", "x") == REDACTED
        assert asked[0] == ("aws.s3.key", "users/bob")
        # One that is used in a decision asks nobody.
        redaction.decide_with(Redactor(kept_parameters=["page"]).attribute)
        assert redactor.attribute("url.query", "page=2&a=1") == "page=2&a=REDACTED"
    finally:
        redaction.decide_with(None)
    assert redactor.attribute("aws.s3.key", "users/bob") == REDACTED


# Nothing of it can hurt.

PIECES = st.sampled_from(
    [
        *("password", "token", "=", ":", ",", " ", "'", '"', "/", "//", "://", "?", "&", ";", "#"),
        *("@", "a1", "amqp", "http", "host", "eyJ", "AKIA", "Bearer ", "basic ", "\n", "select "),
        *("-----BEGIN X-----", "-----END X-----", "where ", "(", ")", "Key (", "=(", "\\", "{"),
        *("}", "[", "]", "%3D", "authorization: ", "cookie=", "input_value=", "[parameters: "),
        *("3f2a9c81d4e57b60aa11cc22dd", "İ", "é", "0", "--", "$", "$$", "x'", "values (", "reset"),
        *("b.s3.amazonaws.com", "X-Amz-Signature", "\x00", REDACTED, "-", "1.5", "\ud800", " is "),
    ]
)
TANGLED = st.lists(PIECES, max_size=12).map("".join)
NAMES = st.sampled_from(
    ["anything", "url.path", "url.query", "url.full", "http.target", "db.statement", "log.body"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | TANGLED,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)
_KEPT = Redactor()


@given(name=NAMES, text=TANGLED | st.text())
@example(name="log.body", text="/ select cookie=-:',$ select ")
def test_what_was_hidden_once_stays_as_it_is(name: str, text: str) -> None:
    """Some texts are looked at twice: by an instrumentation, and before they leave."""
    once = _KEPT.attribute(name, text)
    assert _KEPT.attribute(name, once) == once


@given(name=NAMES | st.text(), value=VALUES)
def test_any_value_has_an_answer(name: str, value: Any) -> None:
    """Of the same kind, or REDACTED."""
    shown = _KEPT.attribute(name, value)
    assert shown == REDACTED or shown is value or type(shown) is type(value)
    assert set(_KEPT.changes({name: value})) <= {name}


class Broken:
    """An object that fails wherever it is touched."""

    def __str__(self) -> str:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    def __hash__(self) -> int:
        raise ValueError


class BrokenList(list[str]):
    """A list that cannot be read."""

    def __iter__(self) -> Iterator[str]:
        raise ValueError


def test_an_object_that_cannot_be_looked_at_does_no_harm(redactor: Redactor) -> None:
    """Nor does it leave, if there was something to look at."""
    broken = Broken()
    assert redactor.attribute("a", broken) is broken
    assert redactor.attribute("a", BrokenList()) == REDACTED
    deep: Any = "password=x"
    for _level in range(2000):
        deep = [deep]
    assert "password=x" not in str(redactor.attribute("a", deep))


SECRET = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=24)
PLACES: tuple[str, ...] = (
    "password={}",
    "{{'api_key': '{}'}}",
    '{{"token":"{}"}}',
    "amqp://bob:{}@host:5672/vh",
    "postgresql://{}:x@host/db",
    "https://host/a?b={}",
    "GET /a?b={}&c=d",
    "Authorization: Bearer {}",
    "INSERT INTO a VALUES ('{}')",
    "-----BEGIN PRIVATE KEY-----\n{}",
    "set-cookie: sid={}; path=/",
)


@given(secret=SECRET, place=st.sampled_from(PLACES), before=TANGLED, after=TANGLED)
def test_a_secret_is_found_in_company(secret: str, place: str, before: str, after: str) -> None:
    """Whatever stands around it, on lines of its own."""
    text = f"{before}\n\n{place.format(secret)}\n{after}"
    assert secret not in _KEPT.text(text)


HOSTILE = (
    *("a", "/", "://", "://a@", "://a:b", "http://a:b@", "?a=", "&a=b", "eyJ", "eyJ.", "AKIA"),
    *("Bearer ", "bearer\t", "-----BEGIN A-----", "password=", "password='", 'password="\\'),
    *("token ", "Key (", "Key (a)=(", "'", '"', "$", "$a$", "--", "/*", "select '", "where x='"),
    *(
        "\n ",
        "\nselect\n",
        "authorization: ",
        "[parameters: ",
        "input_value=",
        "%3d",
        "/a1b2c3d4e5",
    ),
    *("x;y=", "invalid input syntax for type ", "password={", "İ", "1_", "e'", "\\", "access key"),
    *(
        "://a/://",
        '"password" ',
        "insert  ",
        "jsessionid=1;",
        "a.s3.",
        "reset/",
        "İtocookie:'://a@",
    ),
)


@pytest.mark.parametrize(
    ("name", "length"),
    [("log.body", 100_000), ("url.path", 20_000), ("url.query", 20_000), ("db.statement", 20_000)],
)
def test_a_hostile_text_costs_little(
    redactor: Redactor, name: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand characters that nearly match, of each kind: no pattern goes back."""
    monkeypatch.setattr(redaction, "_LONGEST", 100_000)
    slow = {}
    for piece in HOSTILE:
        text = (piece * (length // len(piece) + 1))[:length]
        before = time.process_time()
        redactor.attribute(name, text)
        spent = time.process_time() - before
        if spent > length / 50_000:  # it is a tenth of that, and were it quadratic, a minute
            slow[piece] = spent
    assert slow == {}


# On the way out.


class Out:
    """An exporter that keeps what it gets."""

    def __init__(self) -> None:
        self.got: Any = None
        self.ended = False

    def export(self, batch: Any, *_args: Any, **_kwargs: Any) -> str:
        """Keep *batch*."""
        self.got = batch
        return "done"

    def shutdown(self) -> None:
        """Remember that it ended."""
        self.ended = True


def spans(*make: Callable[[Any], None], **limits: Any) -> list[ReadableSpan]:
    """Return a span for each of *make*, which fills it."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(
        shutdown_on_exit=False, resource=Resource({}), span_limits=SpanLimits(**limits)
    )
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for fill in make:
        with provider.get_tracer("app").start_as_current_span("work") as span:
            fill(span)
    return list(kept.get_finished_spans())


def through(signal: str, batch: Any, redactor: Redactor | None = None) -> Any:
    """Return what is left of *batch* behind an exporter of *signal*."""
    out = Out()
    assert _redaction.redacted(signal, out, redactor or Redactor()).export(batch) == "done"
    return out.got


def test_a_clean_span_is_handed_on_as_it_is() -> None:
    """Copying each would cost more than looking at it."""
    batch = spans(lambda span: span.set_attribute("http.route", "/orders/{id}"))
    assert through("traces", batch)[0] is batch[0]


def test_a_span_loses_its_secrets_everywhere() -> None:
    """Name, attributes, events, links and status; the rest and the original stay."""
    context = SpanContext(1, 2, is_remote=False)

    def fill(span: Any) -> None:
        span.update_name("GET /reset/a1b2c3")
        span.set_attributes({"url.query": "a=hunter2", "ok": "yes"})
        span.add_event("failed", {"exception.message": "password=hunter2", "n": 1})
        span.add_event("fine")
        span.add_link(context, {"url.full": "https://bob:hunter2@host"})
        span.add_link(context)
        span.set_status(Status(StatusCode.ERROR, "password=hunter2"))

    (old,) = spans(fill)
    (new,) = through("traces", [old])
    assert (new.name, dict(new.attributes)) == (
        "GET /reset/REDACTED",
        {"url.query": "a=REDACTED", "ok": "yes"},
    )
    assert [(event.name, dict(event.attributes or {})) for event in new.events] == [
        ("failed", {"exception.message": "password=REDACTED", "n": 1}),
        ("fine", {}),
    ]
    assert [dict(link.attributes or {}) for link in new.links] == [
        {"url.full": "https://REDACTED:REDACTED@host"},
        {},
    ]
    assert (new.status.status_code, new.status.description) == (
        StatusCode.ERROR,
        "password=REDACTED",
    )
    assert "hunter2" not in new.to_json()
    assert "hunter2" in old.to_json()
    same = ("context", "parent", "kind", "start_time", "end_time", "instrumentation_scope")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]


@pytest.mark.parametrize(
    "fill",
    [
        lambda span: span.update_name("token=abc"),
        lambda span: span.set_attribute("a", "token=abc"),
        lambda span: span.add_event("token=abc"),
        lambda span: span.add_event("e", {"a": "token=abc"}),
        lambda span: span.add_link(SpanContext(1, 2, is_remote=False), {"a": "token=abc"}),
        lambda span: span.set_status(Status(StatusCode.ERROR, "token=abc")),
    ],
)
def test_one_secret_is_enough_for_a_copy(fill: Callable[[Any], None]) -> None:
    """Wherever it is."""
    (new,) = through("traces", spans(fill))
    assert "token=abc" not in new.to_json()
    assert "token=REDACTED" in new.to_json()


def test_what_was_dropped_before_is_still_counted() -> None:
    """A copy says as well that it is not all."""

    def fill(span: Any) -> None:
        for number in range(4):
            span.set_attribute(f"a{number}", "token=x")
            span.add_event("e", {"a": "token=x", "b": "1", "c": "2"})
            span.add_link(SpanContext(1, 2, is_remote=False), {"a": "token=x"})

    batch = spans(fill, max_span_attributes=2, max_events=3, max_links=1, max_event_attributes=1)
    (new,) = through("traces", batch)
    assert (new.dropped_attributes, new.dropped_events, new.dropped_links) == (2, 1, 3)
    assert [event.dropped_attributes for event in new.events] == [2, 2, 2]


def test_a_resource_loses_its_secrets() -> None:
    """The command of a process may have a password."""
    kept = InMemorySpanExporter()
    resource = Resource({"process.command_args": ("app", "--token=abc")}, "https://schema")
    provider = TracerProvider(shutdown_on_exit=False, resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.get_tracer("app").start_span("a").end()
    provider.get_tracer("app").start_span("b").end()
    first, second = through("traces", kept.get_finished_spans())
    assert first.resource is second.resource
    assert first.resource.attributes == {"process.command_args": ("app", "--token=REDACTED")}
    assert first.resource.schema_url == "https://schema"


def record(body: Any, attributes: Mapping[str, Any]) -> ReadableLogRecord:
    """Return a log record."""
    return ReadableLogRecord(LogRecord(body=body, attributes=attributes), Resource({}))


def test_log_records_lose_their_secrets() -> None:
    """Body and attributes; other processors have the same object and keep it."""
    clean = record("order 7 created", {"code.lineno": 7})
    old = record("password=hunter2", {"password": "hunter2", "ok": "yes"})
    same, new = through("logs", [clean, old])
    assert same is clean
    assert new.log_record.body == "password=REDACTED"
    assert new.log_record.attributes == {"password": REDACTED, "ok": "yes"}
    assert old.log_record.body == "password=hunter2"
    assert new.log_record.timestamp == old.log_record.timestamp


def test_log_attributes_are_cut_and_bodies_are_not() -> None:
    """The limit is one of attributes."""
    (new,) = through("logs", [record("x" * 50, {"a": "x" * 50})], Redactor(limit=10))
    assert (new.log_record.body, new.log_record.attributes) == ("x" * 50, {"a": "x" * 10})


def collected(attributes: Mapping[str, Any]) -> MetricsData:
    """Return what a reader collects when two counters had *attributes* and none."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, resource=Resource({}))
    provider.get_meter("app").create_counter("a").add(1, attributes)
    provider.get_meter("app").create_counter("b").add(1)
    data = reader.get_metrics_data()
    assert data is not None
    return data


def test_metrics_lose_their_secrets() -> None:
    """Also where the SDK's table could not be changed; what is clean is handed on."""
    clean = collected({"a": "b"})
    assert through("metrics", clean) is clean
    dirty = collected({"url": "http://host/a?b=hunter2"})
    new = through("metrics", dirty)
    assert "hunter2" not in new.to_json()
    assert "hunter2" in dirty.to_json()
    old_metrics, new_metrics = (
        each.resource_metrics[0].scope_metrics[0].metrics for each in (dirty, new)
    )
    assert new_metrics[0].data.data_points[0].value == 1
    assert new_metrics[1] is old_metrics[1]


def test_an_exporter_is_otherwise_its_own() -> None:
    """What the SDK asks of it, it answers itself; a reader is no exporter."""
    out = Out()
    redacted = _redaction.redacted("traces", out, Redactor())
    redacted.shutdown()
    assert out.ended
    reader = InMemoryMetricReader()
    assert _redaction.redacted("metrics", reader, Redactor()) is reader


def test_what_cannot_be_cleaned_does_not_leave(caplog: pytest.LogCaptureFixture) -> None:
    """The others of its batch do, and one line says it."""
    good = spans(lambda span: span.set_attribute("a", "b"))
    assert through("traces", [object(), *good, object()]) == good
    assert [each.getMessage() for each in caplog.records] == [
        "one object is not sent: its secrets cannot be hidden (AttributeError)."
    ]


def test_a_batch_of_clean_spans_costs_little() -> None:
    """512 spans of requests, as they are exported at once: 4 ms on a machine of 2026."""
    batch = spans(
        *(
            lambda span, number=number: span.set_attributes(
                {
                    "http.request.method": "GET",
                    "http.route": "/orders/{id}",
                    "url.path": f"/orders/{number}",
                    "client.port": number,
                    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
                }
            )
            for number in range(512)
        )
    )
    before = time.process_time()
    through("traces", batch)
    assert time.process_time() - before < 0.1
