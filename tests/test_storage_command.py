# SPDX-License-Identifier: Apache-2.0
"""The scanner as a process: what it exports, when it ends, and what it remembers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.made_up_storage import VARIABLES, MadeUpStorage
from tests.otlp_sink import Point, Sink
from tests.programs import environment

_COMMAND = [sys.executable, "-m", "otel_setup.storage"]
_SIZE = 3000 * 2999 // 2


def _variables(storage: MadeUpStorage, **more: str) -> dict[str, str]:
    chosen = {
        "STORAGE_SCAN_ENDPOINT": storage.url,
        "STORAGE_SCAN_BUCKETS": "large",
        "STORAGE_SCAN_INTERVAL": "1",
        "STORAGE_SCAN_CLASSES": "models=models/",
        "STORAGE_SCAN_PAGES_PER_SECOND": "1000",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        **VARIABLES,
        **more,
    }
    return environment(**{name: value for name, value in chosen.items() if value})


@contextmanager
def _running(variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(_COMMAND, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ran(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _until(seen: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def _latest(sink: Sink, name: str) -> Point | None:
    return next((point for point in reversed(sink.points) if point.name == name), None)


def _value(sink: Sink, name: str) -> float | None:
    point = _latest(sink, name)
    return None if point is None else point.value


def test_it_exports_what_it_found(sink: Sink) -> None:
    """Under its own name, with all its metrics and without a single span."""
    with MadeUpStorage(3000) as storage:
        variables = _variables(
            storage, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, STORAGE_SCAN_CAPACITY="1e9"
        )
        with _running(variables) as process:
            _until(lambda: _value(sink, "storage.scan.pages") == 8, "two scans of four pages")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert process.stderr is not None
            said = process.stderr.read()

    sizes = {
        point.attributes["storage.prefix.class"]: point.value
        for point in sink.points
        if point.name == "storage.bucket.size"
    }
    assert sizes == {"models": _SIZE, "other": 0}
    size = _latest(sink, "storage.bucket.size")
    assert size is not None
    assert size.resource["service.name"] == "storage-scanner"
    assert size.attributes["aws.s3.bucket"] == "large"
    assert _value(sink, "storage.scan.failures") == 0
    assert _value(sink, "storage.scan.interval") == 1
    assert _value(sink, "storage.capacity") == 1e9
    assert _value(sink, "storage.bucket.unfinished.uploads") == 0
    assert abs((_value(sink, "storage.scan.completed.time") or 0) - time.time()) < 60
    assert sink.spans == []
    assert "otel_setup" not in said


def test_after_a_restart_sizes_are_known_before_the_first_scan(sink: Sink, tmp_path: Path) -> None:
    """They are those of the state file, with their age, and the storage is left alone."""
    with MadeUpStorage(3000) as storage:
        variables = _variables(
            storage,
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            STORAGE_SCAN_INTERVAL="3600",
            STORAGE_SCAN_STATE_FILE=str(tmp_path / "state.json"),
        )
        assert _ran(variables, "--once").returncode == 0
        asked = len(storage.queries)
        with _running(variables):
            _until(lambda: _value(sink, "storage.bucket.objects") is not None, "sizes")
            _until(lambda: _value(sink, "storage.scan.failures") == 0, "the first round")

    assert {point.value for point in sink.points if point.name == "storage.bucket.size"} == {
        0,
        _SIZE,
    }
    assert len(storage.queries) == asked == 3


def test_once_prints_a_table() -> None:
    """For whoever wants a number now; no telemetry is sent."""
    with MadeUpStorage(3000) as storage:
        ended = _ran(
            _variables(storage, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9"), "--once"
        )

    assert [line.split() for line in ended.stdout.splitlines()] == [
        ["bucket", "class", "objects", "bytes"],
        ["large", "models", "3000", str(_SIZE)],
        ["large", "other", "0", "0"],
        ["large", "(unfinished", "uploads)", "0", "0"],
    ]
    assert (ended.returncode, ended.stderr) == (0, "")


def test_once_fails_when_a_bucket_cannot_be_scanned() -> None:
    """The line says which and why."""
    with MadeUpStorage(0) as storage:
        variables = _variables(storage)
    variables["AWS_MAX_ATTEMPTS"] = "1"

    ended = _ran(variables, "--once")

    assert ended.returncode == 1
    assert "bucket large cannot be scanned: Could not connect to the endpoint URL" in ended.stderr


def test_bad_settings_are_told_at_once() -> None:
    """Before anything is started, one line each."""
    with MadeUpStorage(0) as storage:
        ended = _ran(_variables(storage, STORAGE_SCAN_INTERVAL="0", STORAGE_SCAN_CLASSES="x"))

    assert ended.returncode == 2
    assert [line.split("=")[0] for line in ended.stderr.splitlines()] == [
        "STORAGE_SCAN_INTERVAL",
        "STORAGE_SCAN_CLASSES",
    ]


def test_the_probe_sees_a_scanner_that_hangs(tmp_path: Path) -> None:
    """It writes its state in each interval, and hangs when it no longer does."""
    state = tmp_path / "state.json"
    with MadeUpStorage(10) as storage:
        variables = _variables(storage, STORAGE_SCAN_STATE_FILE=str(state))
        before = _ran(variables, "--check").returncode
        _ran(variables, "--once")
        healthy = _ran(variables, "--check").returncode
        long_ago = time.time() - 100
        os.utime(state, (long_ago, long_ago))
        hangs = _ran(variables, "--check")

    assert (before, healthy, hangs.returncode) == (1, 0, 1)
    assert "was written 1" in hangs.stderr
