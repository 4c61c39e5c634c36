# SPDX-License-Identifier: Apache-2.0
"""How many processes a command starts, as far as it says so."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from otel_setup import ConfigError, Settings, _workers
from otel_setup._workers import Server, server

PYTHON = "/venv/bin/python"


@pytest.mark.parametrize(
    ("command", "environ", "expected"),
    [
        ("/venv/bin/gunicorn app:app", {}, Server("gunicorn", 1)),
        ("/venv/bin/gunicorn -w 4 app:app", {}, Server("gunicorn", 4, "-w 4")),
        ("/venv/bin/gunicorn -w4 app:app", {}, Server("gunicorn", 4, "-w4")),
        ("/venv/bin/gunicorn --workers=2 app:app", {}, Server("gunicorn", 2, "--workers=2")),
        ("/venv/bin/gunicorn -w 4 -w 1 app:app", {}, Server("gunicorn", 1, "-w 1")),
        ("-m gunicorn --workers 3 app:app", {}, Server("gunicorn", 3, "--workers 3")),
        (
            "/venv/bin/gunicorn app:app",
            {"GUNICORN_CMD_ARGS": "--bind=0.0.0.0 -w 5", "WEB_CONCURRENCY": "2"},
            Server("gunicorn", 5, "-w 5"),
        ),
        (
            "/venv/bin/gunicorn app:app",
            {"WEB_CONCURRENCY": "2"},
            Server("gunicorn", 2, "WEB_CONCURRENCY=2"),
        ),
        (
            "/venv/bin/gunicorn -w 1 app:app",
            {"WEB_CONCURRENCY": "2"},
            Server("gunicorn", 1, "-w 1"),
        ),
        # Its configuration wins over that variable, and is a program.
        ("/venv/bin/gunicorn -c conf.py app:app", {"WEB_CONCURRENCY": "2"}, Server("gunicorn", 1)),
        ("/venv/bin/gunicorn app:app", {"GUNICORN_CMD_ARGS": '"'}, Server("gunicorn", 1)),
        ("/venv/bin/uvicorn app:app", {}, Server("uvicorn", 1)),
        (
            "-X dev -W error -m uvicorn app:app --workers 2",
            {},
            Server("uvicorn", 2, "--workers 2", supervises=True),
        ),
        (
            "/venv/bin/uvicorn app:app",
            {"WEB_CONCURRENCY": "2"},
            Server("uvicorn", 2, "WEB_CONCURRENCY=2", supervises=True),
        ),
        ("/venv/bin/uvicorn app:app --reload", {}, Server("uvicorn", 1, supervises=True)),
        # Reloading has one process, whatever else is asked for.
        (
            "/venv/bin/uvicorn app:app --reload --workers 4",
            {},
            Server("uvicorn", 1, supervises=True),
        ),
        ("/venv/bin/uvicorn app:app", {"UVICORN_RELOAD": "1"}, Server("uvicorn", 1, "", True)),
        ("/venv/bin/fastapi dev app.py", {}, Server("fastapi", 1, supervises=True)),
        ("/venv/bin/fastapi dev app.py --no-reload", {}, Server("fastapi", 1)),
        (
            "/venv/bin/fastapi run app.py --workers 4",
            {},
            Server("fastapi", 4, "--workers 4", supervises=True),
        ),
        ("/venv/bin/hypercorn app:app", {}, Server("hypercorn", 1, supervises=True)),
        ("/venv/bin/granian app:app", {}, Server("granian", 1, supervises=True)),
        ("/venv/bin/flask run", {}, Server("flask", 1)),
        ("/venv/bin/flask run --debug", {}, Server("flask", 1, supervises=True)),
        ("/venv/bin/flask run --debug", {"WERKZEUG_RUN_MAIN": "true"}, Server("flask", 1)),
        ("main.py --workers 4", {"WEB_CONCURRENCY": "4"}, None),
        ("-c import_this --workers 4", {}, None),
        ("-m", {}, None),
        ("", {}, None),
        ("/venv/bin/gunicorn --workers", {}, Server("gunicorn", 1)),
        ("/venv/bin/gunicorn -w many app:app", {}, Server("gunicorn", 1)),
    ],
)
def test_a_command_tells_its_workers(
    command: str, environ: dict[str, str], expected: Server | None
) -> None:
    """Options, variables and reloading, in the order in which the server reads them."""
    assert server([PYTHON, *command.split()], environ) == expected


def test_a_configuration_beside_the_app_counts_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gunicorn reads it without being told to."""
    monkeypatch.chdir(tmp_path)
    command = [PYTHON, "/venv/bin/gunicorn", "app:app"]
    assert server(command, {"WEB_CONCURRENCY": "2"}) == Server("gunicorn", 2, "WEB_CONCURRENCY=2")
    (tmp_path / "gunicorn.conf.py").touch()
    assert server(command, {"WEB_CONCURRENCY": "2"}) == Server("gunicorn", 1)


REFUSED = (
    "OTEL_METRICS_EXPORTER='prometheus': expected one process for a /metrics page, and gunicorn "
    "starts 4 workers (-w 4). With several workers each scrape would show another of them; use "
    "OTEL_METRICS_EXPORTER=otlp, and let Prometheus read the Collector."
)


def fitted(
    monkeypatch: pytest.MonkeyPatch, command: str, exporters: str, *, raising: bool
) -> tuple[str, ...]:
    """Return the exporters of metrics that a process of *command* has."""
    monkeypatch.setattr(sys, "orig_argv", [PYTHON, *command.split()])
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", exporters)
    return _workers.fitting(Settings.from_env(), raising=raising).metrics_exporters


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of a refusal be inherited by the next test: what is set here is restored."""
    monkeypatch.setenv("_OTEL_SETUP_NO_PAGE", "")


@pytest.mark.parametrize(
    ("exporters", "left"), [("prometheus", ()), ("otlp,prometheus", ("otlp",))]
)
def test_several_workers_have_no_page(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    exporters: str,
    left: tuple[str, ...],
) -> None:
    """All else goes on, and what this process starts does not say it again."""
    with caplog.at_level(logging.ERROR):
        assert fitted(monkeypatch, "/bin/gunicorn -w 4 app", exporters, raising=False) == left
        assert fitted(monkeypatch, "-c spawn_main()", exporters, raising=False) == left
    assert [record.message for record in caplog.records] == [REFUSED]


def test_a_program_that_sets_up_itself_gets_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does one that is strict."""
    with pytest.raises(ConfigError) as raised:
        fitted(monkeypatch, "/bin/gunicorn -w 4 app", "prometheus", raising=True)
    assert raised.value.problems == [REFUSED]


@pytest.mark.parametrize(
    ("command", "exporters", "expected"),
    [
        ("/bin/gunicorn -w 4 app", "otlp", ("otlp",)),
        ("/bin/gunicorn app", "prometheus", ("prometheus",)),
        ("/bin/uvicorn app", "prometheus", ("prometheus",)),
        ("/bin/uvicorn app --reload", "prometheus,otlp", ("otlp",)),
    ],
)
def test_what_fits_stays(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    command: str,
    exporters: str,
    expected: tuple[str, ...],
) -> None:
    """A process that only starts another leaves the page to it, and says nothing."""
    assert fitted(monkeypatch, command, exporters, raising=True) == expected
    assert caplog.records == []
