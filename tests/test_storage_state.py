# SPDX-License-Identifier: Apache-2.0
"""The scanner's memory: whole after every end, and never a reason to die."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otel_setup.storage.state import Amount, Progress, Result, State, StateFile

STATE = State(
    results={
        "models": Result(sizes={"other": Amount(5, 1)}, unfinished=Amount(7, 2), time=1.5),
        "drafts": Result(sizes={}, unfinished=None, time=2.5),
    },
    progress={
        "models": Progress(
            sizes={"other": Amount(3, 1)},
            unfinished=Amount(1, 1),
            after="я/ключ \x01",
            listed=True,
            upload="large",
            spent=12.5,
            time=3.5,
        )
    },
)


def saved(path: Path) -> StateFile:
    """Return the file of a state that was saved."""
    file = StateFile(path, "mine")
    file.save(STATE)
    return file


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Results and progress, to the last key; the folder is made."""
    path = tmp_path / "new" / "state.json"

    assert saved(path).load() == STATE
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_without_a_file_nothing_is_known(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That is how every scanner begins, and no reason for a line."""
    assert StateFile(tmp_path / "state.json", "mine").load() == State()
    StateFile(None, "mine").save(STATE)
    assert StateFile(None, "mine").load() == State()
    assert caplog.messages == []


def test_a_state_of_other_settings_is_not_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sums are of other classes or of another storage."""
    saved(tmp_path / "state.json")

    assert StateFile(tmp_path / "state.json", "others").load() == State()
    assert "so scans begin anew: endpoint or classes have changed" in caplog.text


@pytest.mark.parametrize("change", ["cut", "number", "negative", "list", "format", "text"])
def test_a_broken_state_is_none(
    tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says that scans begin anew."""
    path = tmp_path / "state.json"
    saved(path)
    text = path.read_text()
    broken = {
        "cut": text[: len(text) // 2],
        "number": text.replace('"bytes": 5', '"bytes": "5"'),
        "negative": text.replace('"bytes": 5', '"bytes": -5'),
        "list": json.dumps([text]),
        "format": text.replace("otel_setup.storage 1", "otel_setup.storage 2"),
        "text": "\x00\xff",
    }
    path.write_bytes(broken[change].encode("latin-1" if change == "text" else "utf-8"))

    assert StateFile(path, "mine").load() == State()
    assert len(caplog.messages) == 1
    assert "so scans begin anew" in caplog.text


@pytest.mark.parametrize("position", range(0, 600, 7))
def test_no_cut_makes_another_state(tmp_path: Path, position: int) -> None:
    """Whatever a full disk left of it is nothing, never a part of the sums."""
    path = tmp_path / "state.json"
    saved(path)
    text = path.read_text()
    path.write_text(text[: min(position, len(text) - 1)])

    assert StateFile(path, "mine").load() == State()


def test_a_file_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scanning goes on; that it can be written again is told too."""
    caplog.set_level("INFO", "otel_setup")
    blocked = tmp_path / "folder"
    blocked.write_text("a file where the folder should be")
    file = StateFile(blocked / "state.json", "mine")

    for _ in range(3):
        file.save(STATE)
    blocked.unlink()
    file.save(STATE)

    assert [line.split(":")[0] for line in caplog.messages] == [
        f"progress cannot be kept in {blocked}/state.json",
        f"progress is kept in {blocked}/state.json again",
    ]
    assert file.load() == STATE


def test_other_buckets_are_forgotten() -> None:
    """A bucket that is no longer scanned leaves neither sizes nor progress."""
    state = State(results=dict(STATE.results), progress=dict(STATE.progress))

    state.keep(["drafts"])

    assert (set(state.results), set(state.progress)) == ({"drafts"}, set())
