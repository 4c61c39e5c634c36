# SPDX-License-Identifier: Apache-2.0
"""
A program that sends fuzzed trace headers to an app, and says which of them were adopted.

``python -m tests.http_fuzz asgi|wsgi COUNT`` is run by test_http_hostile; what is expected
follows from W3C Trace Context and ``OTEL_SETUP_EDGE``. It prints one line of JSON with the
first sets of headers that were treated otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from otel_setup import instrument_app, setup

Headers = list[tuple[bytes, bytes]]
_MOST_SHOWN = 10
#: More than these are refused, by W3C Trace Context.
_MOST_STATES = 32


class Fuzzer:
    """Trace headers from right to absurd; the same ones for the same *seed*."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def headers(self) -> Headers:
        """Return the trace headers of one request, in any order."""
        found: Headers = []
        for name, values in (
            (b"traceparent", self._parents()),
            (b"tracestate", self._states()),
            (b"baggage", self._bags()),
        ):
            found.extend((name, value) for value in values)
        self._random.shuffle(found)
        return found

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def _parents(self) -> list[bytes]:
        trace_id, span_id, flags = self._hex(32), self._hex(16), self._hex(2)
        right = f"00-{trace_id}-{span_id}-{flags}"
        chance = self._random.random()
        if chance < 0.05:
            return []
        if chance < 0.4:
            return [right.encode()]
        if chance < 0.45:  # more than one is none
            return [right.encode(), f"00-{self._hex(32)}-{span_id}-01".encode()]
        return [
            self._random.choice(
                (
                    f"{self._hex(2)}-{trace_id}-{span_id}-{flags}",
                    f"{self._hex(2)}-{trace_id}-{span_id}-{flags}-{self._hex(8)}",
                    f"ff-{trace_id}-{span_id}-{flags}",
                    f"{right}-more",
                    f"{right}-",
                    f"00-{'0' * 32}-{span_id}-{flags}",
                    f"00-{trace_id}-{'0' * 16}-{flags}",
                    right.upper(),
                    right[: self._random.randrange(len(right))],
                    right + self._hex(1),
                    right.replace("-", self._random.choice("_.: ")),
                    f" \t{right}\t",
                    f"{right}\n",
                    right.replace("0", "\u0660"),
                    "",
                    right * 200,
                )
            ).encode(),
            self._mutated(right.encode()),
            self._bytes(),
        ][self._random.randrange(3) :][:1]

    def _states(self) -> list[bytes]:
        pairs = [f"{self._key()}={self._hex(8)}" for _ in range(self._random.randrange(1, 40))]
        chance = self._random.random()
        if chance < 0.3:
            return []
        if chance < 0.6:
            return [",".join(pairs).encode()]
        if chance < 0.7:
            return [pair.encode() for pair in pairs]
        return [self._random.choice((b"=", b"a=1,a=2", b",,,", self._bytes(), b"a=" + b"x" * 9000))]

    def _bags(self) -> list[bytes]:
        chance = self._random.random()
        if chance < 0.3:
            return []
        if chance < 0.6:
            return [f"{self._key()}={self._hex(4)};p=1, other=%D0%A9".encode()]
        if chance < 0.7:
            return [f"k{each}={self._hex(4)}".encode() for each in range(200)]
        return [
            self._random.choice(
                (b"a=%FF%FE", b"=", b"a", b";;;", b"a=" + b"x" * 9000, b"a=%", self._bytes())
            )
        ]

    def _key(self) -> str:
        return self._random.choice("abcxyz") + self._hex(6)

    def _mutated(self, text: bytes) -> bytes:
        changed = bytearray(text)
        for _ in range(self._random.randrange(1, 4)):
            changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _bytes(self) -> bytes:
        return self._random.randbytes(self._random.randrange(80))


_PARENT = re.compile(
    rb"[ \t]*(..)-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?[ \t]*", re.DOTALL
)


def caller(headers: Headers) -> tuple[int, int] | None:
    """Return trace and span id that W3C Trace Context reads in *headers*."""
    values = [value for name, value in headers if name == b"traceparent"]
    match = _PARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    version, trace_id, span_id, more = match.groups()
    known = re.fullmatch(rb"[0-9a-f]{2}", version) and version != b"ff"
    if not known or (version == b"00" and more is not None):
        return None
    ids = int(trace_id, 16), int(span_id, 16)
    return ids if all(ids) else None


