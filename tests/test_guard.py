# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in telemetry stays in telemetry."""

import pytest

from otel_setup import _guard
from tests.programs import run

LINE = "reading a failed (KeyError: 'x'). The application goes on, with less telemetry."


def failing(doing: str) -> None:
    """Fail inside of the guard."""
    with _guard.quiet(doing):
        raise KeyError("x")


def test_an_error_is_dropped_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A hot path that fails a thousand times writes one line a minute, per place."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    for _ in range(3):
        failing("reading a")
    failing("reading b")
    assert [(each.name, each.levelname, each.getMessage()) for each in caplog.records] == [
        ("otel_setup", "WARNING", LINE),
        ("otel_setup", "WARNING", LINE.replace("reading a", "reading b")),
    ]


def test_a_minute_later_it_is_logged_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure that lasts stays visible."""
    seconds = iter([0.0, 59.9, 60.0])
    monkeypatch.setattr(_guard.time, "monotonic", lambda: next(seconds))
    for number in range(3):
        _guard.warn_sometimes("topic", f"line {number}")
    assert caplog.messages == ["line 0", "line 2"]


def test_under_pytest_it_is_raised() -> None:
    """A test of the application shows a defect of ours."""
    with pytest.raises(KeyError, match="x"):
        failing("reading a")


def test_what_ends_a_program_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C and sys.exit() pass."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    with pytest.raises(SystemExit), _guard.quiet("reading"):
        raise SystemExit


def test_the_line_is_seen_without_any_logging_set_up() -> None:
    """A program that configures no logging still has it on stderr."""
    ended = run(
        "from otel_setup._guard import quiet\n"
        "with quiet('reading a'): raise KeyError('x')\n"
        "print('goes on')",
        launcher=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "goes on\n", LINE + "\n")
