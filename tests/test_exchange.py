# SPDX-License-Identifier: Apache-2.0
"""One request as telemetry sees it: ends once, costs little, and keeps its bounds."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from otel_setup import set_user
from otel_setup.catalogue.entries import http
from otel_setup.instrumentation.http import address, counts, measures
from otel_setup.instrumentation.http.address import authority
from otel_setup.instrumentation.http.exchange import METHODS, Exchange
from otel_setup.instrumentation.http.policy import Policy
from otel_setup.testing import Telemetry

DURATION, ACTIVE, CPU = (
    entry.name for entry in (http.REQUEST_DURATION, http.ACTIVE_REQUESTS, http.CPU_TIME)
)


pytestmark = pytest.mark.usefixtures("otel")


def begin(method: str = "GET") -> Exchange:
    """Begin a request."""
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.scheme": "http",
        "url.path": "/orders/7",
    }
    recorder = measures.measures()
    assert recorder is not None
    return Exchange(recorder, attributes, Context(), (), method)


def test_it_ends_once(otel: Telemetry) -> None:
    """What comes later has no say."""
    exchange = begin()
    exchange.status = 200
    exchange.finish()
    exchange.finish(ValueError("late"))
    exchange.complete()
    (span,) = otel.spans
    assert (span.status, otel.metric(DURATION).total) == ("UNSET", 1)


def test_it_is_active_until_it_ends(otel: Telemetry) -> None:
    """A method that was seen once keeps its series, at zero."""
    first, second = begin("GET"), begin("POST")
    assert otel.metric(ACTIVE).by("http.request.method") == {"GET": 1, "POST": 1}
    first.finish()
    assert otel.metric(ACTIVE).by("http.request.method") == {"GET": 0, "POST": 1}
    second.finish()
    assert otel.metric(ACTIVE).by("http.request.method") == {"GET": 0, "POST": 0}


def test_many_threads_leave_no_request_behind(otel: Telemetry) -> None:
    """And lose no processor time."""

    def work() -> None:
        for _ in range(200):
            exchange = begin()
            exchange.cpu = 1000
            exchange.finish()
            exchange.settle()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert otel.metric(ACTIVE).total == 0
    assert otel.metric(CPU).total == pytest.approx(8 * 200 * 1e-6)


def test_equal_requests_share_their_labels() -> None:
    """Making a dict for each would be work for nothing."""
    recorder = measures.measures()
    assert recorder is not None
    first, second = begin(), begin()
    assert recorder.labels(first, "/a", None) is recorder.labels(second, "/a", None)
    second.status = 500
    assert recorder.labels(first, "/a", None) != recorder.labels(second, "/a", "500")


def test_the_labels_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes routes without end does not fill the memory here."""
    monkeypatch.setattr(measures, "_MOST_LABELS", 3)
    recorder = measures.measures()
    assert recorder is not None
    found = [recorder.labels(begin(), f"/{number}", None) for number in range(9)]
    assert [labels["http.route"] for labels in found] == [f"/{number}" for number in range(9)]
    assert len(recorder._labels) == 3


class MuteError(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_exception_that_cannot_be_printed_is_recorded(otel: Telemetry) -> None:
    """By its name at least."""
    begin().finish(MuteError())
    (span,) = otel.spans
    assert span.attributes["error.type"] == f"{__name__}.MuteError"
    assert (span.status, span.status_text) == ("ERROR", "MuteError: ?")


def test_a_group_of_one_exception_is_that_exception(otel: Telemetry) -> None:
    """Task groups wrap what broke them; two are a group indeed."""
    begin().finish(ExceptionGroup("tasks", [ExceptionGroup("more", [ValueError("7")])]))
    begin().finish(ExceptionGroup("tasks", [ValueError("7"), KeyError("8")]))
    assert [(span.attributes["error.type"], span.status_text) for span in otel.spans] == [
        ("ValueError", "ValueError: 7"),
        ("ExceptionGroup", "ExceptionGroup: tasks (2 sub-exceptions)"),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_the_end_of_the_process_is_no_event(otel: Telemetry, error: BaseException) -> None:
    """It has a name and no stack."""
    begin().finish(error)
    (span,) = otel.spans
    assert (span.attributes["error.type"], span.events) == (type(error).__name__, ())


@contextlib.contextmanager
def providers(tracers: Any, meters: Any) -> Iterator[None]:
    """Have the API give *tracers* and *meters* inside the block."""
    # Not the fixture, which undoes after the recording that it would bring back.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "_TRACER_PROVIDER", tracers)
        patched.setattr(metrics._internal, "_METER_PROVIDER", meters)
        yield


def test_a_request_that_is_not_sampled_is_counted() -> None:
    """Metrics are about all requests; an exemplar would point to a trace that nobody has."""
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with providers(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False), meters):
        exchange = begin()
        exchange.status, exchange.route = 200, "/orders/{id}"
        exchange.finish()
    data: Any = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]
    found = {
        metric["name"]: metric["data"]["data_points"]
        for metric in data["resource_metrics"][0]["scope_metrics"][0]["metrics"]
    }
    (point,) = found[DURATION]
    assert (point["count"], point["exemplars"]) == (1, [])
    assert point["attributes"]["http.route"] == "/orders/{id}"
    meters.shutdown()


