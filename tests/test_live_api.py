# SPDX-License-Identifier: Apache-2.0
"""What the client of Prometheus makes of answers, refusals and silence."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from otel_setup.live.api import NotReachableError, Prometheus, RefusedError


class _Stub(BaseHTTPRequestHandler):
    """Answers every request with one status and body."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Be silent."""


def ask(status: int, body: bytes) -> Any:
    """Return what the client makes of an answer."""
    handler = type("Handler", (_Stub,), {"status": status, "body": body})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        return Prometheus(f"http://127.0.0.1:{server.server_port}", 5).get("rules")


def test_an_answer_is_its_data() -> None:
    """The envelope is taken off."""
    assert ask(200, b'{"status": "success", "data": {"groups": []}}') == {"groups": []}


def test_a_refusal_keeps_the_words_of_prometheus() -> None:
    """They say what is wrong with the request."""
    with pytest.raises(RefusedError, match=r"^1:3: parse error$"):
        ask(400, b'{"status": "error", "error": "1:3: parse error"}')


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>", "what answers is not Prometheus"),
        (200, b"[]", "what answers is not Prometheus"),
        (404, b"404 page not found", "HTTP 404 without a reason"),
    ],
)
def test_what_is_no_prometheus_is_told(status: int, body: bytes, reason: str) -> None:
    """The message names the address, the reason and the fix."""
    with pytest.raises(NotReachableError) as raised:
        ask(status, body)

    assert f"does not answer: {reason}. Is it running" in str(raised.value)


def test_nobody_at_the_address_is_told() -> None:
    """The message names the address and the option."""
    with pytest.raises(NotReachableError) as raised:
        Prometheus("http://127.0.0.1:1", 5).get("rules")

    assert str(raised.value) == (
        "Prometheus at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused. "
        "Is it running, and is the address right? Give it with --prometheus URL."
    )


@pytest.mark.parametrize("url", ["localhost:9090", "ftp://x", "http://"])
def test_an_address_needs_scheme_and_host(url: str) -> None:
    """The message shows what was typed and an example."""
    with pytest.raises(ValueError, match=r"Give it like http://127\.0\.0\.1:9090") as raised:
        Prometheus(url)

    assert repr(url) in str(raised.value)
