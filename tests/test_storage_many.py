# SPDX-License-Identifier: Apache-2.0
"""A bucket of a million objects: bounded memory, a gentle pace, and nothing lost by kill -9."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from otel_setup.storage import Amount, Scanner, ScanSettings
from tests.made_up_storage import VARIABLES, MadeUpStorage, key
from tests.programs import environment

#: Scans once, and says by how many bytes its memory grew after the first pages.
_CHILD = """
import resource, sys
from otel_setup.storage import Scanner, ScanSettings
from otel_setup.storage.listing import connect

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

settings = ScanSettings.from_env()
client = connect(settings)
client.list_objects_v2(Bucket="large", MaxKeys=1000)
before = peak()
scanner = Scanner(settings, client=client)
scanner.scan()
amount = scanner.results["large"].sizes["models"]
print(amount.bytes, amount.count, peak() - before)
"""


def _variables(storage: MadeUpStorage, **more: str) -> dict[str, str]:
    return environment(
        STORAGE_SCAN_ENDPOINT=storage.url,
        STORAGE_SCAN_BUCKETS="large",
        STORAGE_SCAN_CLASSES="models=models/,drafts=tmp/",
        STORAGE_SCAN_PAGES_PER_SECOND="1000",
        **VARIABLES,
        **more,
    )


def _sum(count: int) -> Amount:
    """Return what objects 0 to *count* have together."""
    return Amount(count * (count - 1) // 2, count)


@pytest.mark.timeout(600)
def test_a_million_objects_take_bounded_memory() -> None:
    """Page by page: less than 30 MB on top of a client that has read one page."""
    with MadeUpStorage(1_000_000) as storage:
        ended = subprocess.run(
            [sys.executable, "-c", _CHILD],
            env=_variables(storage),
            capture_output=True,
            text=True,
            timeout=580,
            check=True,
        )

    size, count, growth = map(int, ended.stdout.split())
    assert Amount(size, count) == _sum(1_000_000)
    assert growth < 30e6
    assert len(storage.queries) == 1001


@pytest.mark.timeout(300)
def test_a_scan_goes_on_after_kill_9(tmp_path: Path) -> None:
    """The next process asks for what is left, and its sums are whole."""
    state = tmp_path / "state.json"
    with MadeUpStorage(300_000) as storage:
        variables = _variables(
            storage, STORAGE_SCAN_STATE_FILE=str(state), OTEL_SDK_DISABLED="true"
        )
        command = [sys.executable, "-m", "otel_setup.storage"]
        # So slowly that it is killed in the middle.
        slowly = {**variables, "STORAGE_SCAN_PAGES_PER_SECOND": "30"}
        process = subprocess.Popen(command, env=slowly, stderr=subprocess.PIPE)
        try:
            _until(lambda: state.exists() and _progress(state).get("after"))
        finally:
            process.kill()
            process.communicate()
        killed, seen = _progress(state), len(storage.queries)
        ended = subprocess.run(
            [*command, "--once"],
            env=variables,
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )

    first = storage.queries[seen]
    assert first["start-after"] == killed["after"] > key(0)
    assert len(storage.queries) - seen < 300
    whole = _sum(300_000)
    assert f"{whole.count:>12} {whole.bytes:>18}" in ended.stdout
    assert "the interrupted scan of bucket large goes on where it was" in ended.stderr


def _progress(state: Path) -> dict[str, Any]:
    return dict(json.loads(state.read_text())["progress"].get("large", {}))


def _until(seen: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, "the scanner does not keep its progress"
        time.sleep(0.05)


@pytest.fixture(name="settings")
def _settings(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return {"buckets": ("large",), "pages_per_second": 1000.0}


def test_pages_are_not_asked_for_faster_than_allowed(settings: dict[str, Any]) -> None:
    """Ten pages at twenty a second take nearly half a second at least."""
    with MadeUpStorage(10_000) as storage:
        scanner = Scanner(
            ScanSettings(**{**settings, "pages_per_second": 20}, endpoint=storage.url)
        )
        begun = time.monotonic()
        scanner.scan()

    assert time.monotonic() - begun >= 0.45
    assert len(storage.queries) == 10


def test_who_stops_does_not_wait_for_the_next_page(settings: dict[str, Any]) -> None:
    """A page a minute, and the scanner ends at once."""
    stop = threading.Event()
    with MadeUpStorage(10_000) as storage:
        slow = ScanSettings(**{**settings, "pages_per_second": 1 / 60}, endpoint=storage.url)
        work = threading.Thread(target=Scanner(slow, stop=stop).run)
        work.start()
        _until(lambda: storage.queries)
        stop.set()
        work.join(20)

    assert not work.is_alive()
    assert len(storage.queries) == 1


def test_a_storage_that_cannot_go_on_is_scanned_from_the_start(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Objects are never counted twice: the interrupted scan fails, the one after it is whole."""
    path = tmp_path / "state.json"
    with MadeUpStorage(5000) as storage:
        known = ScanSettings(**settings, endpoint=storage.url, state_file=path)
        _interrupt(known, storage)
        storage.forgets_where = True
        scanner = Scanner(known)
        scanner.scan()
        failed = dict(scanner.failures)
        storage.forgets_where = False
        scanner.scan()

    assert failed == {"large": 1}
    assert "begins before" in caplog.text
    assert scanner.results["large"].sizes == {"other": _sum(5000)}


def test_a_scan_that_was_interrupted_long_ago_begins_anew(
    settings: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sums are of another day; the line says so."""
    path = tmp_path / "state.json"
    caplog.set_level("INFO", "otel_setup")
    with MadeUpStorage(5000) as storage:
        known = ScanSettings(**settings, endpoint=storage.url, state_file=path)
        _interrupt(known, storage)
        state = json.loads(path.read_text())
        state["progress"]["large"]["time"] -= 3700
        path.write_text(json.dumps(state))
        scanner = Scanner(known)
        scanner.scan()

    assert scanner.results["large"].sizes == {"other": _sum(5000)}
    assert caplog.messages == [
        "the interrupted scan of bucket large begins anew, since it was long ago"
    ]


def test_a_storage_that_never_ends_is_told(
    settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The same token twice would be asked for for ever."""
    with MadeUpStorage(5000) as storage:
        storage.forgets_where = True
        scanner = Scanner(ScanSettings(**settings, endpoint=storage.url))
        scanner.scan()

    assert scanner.failures == {"large": 1}
    assert "token for it is missing or old" in caplog.text


def _interrupt(settings: ScanSettings, storage: MadeUpStorage) -> None:
    """Scan the first pages and stop."""
    stop = threading.Event()
    slow = ScanSettings(
        endpoint=settings.endpoint,
        buckets=settings.buckets,
        state_file=settings.state_file,
        pages_per_second=5,
    )
    work = threading.Thread(target=Scanner(slow, stop=stop).run)
    work.start()
    _until(lambda: len(storage.queries) >= 2)
    stop.set()
    work.join(20)
    assert not work.is_alive()