def test_without_providers_there_is_nothing_to_measure() -> None:
    """Before setup a patched class costs next to nothing."""
    with providers(None, None):
        assert measures.measures() is None


def test_a_forked_child_has_no_requests_of_its_parent(otel: Telemetry) -> None:
    """What they cost is reported by the parent."""
    running, done = begin(), begin("POST")
    done.cpu = 5_000_000
    done.finish()
    done.settle()
    with counts._adding:  # as another thread of the parent may have it
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            counts.spend("/child", "GET", 7)
            os.write(write, repr((counts._read_live(), dict(counts._cpu))).encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode() == "([], {('/child', 'GET'): 7})"
    assert otel.metric(ACTIVE).total == 1
    running.finish()
    for end in (read, write):
        os.close(end)


def test_the_user_of_a_request_is_counted_at_its_end(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever the program says it was."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", "k" * 32)
    exchange = begin()
    set_user("ann", group="shop")
    exchange.finish()
    assert otel.metric(http.USER_REQUESTS.name).by("user.group") == {"shop": 1}


def test_methods_are_those_of_the_catalogue() -> None:
    """A label that the catalogue does not allow would be left out."""
    assert {*METHODS, "_OTHER"} == set(http.METHODS.values)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.example", ("shop.example", 80)),
        ("shop.example:8000", ("shop.example", 8000)),
        ("[::1]", ("::1", 80)),
        ("[::1]:8000", ("::1", 8000)),
        ("shop:0", ("shop", None)),
        ("shop:65536", ("shop", None)),
        ("shop:²", ("shop", None)),
        ("shop:" + "9" * 5000, ("shop", None)),
        ("shop:", ("shop", None)),
        ("", ("", 80)),
    ],
)
def test_a_host_is_an_address_and_a_port(host: str, expected: tuple[str, int | None]) -> None:
    """The port is that of the scheme where it is left out, and none where it is wrong."""
    assert authority(host, "http") == expected
    assert authority(host, "https") == (expected[0], 443 if expected[1] == 80 else expected[1])


def test_what_strangers_send_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million hosts and paths must not fill the memory, nor may long ones."""
    monkeypatch.setattr(address, "_known", {})
    policy = Policy(("/healthz$", "secret"), untrusted=False)
    for number in range(2000):
        authority(f"h{number}", "http")
        policy.excludes("http", "a", 80, f"/{number}")
    authority("h" * 1000, "http")
    policy.excludes("http", "a", 80, "/" + "x" * 1000)
    assert len(address._known) <= 256
    assert len(policy._decided) <= 512
    assert max(len(path) for path, _, _ in policy._decided) < 300
    assert max(len(host) for host, _ in address._known) < 300


def test_an_exclusion_is_searched_for_in_the_url() -> None:
    """As upstream does: scheme, host and port of the server, and the path."""
    policy = Policy((r"^http://10\.0\.0\.1:9000/", "/metrics$"), untrusted=False)
    for _ in range(2):  # the second time from memory
        assert policy.excludes("http", "10.0.0.1", 9000, "/x")
        assert not policy.excludes("http", "10.0.0.1", 8000, "/x")
        assert policy.excludes("http", None, None, "/metrics")
        assert not policy.excludes("http", None, None, "/metrics/deep")
    assert not Policy((), untrusted=False).excludes("http", "a", 80, "/metrics")


def test_an_exception_after_the_answer_names_its_trace(otel: Telemetry) -> None:
    """A background task fails when the request is over; the server still logs its traceback."""
    exchange = begin()
    exchange.status = 200
    exchange.finish()
    error = ValueError("late")
    exchange.finish(error)
    (span,) = otel.spans
    try:
        raise error
    except ValueError:
        logging.getLogger("uvicorn.error").exception("in a task")
    assert otel.log("in a task").trace_id == span.trace_id
