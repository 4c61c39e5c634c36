# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of a test alone, which it may stop and start."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from services_demo.stack import infrastructure, layout, prepare
from services_demo.stack.errors import NotReady


class PostgresServer:
    """A server with the settings of the native stack, on a free port and in *folder*."""

    def __init__(self, folder: Path) -> None:
        # The server drops root, and its folder must be open to its own user.
        for each in (folder, *folder.parents[:3]):
            if each.owner() == "root" and each != Path("/"):
                each.chmod(each.stat().st_mode | 0o011)
        self._layout = layout.new({"STACK_DIR": str(folder), "STACK_PORTS": "free"})
        self._layout.logs.mkdir(parents=True, exist_ok=True)
        prepare._postgres(self._layout)
        programs = {each.name: each for each in infrastructure.programs(self._layout)}
        self._program = programs["postgres"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        prepare.databases(self._layout)
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def crm(self) -> str:
        """The address of the CRM's database."""
        return infrastructure.database_url(self._layout, "crm", "crm")

    def url(self, user: str, database: str) -> str:
        """Return the address of *database* for *user*."""
        return infrastructure.database_url(self._layout, user, database)

    def start(self) -> None:
        """Start it, with all that it had before."""
        with (self._layout.logs / "postgres.log").open("ab") as log:
            # Nobody pulls its plug, and its end would wait for a busy disk.
            command = [*self._program.command, "-c", "fsync=off"]
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._program.ready()
            except NotReady:
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """End it and all sessions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=120)
            self._process = None
