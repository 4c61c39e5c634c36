# SPDX-License-Identifier: Apache-2.0
"""Run Python programs the way a user does, with and without ``opentelemetry-instrument``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

_LAUNCHER = str(Path(sys.executable).with_name("opentelemetry-instrument"))


def environment(**variables: str) -> dict[str, str]:
    """Return this environment without any OpenTelemetry variable, plus *variables*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "PYTEST_")) and name != "PYTHONPATH"
    }
    return {**kept, **variables}


def command(code: str, *, launcher: bool = True) -> list[str]:
    """Return the command that runs *code*, under ``opentelemetry-instrument`` by default."""
    return [*([_LAUNCHER] if launcher else []), sys.executable, "-c", code]


def run(code: str, *, launcher: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run *code* to its end and return what it printed."""
    return subprocess.run(
        command(code, launcher=launcher),
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A started web service; the variable ``PORT`` tells it where to listen. A context manager."""

    def __init__(self, arguments: list[str], cwd: Path | None = None, **variables: str) -> None:
        self.url = f"http://127.0.0.1:{variables['PORT']}"
        self._process = subprocess.Popen(
            arguments,
            env=environment(**variables),
            cwd=cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait(self, path: str = "/healthz", seconds: float = 40.0) -> None:
        """Wait until the service answers *path*."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.get(path)
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return
        self._process.kill()
        raise AssertionError(f"the service does not answer: {self._process.communicate()[1]}")

    def get(self, path: str) -> str:
        """Return what the service answers to a GET of *path*."""
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:  # noqa: S310 - our own
            return answer.read().decode()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal *number* and return the exit code."""
        self._process.send_signal(number)
        self._process.communicate(timeout=30)
        return self._process.returncode
