# SPDX-License-Identifier: Apache-2.0
"""The HTTP session of exporters ends in time and says in a few words what went wrong."""

from __future__ import annotations

import time

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from otel_setup._complaints import attempt
from otel_setup._session import Session, equip, reason
from tests.otlp_sink import Sink
from tests.sick_collectors import SICK


@pytest.mark.parametrize(
    ("collector", "said"),
    [
        ("refused", "connection refused at {url}"),
        ("silent", "no answer within 0.3 s at {url}"),
        ("slow", "no answer within 0.3 s at {url}"),
        ("black_hole", "no connection within 0.3 s at {url}"),
        ("wrong_tls", "TLS: wrong version number at {url}"),
        ("failing", "HTTP 500 Internal Server Error from {url}"),
        ("moved", "HTTP 308 Permanent Redirect from {url}"),
    ],
)
def test_a_request_that_fails_says_why_in_time(collector: str, said: str) -> None:
    """Also when a byte now and then keeps the connection alive."""
    started = time.monotonic()
    with SICK[collector]() as url, Session() as session:
        with pytest.raises(requests.RequestException):
            session.post(f"{url}/v1/traces", data=b"", timeout=0.3)
        assert attempt.trouble == said.format(url=url)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "HTTP 401 Unauthorized from {url} (check OTEL_EXPORTER_OTLP_HEADERS)"),
        (404, "HTTP 404 Not Found from {url} (check the path of OTEL_EXPORTER_OTLP_ENDPOINT)"),
    ],
)
def test_an_answer_that_the_user_can_mend_says_how(status: int, said: str) -> None:
    """It names the variable."""
    with Sink(status=status) as sink, Session() as session:
        with pytest.raises(requests.HTTPError):
            session.post(f"{sink.url}/v1/traces", data=b"")
        assert attempt.trouble == said.format(url=sink.url)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_answer_that_asks_to_try_again_is_left_to_the_exporter(status: int) -> None:
    """It knows how long to wait."""
    with Sink(status=status) as sink, Session() as session:
        answer = session.post(f"{sink.url}/v1/traces", data=b"")
    assert answer.status_code == status
    assert attempt.trouble.startswith(f"HTTP {status} ")


def test_a_request_that_goes_well_leaves_no_trouble(sink: Sink) -> None:
    """Whatever its last try met; the connection is kept."""
    attempt.trouble = "before"
    with Session() as session:
        for _ in range(2):
            session.post(f"{sink.url}/v1/traces", data=b"")
    assert attempt.trouble == ""
    assert sink.paths == ["/v1/traces"] * 2


def test_a_session_reads_no_netrc(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would import the reader for each request; a user in the address still counts."""

    def read(_url: str) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("requests.sessions.get_netrc_auth", read)
    with Session() as session:
        plain = session.prepare_request(requests.Request("POST", "http://host/"))
        named = session.prepare_request(requests.Request("POST", "http://user:word@host/"))
    assert "Authorization" not in plain.headers
    assert named.headers["Authorization"].startswith("Basic ")


def test_a_name_that_is_not_known_is_said() -> None:
    """``.invalid`` never is."""
    with Session() as session, pytest.raises(requests.ConnectionError) as raised:
        session.post("http://collector.invalid:4318/", data=b"", timeout=5)
    assert reason(raised.value) == "the name is not known"


def test_a_plain_session_of_an_exporter_is_replaced() -> None:
    """A configuration file makes exporters of its own; what they were told about TLS stays."""
    exporter = OTLPSpanExporter(certificate_file="ca.pem")
    equip(exporter)
    session = exporter._client._transport._session
    assert type(session) is Session
    assert session.verify == "ca.pem"
    equip(exporter)
    assert exporter._client._transport._session is session
    exporter.shutdown()
