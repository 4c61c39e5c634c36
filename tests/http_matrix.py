# SPDX-License-Identifier: Apache-2.0
"""
Environments with older libraries, each beside the same OpenTelemetry.

What a middleware may rely on changes between versions of FastAPI and Flask, so the
tests of the HTTP layer run on each generation of them; SQLAlchemy's events on that before
the current one. An environment stands below ``.stack/matrix``, with the pins of its file in
tests/matrix and this source tree; it is made when a test first asks for it, and again when
its pins or pyproject.toml change.

``python -m tests.http_matrix`` writes the pins anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PINS = ROOT / "tests" / "matrix"
_ENVIRONMENTS = ROOT / ".stack" / "matrix"
_UV = (str(Path(sys.executable).with_name("uv")), "--system-certs")

#: What each way in needs beside the framework. Some environments have upstream's
#: instrumentation as well, since otel_setup has to work with it and without it.
_TELEMETRY = (
    "opentelemetry-sdk",
    "opentelemetry-instrumentation",
    "opentelemetry-exporter-otlp-proto-http",
)

#: Environment → what is asked for. The current releases are those of the project itself.
SETS: dict[str, tuple[str, ...]] = {
    # Before Starlette 1.0 and before FastAPI kept included routers as routes of their own.
    "fastapi-0.110": ("fastapi ~= 0.110.0", "uvicorn", "opentelemetry-instrumentation-fastapi"),
    # The last without telemetry of its own.
    "fastapi-0.141": ("fastapi ~= 0.141.0", "uvicorn"),
    # The first with it: the only ones in which it also sets up the SDK without being asked.
    "fastapi-0.142": ("fastapi ~= 0.142.0", "uvicorn", "opentelemetry-instrumentation-fastapi"),
    "flask-2.3": (
        *("flask ~= 2.3.0", "werkzeug < 3", "gunicorn"),
        "opentelemetry-instrumentation-flask",
    ),
    # The release before the current one, with upstream's instrumentation, which knows it.
    "sqlalchemy-2.0": ("sqlalchemy ~= 2.0.0", "opentelemetry-instrumentation-sqlalchemy"),
}

#: What an environment chooses by itself; all else has the pins of constraints.txt.
_FREE = re.compile(r"(fastapi|starlette|flask|werkzeug|pydantic|pydantic-core|sqlalchemy)==")


def python(name: str) -> str:
    """
    Return the interpreter of the environment *name*, which is made first where needed.

    Several processes may ask at once: one makes it, the others wait.
    """
    if name == "current":
        return sys.executable
    interpreter = _ENVIRONMENTS / name / "bin" / "python"
    _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (_ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = _ENVIRONMENTS / f"{name}.ready"
        wanted = _content(name)
        if not ready.exists() or ready.read_text() != wanted:
            ready.unlink(missing_ok=True)
            _make(name, str(interpreter))
            ready.write_text(wanted)
    return str(interpreter)


def pins(name: str) -> dict[str, str]:
    """Return the version of each package in the environment *name*."""
    return _read(_PINS / f"{name}.txt")


def constraints() -> dict[str, str]:
    """Return the version of each package that the project itself runs on."""
    return _read(ROOT / "constraints.txt")


def _read(file: Path) -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return dict(line.split("==", 1) for line in lines if line)  # type: ignore[misc]


def _content(name: str) -> str:
    """Return a hash of all that the environment *name* is made of."""
    parts = (_PINS / f"{name}.txt", ROOT / "pyproject.toml", ROOT / "constraints.txt")
    return hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()


def _make(name: str, interpreter: str) -> None:
    _say(f"installing {name} for the tests (seconds; about a minute when cold) …")
    # The exact interpreter of the tests, so that a difference is one of the framework.
    _uv("venv", "--allow-existing", "--python", sys.executable, str(_ENVIRONMENTS / name))
    _uv("pip", "sync", "--python", interpreter, str(_PINS / f"{name}.txt"))
    _uv(
        *("pip", "install", "--python", interpreter, "--no-deps", "--reinstall", "--editable", "."),
        # What builds the package is pinned as everything else is.
        *("--build-constraints", "constraints.txt"),
    )


def _uv(*arguments: str) -> None:
    ended = subprocess.run(
        [*_UV, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if ended.returncode:
        raise AssertionError(f"uv {' '.join(arguments)} failed:\n{ended.stderr}")


def _say(line: str) -> None:
    """Tell a person who waits, past pytest's capturing."""
    sys.__stderr__.write(f"{line}\n")
    sys.__stderr__.flush()


def lock() -> None:
    """Write the pins of each environment anew, from `SETS` and constraints.txt."""
    kept = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not _FREE.match(line)
    ]
    _ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    constraints = _ENVIRONMENTS / "constraints.txt"
    constraints.write_text("\n".join(kept))
    for name, asked in SETS.items():
        wanted = _ENVIRONMENTS / f"{name}.in"
        wanted.write_text("\n".join((*asked, *_TELEMETRY)))
        _uv(
            *("pip", "compile", "--quiet", "--no-header", "--no-annotate"),
            *("--python-version", "3.11", "--constraints", str(constraints)),
            *("--output-file", str(_PINS / f"{name}.txt"), str(wanted)),
        )


if __name__ == "__main__":
    lock()
