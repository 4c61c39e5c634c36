# SPDX-License-Identifier: Apache-2.0
"""The traceback of a failed request, on real servers: one record, with its trace, whoever logs."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.otlp_sink import Log, Sink, Span
from tests.programs import Server, free_port

FASTAPI = """
import logging
from fastapi import FastAPI
app = FastAPI()

@app.get("/boom")
def boom():
    logging.getLogger("shop").warning("before")
    raise ValueError("no stock")

@app.get("/healthz")
def healthz():
    return "ok"
"""
FLASK = """
import logging
from flask import Flask
app = Flask("shop_flask")

@app.get("/boom")
def boom():
    logging.getLogger("shop").warning("before")
    raise ValueError("no stock")

@app.get("/healthz")
def healthz():
    return "ok"
"""
#: Configures logging when the server has done so already.
LATE = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"own": {"format": "OWN %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"handlers": ["own"], "level": "INFO"},
})
"""
#: Name → program, and the command of its server. Flask writes to a handler of its own.
SERVERS = {
    "uvicorn": (LATE + FASTAPI, ["uvicorn", "app:app", "--port", "{port}"]),
    "gunicorn": (FLASK, ["gunicorn", "-b", "127.0.0.1:{port}", "app:app"]),
}


class Speaking(Server):
    """A server whose last words are kept."""

    def stop(self) -> list[str]:
        """End it and return what it wrote to stderr."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.communicate(timeout=30)[1].splitlines()


@dataclass(frozen=True)
class Run:
    """What one server sent and wrote."""

    logs: list[Log]
    spans: list[Span]
    lines: list[str]

    def written(self, **wanted: str) -> dict[str, Any]:
        """Return the only JSON line that has *wanted*."""
        lines = [json.loads(line) for line in self.lines]
        (found,) = (line for line in lines if wanted.items() <= line.items())
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Start all servers, have one request fail on each, stop them."""
    scripts = Path(sys.executable).parent
    lines = {}
    with Sink() as sink, contextlib.ExitStack() as stack:
        servers = {}
        for name, (program, command) in SERVERS.items():
            folder = tmp_path_factory.mktemp(name)
            (folder / "app.py").write_text(program)
            port = str(free_port())
            server, *arguments = (part.format(port=port) for part in command)
            servers[name] = stack.enter_context(
                Speaking(
                    [str(scripts / "opentelemetry-instrument"), str(scripts / server), *arguments],
                    folder,
                    PORT=port,
                    OTEL_SERVICE_NAME=name,
                    OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
                    OTEL_LOGS_EXPORTER="otlp",
                    OTEL_SETUP_LOG_FORMAT="json",
                )
            )
        for server in servers.values():
            server.wait()
            with pytest.raises(urllib.error.HTTPError, match="500"):
                server.get("/boom")
        for name, server in servers.items():
            lines[name] = server.stop()
        yield {
            name: Run(
                [log for log in sink.records if log.resource["service.name"] == name],
                [span for span in sink.spans if span.resource["service.name"] == name],
                lines[name],
            )
            for name in SERVERS
        }


@pytest.mark.parametrize("name", SERVERS)
def test_a_failed_request_is_one_record_with_its_trace(runs: dict[str, Run], name: str) -> None:
    """With the stack trace, whose last line is what failed."""
    (span,) = (span for span in runs[name].spans if span.kind == "SERVER")
    (error,) = (log for log in runs[name].logs if "exception.type" in log.attributes)
    assert (error.level, error.attributes["exception.type"]) == ("ERROR", "ValueError")
    assert (error.trace_id, error.span_id) == (span.trace_id, span.span_id)
    stack = error.attributes["exception.stacktrace"].splitlines()
    assert (stack[0], stack[-1]) == ("Traceback (most recent call last):", "ValueError: no stock")


@pytest.mark.parametrize("name", SERVERS)
def test_what_the_program_logs_is_sent_once(runs: dict[str, Run], name: str) -> None:
    """In the same trace."""
    (span,) = (span for span in runs[name].spans if span.kind == "SERVER")
    (log,) = (log for log in runs[name].logs if log.scope == "shop")
    assert (log.message, log.level) == ("before", "WARN")
    assert log.trace_id == span.trace_id


@pytest.mark.parametrize("name", SERVERS)
def test_access_lines_and_telemetry_are_not_sent(runs: dict[str, Run], name: str) -> None:
    """The first are spans already, the second would feed themselves."""
    scopes = {log.scope for log in runs[name].logs}
    assert {scope for scope in scopes if "access" in scope or "otel" in scope} == set()


@pytest.mark.parametrize("name", SERVERS)
def test_each_line_on_stderr_is_json_with_the_trace(runs: dict[str, Run], name: str) -> None:
    """Those of the server too, which made its handlers itself."""
    (span,) = (span for span in runs[name].spans if span.kind == "SERVER")
    error = runs[name].written(level="ERROR")
    warning = runs[name].written(logger="shop")
    assert (error["trace_id"], error["service"]) == (span.trace_id, name)
    assert error["exception"]["message"] == "no stock"
    assert (warning["message"], warning["trace_id"]) == ("before", span.trace_id)
