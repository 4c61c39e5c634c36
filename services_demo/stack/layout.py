# SPDX-License-Identifier: Apache-2.0
"""
Where one stack keeps its files, and which ports it uses.

Two stacks with different folders and ports run side by side: the tests use that.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services_demo.stack.errors import StackError

REPOSITORY = Path(__file__).resolve().parents[2]

#: Port name → default; the variable is STACK_PORT_ and the name in capitals.
PORTS: Mapping[str, int] = {
    "shop": 8001,
    "mes": 8002,
    "crm": 8003,
    "crm_metrics": 9464,
    "otlp_grpc": 4317,
    "otlp_http": 4318,
    "otelcol": 8888,
    "otelcol_pull": 8889,
    "otelcol_health": 13133,
    "prometheus": 9090,
    "alertmanager": 9093,
    "pager": 8090,
    "grafana": 3000,
    "node_exporter": 9100,
    "s3": 7070,
    "amqp": 5672,
    "rabbitmq_page": 15672,
    "rabbitmq_metrics": 15692,
    "erlang": 25672,
    "epmd": 14369,
    "postgres": 5433,
    "zipkin": 9411,
    "locust": 8089,
    "supervisor": 9001,
}

#: Every process of a stack carries this variable with the folder, so that it can be found again.
MARK = "OTEL_DEMO_STACK"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folder, the ports and the secret of one stack."""

    folder: Path
    build: Path
    ports: Mapping[str, int]
    secret: str

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def state_file(self) -> Path:
        """The file that remembers ports and secret while the stack runs."""
        return self.folder / "stack.json"

    @property
    def logs(self) -> Path:
        """The folder with one log file per part."""
        return self.folder / "logs"

    def port(self, name: str) -> int:
        """Return the port of the part *name*."""
        return self.ports[name]

    def url(self, name: str) -> str:
        """Return the address of the part *name*, for parts that speak HTTP."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def address(self, name: str) -> str:
        """Return host and port of the part *name*."""
        return f"127.0.0.1:{self.ports[name]}"

    def save(self) -> None:
        """Remember this layout, readable by its owner only, for the commands that come later."""
        state = {"ports": dict(self.ports), "secret": self.secret}
        with os.fdopen(
            os.open(self.state_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w"
        ) as file:
            json.dump(state, file, indent=2)


def folder_from(environ: Mapping[str, str]) -> Path:
    """Return the folder of the stack: STACK_DIR, or .stack/demo in the repository."""
    return Path(environ.get("STACK_DIR") or REPOSITORY / ".stack" / "demo").resolve()


def build_folder_from(environ: Mapping[str, str]) -> Path:
    """Return where the built programs lie: STACK_BUILD_DIR, or .stack/build."""
    return Path(environ.get("STACK_BUILD_DIR") or REPOSITORY / ".stack" / "build").resolve()


def new(environ: Mapping[str, str]) -> Layout:
    """
    Return the layout for a stack that is about to start.

    ``STACK_PORTS=free`` takes any free ports; otherwise each port is its default or the
    value of its variable.

    Raises:
        StackError: variables hold no ports, or two parts would share one.
    """
    ports = _free_ports() if environ.get("STACK_PORTS") == "free" else _ports(environ)
    return Layout(
        folder=folder_from(environ),
        build=build_folder_from(environ),
        ports=ports,
        secret=secrets.token_hex(16),
    )


def saved(environ: Mapping[str, str]) -> Layout | None:
    """Return the layout of the stack in this folder; None when none was started."""
    folder = folder_from(environ)
    try:
        state = json.loads((folder / "stack.json").read_text())
    except FileNotFoundError:
        return None
    return Layout(
        folder=folder,
        build=build_folder_from(environ),
        # A stack that an older version started can still be stopped.
        ports={**PORTS, **state["ports"]},
        secret=state["secret"],
    )


def variable(name: str) -> str:
    """Return the environment variable that sets the port *name*."""
    return f"STACK_PORT_{name.upper()}"


def _ports(environ: Mapping[str, str]) -> dict[str, int]:
    ports: dict[str, int] = {}
    problems: list[str] = []
    for name, default in PORTS.items():
        text = environ.get(variable(name)) or str(default)
        if not text.isdecimal() or not 0 < int(text) < 65536:  # noqa: PLR2004 - the range of ports
            problems.append(
                f"{variable(name)}={text!r}: expected a port from 1 to 65535. "
                f"Unset it to use {default}."
            )
            continue
        port = int(text)
        other = next((known for known, taken in ports.items() if taken == port), None)
        if other is not None:
            problems.append(
                f"{variable(name)}={port} is also the port of {other}: "
                f"expected one port per part. Change it or {variable(other)}."
            )
        ports[name] = port
    if problems:
        raise StackError("\n".join(problems))
    return ports


def _free_ports() -> dict[str, int]:
    """
    Choose as many different free ports as there are parts.

    They lie below the range from which the kernel serves outgoing connections: a port of that
    range may be gone again before the part that it was chosen for starts.
    """
    candidates = list(range(10_000, 32_000))
    secrets.SystemRandom().shuffle(candidates)
    free = (port for port in candidates if is_free(port))
    return {name: next(free) for name in PORTS}


def is_free(port: int) -> bool:
    """Tell whether a server could take *port* now."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
