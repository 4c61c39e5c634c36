# SPDX-License-Identifier: Apache-2.0
"""Find out who holds a port before a program fails to take it."""

from __future__ import annotations

import psutil

from services_demo.stack import grafana
from services_demo.stack.errors import StackError
from services_demo.stack.layout import Layout, is_free, variable


def require_free(layout: Layout) -> None:
    """
    Check every port of *layout* that a program will take.

    Raises:
        StackError: ports are taken; each with its holder and the variable that moves it.
    """
    taken = {
        name: port
        for name, port in layout.ports.items()
        if not is_free(port) and (name != "grafana" or grafana.home())
    }
    if not taken:
        return
    holders = _holders(set(taken.values()))
    raise StackError(
        "\n".join(
            f"port {port} ({name}) is taken by {holders.get(port, 'another program')}. "
            f"Stop that program, or choose another port: {variable(name)}={_another(port)}"
            for name, port in taken.items()
        )
    )


def _another(port: int) -> int:
    return port + 10_000 if port < 50_000 else port - 10_000  # noqa: PLR2004 - stays a port


def _holders(ports: set[int]) -> dict[int, str]:
    """Name the program behind each port as far as this user may see it."""
    found: dict[int, str] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or connection.pid is None:
            continue
        port = connection.laddr.port if connection.laddr else 0
        if port not in ports:
            continue
        try:
            process = psutil.Process(connection.pid)
            command = " ".join(process.cmdline())[:80] or process.name()
        except psutil.Error:
            continue
        found[port] = f"process {connection.pid} ({command})"
    return found
