# SPDX-License-Identifier: Apache-2.0
"""`otel-setup live-check` asks a Prometheus, tells what it found, and ends with 0, 1 or 2."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_setup.cli import main
from otel_setup.live.check import CHECKS
from otel_setup.live.observe import Loaded
from tests.live_world import SERIES, TREES_FILE, WORLD

TREES = json.loads(TREES_FILE.read_text())


class _TeaHouse(BaseHTTPRequestHandler):
    """A Prometheus that shows the healthy world; ``extra`` is a name that arrives besides."""

    extra: tuple[str, ...] = ()

    def do_GET(self) -> None:
        match urlsplit(self.path).path:
            case "/api/v1/label/__name__/values":
                self._answer([*SERIES, "up", "gone_an_hour_ago", *self.extra])
            case "/api/v1/metadata":
                self._answer(
                    {
                        name: [{"type": each.type, "unit": each.unit} for each in told]
                        for name, told in WORLD.told.items()
                    }
                )
            case "/api/v1/rules":
                rules = [_rule(rule) for rule in WORLD.rules]
                self._answer({"groups": [{"file": "tea.yml", "rules": rules}]})

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        text = asked["query"][0]
        if self.path == "/api/v1/parse_query":
            self._answer(TREES[text])
        else:
            self._answer({"resultType": "vector", "result": list(self._result(text))})

    def _result(self, text: str) -> Iterator[dict[str, Any]]:
        if text.startswith("count by (__name__, job)"):
            for name in ("up", *self.extra):
                yield {"metric": {"__name__": name, "job": "kitchen"}, "value": [0, "1"]}
        elif text.startswith("last_over_time({__name__"):
            for name, samples in SERIES.items():
                for each in samples if name in text else ():
                    labels = {"__name__": name, **each.labels}
                    yield {"metric": labels, "value": [0, str(each.value)]}
        else:
            yield {"metric": {"pot": "red"}, "value": [0, "0.5"]}

    def _answer(self, data: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "success", "data": data}).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Be silent."""


def _rule(rule: Loaded) -> dict[str, Any]:
    """Return a rule as Prometheus tells it."""
    return {
        "type": rule.kind,
        "name": rule.name,
        "query": rule.expression,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        "duration": rule.lasts,
        "keepFiringFor": rule.keeps,
        "health": "ok",
    }


@pytest.fixture(name="url")
def _url(request: pytest.FixtureRequest) -> Iterator[str]:
    extra = getattr(request, "param", ())
    handler = type("Handler", (_TeaHouse,), {"extra": extra})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(url: str, *more: str) -> int:
    """Check the tea house against the Prometheus at *url*."""
    return main(["live-check", "--catalogue", "tests.live_world", "--prometheus", url, *more])


def test_a_healthy_world_ends_with_0(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last lines say how much was compared: nothing found is not nothing looked at."""
    assert run(url) == 0
    assert capsys.readouterr().out.splitlines() == [
        "compared: 5 metrics, 10 series, 5 panels, 5 queries, 2 rules",
        "found: 0 violations, 0 improvements, 0 for information",
    ]


@pytest.mark.parametrize("url", [("tea_spilled_total",)], indirect=True)
def test_a_violation_ends_with_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The finding names the metric and the job."""
    assert run(url) == 1
    assert "tea_spilled_total  arrives from job 'kitchen'" in capsys.readouterr().out


@pytest.mark.parametrize("url", [("tea_spilled_total",)], indirect=True)
def test_only_the_chosen_checks_count(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are not told and do not fail the command."""
    assert run(url, "--only", "labels", "--only", "rules") == 0
    assert "tea_spilled_total" not in capsys.readouterr().out


@pytest.mark.parametrize("url", [("tea_spilled_total",)], indirect=True)
def test_findings_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read the same findings."""
    assert run(url, "--json") == 1
    assert [each["about"] for each in json.loads(capsys.readouterr().out)["findings"]] == [
        "tea_spilled_total"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--catalogue", "tests.live_world", "--only", "prices"],
            f"--only 'prices': expected one of {', '.join(CHECKS)}.",
        ),
        (
            ["--catalogue", "tests.live_world", "--prometheus", "localhost"],
            (
                "address of Prometheus 'localhost': expected scheme and host. "
                "Give it like http://127.0.0.1:9090."
            ),
        ),
        (
            ["--catalogue", "tests.live_world", "--prometheus", "http://127.0.0.1:1"],
            (
                "Prometheus at http://127.0.0.1:1 does not answer: [Errno 111] Connection refused. "
                "Is it running, and is the address right? Give it with --prometheus URL."
            ),
        ),
    ],
)
def test_what_cannot_be_told_ends_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names what was typed and the fix."""
    assert main(["live-check", *arguments]) == 2
    assert capsys.readouterr().err == f"otel-setup live-check: {message}\n"


def test_a_module_that_is_missing_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The loader's message says where it looked."""
    assert main(["live-check", "--catalogue", "no.such"]) == 2
    assert str(Path.cwd()) in capsys.readouterr().err


def test_the_check_needs_nothing_that_renders() -> None:
    """It runs where neither PyYAML nor matplotlib nor the SDK is installed."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('yaml', 'matplotlib', 'opentelemetry.sdk')))\n"
        "import otel_setup.live.check\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_help_names_all_checks(capsys: pytest.CaptureFixture[str]) -> None:
    """What `--only` takes is found in the help."""
    with pytest.raises(SystemExit):
        main(["live-check", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert ", ".join(CHECKS) in text