class Seen(SpanProcessor):
    """What the app and the spans of one request say about it."""

    def __init__(self) -> None:
        self.context = trace.INVALID_SPAN_CONTEXT
        self.bag: dict[str, object] = {}
        self.span: ReadableSpan | None = None
        self.calls = 0

    def look(self) -> None:
        """Remember the context; the app calls it."""
        self.calls += 1
        self.context = trace.get_current_span().get_span_context()
        self.bag = dict(baggage.get_all())

    def on_end(self, span: ReadableSpan) -> None:
        """Remember the span of the request."""
        self.span = span


def wrong(seen: Seen, headers: Headers, *, untrusted: bool) -> str | None:
    """Return what is wrong about the telemetry of a request with *headers*."""
    foreign = caller(headers)
    adopted = foreign is not None and seen.context.trace_id == foreign[0]
    parent = seen.span and seen.span.parent
    if untrusted:
        assert seen.span is not None  # whatever the caller wants, our sampler keeps all
        links = [(link.context.trace_id, link.context.span_id) for link in seen.span.links]
        checks = {
            "a stranger is adopted": adopted or parent is not None,
            "a stranger's baggage is adopted": bool(seen.bag),
            "a stranger's tracestate is adopted": bool(seen.context.trace_state),
            "the link is wrong": links != ([] if foreign is None else [foreign]),
        }
    else:
        checks = {
            "a valid caller is not adopted": foreign is not None and not adopted,
            "something invalid is adopted": foreign is None and parent is not None,
            "valid baggage is lost": is_right_bag(headers) and seen.bag.get("other") != "\u0429",
            "valid tracestate is lost": adopted
            and len(seen.context.trace_state) != (states(headers) or len(seen.context.trace_state)),
        }
    return next((name for name, failed in checks.items() if failed), None)


def is_right_bag(headers: Headers) -> bool:
    """Tell whether *headers* have the one baggage of the fuzzer that is right as a whole."""
    values = [value for name, value in headers if name == b"baggage"]
    return len(values) == 1 and b"other=%D0%A9" in values[0]


def states(headers: Headers) -> int:
    """Return how many vendors' data are in the tracestate of *headers*; 0 when it is wrong."""
    members = b",".join(value for name, value in headers if name == b"tracestate").split(b",")
    keys = {member.partition(b"=")[0] for member in members}
    right = all(re.fullmatch(rb"[abcxyz][0-9a-f]{6}=[0-9a-f]{8}", member) for member in members)
    return len(keys) if right and len(keys) == len(members) <= _MOST_STATES else 0


def asgi(seen: Seen) -> Callable[[Headers], None]:
    """Return what sends a request with some headers to an instrumented ASGI app."""

    async def app(_scope: dict[str, Any], _receive: Any, send: Any) -> None:
        seen.look()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def nothing(*_message: object) -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    served, loop = instrument_app(app), asyncio.new_event_loop()

    def request(headers: Headers) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 5),
        }
        loop.run_until_complete(served(scope, nothing, nothing))

    return request


def wsgi(seen: Seen) -> Callable[[Headers], None]:
    """Return what sends a request with some headers to an instrumented WSGI app."""

    def app(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.look()
        start_response("200 OK", [])
        return [b"ok"]

    served = instrument_app(app)

    def request(headers: Headers) -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": None,
        }
        for name, value in headers:
            # As servers do it: Latin-1, and one header that came twice joined by a comma.
            key, text = f"HTTP_{name.decode().upper()}", value.decode("latin-1")
            environ[key] = f"{environ[key]},{text}" if key in environ else text
        answer = served(environ, lambda *_answer: None)
        assert b"".join(answer) == b"ok"
        getattr(answer, "close", lambda: None)()

    return request


def main() -> None:
    """Send the requests and print what went wrong."""
    kind, count = sys.argv[1], int(sys.argv[2])
    setup()
    seen, fuzzer = Seen(), Fuzzer(5)
    provider: Any = trace.get_tracer_provider()
    provider.add_span_processor(seen)
    request = {"asgi": asgi, "wsgi": wsgi}[kind](seen)
    untrusted = os.environ.get("OTEL_SETUP_EDGE") == "untrusted"
    kinds, shown, valid = Counter[str](), list[str](), 0
    for _ in range(count):
        headers = fuzzer.headers()
        valid += caller(headers) is not None
        seen.span = None
        request(headers)
        if (problem := wrong(seen, headers, untrusted=untrusted)) is not None:
            kinds[problem] += 1
            if kinds[problem] <= _MOST_SHOWN:
                shown.append(f"{problem}: {headers!r}"[:500])
    told = {"calls": seen.calls, "valid": valid, "wrong": dict(kinds), "examples": shown}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
