# SPDX-License-Identifier: Apache-2.0
"""
Processor time that telemetry adds to one HTTP request, of several ways side by side.

Each variant is a server process of its own, and what is read is the kernel's account of that
process: building spans and metrics, their exemplars, encoding and sending them are all in it.
They are sent to a Collector that does nothing, in another process. Variants take turns in
short rounds, so that a machine that gets slower gets slower for all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_TOOLS = Path(sys.executable).parent
_APPS = Path(__file__).with_name("http_cost_apps.py")

#: Sent soon after a round, so that each round pays for its own spans.
_SOON = {"OTEL_BSP_SCHEDULE_DELAY": "500", "OTEL_METRIC_EXPORT_INTERVAL": "2000"}
_SETTLING = 1.2
_START = 30.0


@dataclass(frozen=True)
class Variant:
    """One way to serve the app: which app, and what is instrumented; None for no telemetry."""

    app: str
    disabled: str | None


VARIANTS: Mapping[str, Variant] = {
    "fastapi bare": Variant("fastapi", None),
    "fastapi otel_setup": Variant("fastapi", ""),
    "fastapi upstream": Variant("fastapi", "otel_setup_fastapi"),
    "fastapi native": Variant("fastapi", "otel_setup_fastapi,fastapi"),
    "flask bare": Variant("flask", None),
    "flask otel_setup": Variant("flask", ""),
    "flask upstream": Variant("flask", "otel_setup_flask"),
}


def _command(app: str, port: int) -> list[str]:
    if app == "fastapi":
        server = [str(_TOOLS / "uvicorn"), "--no-access-log", "--log-level", "critical"]
        return [*server, "--port", str(port), f"{_APPS.stem}:fastapi_app"]
    # One worker and one thread, as a uvicorn is; gthread keeps connections open.
    server = [str(_TOOLS / "gunicorn"), "--log-level", "critical", "-k", "gthread"]
    options = ["--threads", "1", "-b", f"127.0.0.1:{port}"]
    return [*server, *options, f"{_APPS.stem}:flask_app"]


class Connection:
    """A client that costs little: one connection, one request after the other."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> bytes:
        """Return the body of the answer to a GET of *path*."""
        head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: http_cost\r\n\r\n"
        self._socket.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head_bytes, _, body = answer.partition(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in head_bytes.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        while len(body) < length:
            body += self._more()
        return body

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _more(self) -> bytes:
        if part := self._socket.recv(65536):
            return part
        raise ConnectionError("the server closed the connection")


@dataclass
class Running:
    """The server of a variant, and what its rounds cost."""

    port: int
    #: The clock of the process's processor time, all of its threads, user and system.
    clock: int
    microseconds: list[float] = field(default_factory=list)

    def round(self, requests: int) -> float:
        """Send *requests* and return the processor time of each, in microseconds."""
        before = time.clock_gettime(self.clock)
        with contextlib.closing(Connection(self.port)) as connection:
            for number in range(requests):
                connection.get(f"/items/{number % 100}")
        time.sleep(_SETTLING)
        return (time.clock_gettime(self.clock) - before) / requests * 1e6


@contextlib.contextmanager
def _process(arguments: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    started = subprocess.Popen(
        arguments,
        env=dict(environment),
        cwd=_APPS.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        started.terminate()
        started.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connected(port: int) -> Connection:
    deadline = time.monotonic() + _START
    while True:
        try:
            return Connection(port)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def running(variant: Variant, collector: int) -> Iterator[Running]:
    """Start the server of *variant*, which sends to the port *collector*."""
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    command = _command(variant.app, port)
    if variant.disabled is not None:
        command.insert(0, str(_TOOLS / "opentelemetry-instrument"))
        environment.update(
            _SOON,
            OTEL_SERVICE_NAME="bench",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector}",
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=variant.disabled,
        )
    with _process(command, environment):
        with contextlib.closing(_connected(port)) as connection:
            pid = int(connection.get("/pid"))
        # The kernel's number of the processor clock of a process, see clock_getcpuclockid(3).
        yield Running(port, (~pid << 3) | 2)


class _Nothing(BaseHTTPRequestHandler):
    """Takes an export and forgets it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer 200."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def _collect(port: int) -> None:
    ThreadingHTTPServer(("127.0.0.1", port), _Nothing).serve_forever()


def measure(names: list[str], rounds: int, requests: int) -> dict[str, list[float]]:
    """Return what a request cost with each variant, round by round, in microseconds."""
    collector = _free_port()
    sink = [sys.executable, "-m", "benchmarks.http_cost", "--collect", str(collector)]
    root = {**os.environ, "PYTHONPATH": str(_APPS.parents[1])}
    order = random.Random(5)  # noqa: S311 - no secret
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process(sink, root))
        servers = {name: stack.enter_context(running(VARIANTS[name], collector)) for name in names}
        for server in servers.values():
            server.round(requests)  # caches fill, the interpreter specialises
        for number in range(rounds):
            # No variant always follows the same other one.
            for name in order.sample(names, len(names)):
                servers[name].microseconds.append(servers[name].round(requests))
            sys.stderr.write(f"round {number + 1} of {rounds}\n")
        return {name: server.microseconds for name, server in servers.items()}


def table(costs: Mapping[str, list[float]]) -> str:
    """Return *costs* as text: medians, what they are above the bare server, and their spread."""
    lines = [f"{'CPU per request':22}{'median':>9}{'added':>9}{'bare/it':>9}   rounds"]
    for name, values in costs.items():
        median = statistics.median(values)
        bare = statistics.median(costs.get(f"{name.split()[0]} bare", values))
        spread = f"{min(values):.0f} to {max(values):.0f} µs"
        lines.append(
            f"{name:22}{median:>6.0f} µs{median - bare:>+6.0f} µs{bare / median:>9.2f}   {spread}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=3000, help="in each round")
    parser.add_argument("--only", default="", help="variants whose name begins with this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--collect", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.collect:
        _collect(chosen.collect)
    names = [name for name in VARIANTS if name.startswith(chosen.only)]
    costs = measure(names, chosen.rounds, chosen.requests)
    sys.stdout.write((json.dumps(costs) if chosen.json else table(costs)) + "\n")


if __name__ == "__main__":
    main()
