# SPDX-License-Identifier: Apache-2.0
"""How the notification page finds the traces of a fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from services_demo.pager import traces
from tests.pager_client import COMMAND, Client, alert, webhook
from tests.programs import Server, free_port


class _Prometheus(BaseHTTPRequestHandler):
    """Answers every query with the exemplars of its server."""

    def do_GET(self) -> None:
        body = json.dumps(self.server.answer).encode()  # type: ignore[attr-defined]
        time.sleep(self.server.pause)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_more: object) -> None:
        """Say nothing."""


@pytest.fixture(name="prometheus")
def _prometheus() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Prometheus)
    server.answer, server.pause = {}, 0.0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _exemplars(*given: tuple[float, str]) -> dict[str, Any]:
    listed = [{"labels": {"trace_id": each}, "timestamp": moment} for moment, each in given]
    return {"status": "success", "data": [{"exemplars": [each]} for each in listed]}


def test_the_newest_traces_are_found(prometheus: ThreadingHTTPServer) -> None:
    """Three, each once, over all series; what is no id of a trace is left out."""
    ids = [f"{number:032x}" for number in range(5)]
    known = [(float(number), each) for number, each in enumerate(ids)]
    prometheus.answer = _exemplars(  # type: ignore[attr-defined]
        *known, (9.0, ids[4]), (8.0, "../../evil"), (7.0, "")
    )
    url = f"http://127.0.0.1:{prometheus.server_port}"

    assert traces.newest(url, "up", 0.0, 10.0) == (ids[4], ids[3], ids[2])


@pytest.mark.parametrize("answer", [[], {}, {"status": "error", "error": "no"}, {"status": 7}, 7])
def test_an_answer_that_is_none_is_said(prometheus: ThreadingHTTPServer, answer: object) -> None:
    """Whatever Prometheus answers, the search ends in one known way."""
    prometheus.answer = answer  # type: ignore[attr-defined]

    with pytest.raises(ValueError, match=r"\w"):
        traces.newest(f"http://127.0.0.1:{prometheus.server_port}", "up", 0.0, 10.0)


@pytest.fixture(name="pager")
def _pager(prometheus: ThreadingHTTPServer) -> Iterator[Client]:
    port = free_port()
    variables = {
        "PORT": str(port),
        "PAGER_PORT": str(port),
        "PAGER_PROMETHEUS_URL": f"http://127.0.0.1:{prometheus.server_port}",
        "PAGER_TRACE_URL": "http://traces/{trace_id}/page",
    }
    with Server(COMMAND, **variables) as server:
        server.wait()
        yield Client(port)


def _traces(pager: Client, wanted: int) -> list[list[str]]:
    """Return the links to traces of the only notification, once there are so many."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        (seen,) = pager.state()["notifications"]
        found: list[list[str]] = seen["links"]["traces"]
        if len(found) >= wanted:
            break
        time.sleep(0.05)
    return found


def test_a_search_for_traces_holds_nobody_up(
    prometheus: ThreadingHTTPServer, pager: Client
) -> None:
    """Alertmanager is answered before Prometheus is, and the traces come after."""
    found = "0123456789abcdef0123456789abcdef"
    prometheus.answer = _exemplars((1.0, found))  # type: ignore[attr-defined]
    prometheus.pause = 1.0  # type: ignore[attr-defined]
    began = time.monotonic()
    pager.post("/alerts", webhook(alert(annotations={"exemplars": "up"})))
    answered = time.monotonic() - began

    assert _traces(pager, 1) == [[found, f"http://traces/{found}/page"]]
    assert answered < 0.9


def test_what_goes_on_shows_its_newest_traces(
    prometheus: ThreadingHTTPServer, pager: Client
) -> None:
    """An alert that is told again may have failed again, in another trace."""
    first, second = "1" * 32, "2" * 32
    told = webhook(alert(annotations={"exemplars": "up"}))
    prometheus.answer = _exemplars((1.0, first))  # type: ignore[attr-defined]
    pager.post("/alerts", told)
    before = _traces(pager, 1)
    prometheus.answer = _exemplars((1.0, first), (2.0, second))  # type: ignore[attr-defined]
    pager.post("/alerts", told)

    assert [trace for trace, _page in before] == [first]
    assert [trace for trace, _page in _traces(pager, 2)] == [second, first]
