# SPDX-License-Identifier: Apache-2.0
"""Find out who holds a port before a program fails to take it."""

from __future__ import annotations

import socket

import psutil

from services_demo.stack.errors import StackError
from services_demo.stack.layout import Layout, variable


def require_free(layout: Layout) -> None:
    """
    Check every port of *layout*.

    Raises:
        StackError: ports are taken; each with its holder and the variable that moves it.
    """
    taken = {name: port for name, port in layout.ports.items() if not _is_free(port)}
    if not taken:
        return
    holders = _holders(set(taken.values()))
    raise StackError(
        "\n".join(
            f"port {port} ({name}) is taken by {holders.get(port, 'another program')}. "
            f"Stop that program, or choose another port: {variable(name)}={port + 10000}"
            for name, port in taken.items()
        )
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
