# SPDX-License-Identifier: Apache-2.0
"""
Start programs, keep them alive and end them, through supervisord.

One supervisord per stack holds all programs: it restarts what dies, keeps the logs, and
outlives the command that started it, so that `make down` works from another terminal.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import subprocess
import sys
import time

# Only this machine is asked, at an address of our own.
import xmlrpc.client
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict, cast

import psutil
from supervisor.xmlrpc import Faults

from services_demo.stack.errors import StackError
from services_demo.stack.layout import MARK, REPOSITORY, Layout
from services_demo.stack.program import Program

_RPC_SECONDS = 15.0
_RESTARTS = 100

# Already running is what was wanted. A spawn error is most often a program that ended before the
# supervisor had answered: it is tried again, and who waits for it can say its last words.
_STARTED_ANYHOW = {Faults.ALREADY_STARTED, Faults.SPAWN_ERROR}

#: The supervisor's own helper; no part of the company.
ORPHANS = "orphans"


class ProcessInfo(TypedDict):
    """What supervisord says of one program."""

    name: str
    statename: str
    pid: int
    start: int
    now: int
    exitstatus: int
    spawnerr: str


class _Transport(xmlrpc.client.Transport):
    """A supervisor that hangs must not hang whoever asks."""

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = _RPC_SECONDS
        return connection


class Control:
    """The supervisor of the stack *layout*."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._address = f"http://stack:{layout.secret}@{layout.address('supervisor')}/RPC2"

    def _ask(self, method: str, *arguments: object) -> Any:
        """Call *method* of the supervisor over a connection that is closed afterwards."""
        with xmlrpc.client.ServerProxy(self._address, transport=_Transport()) as server:
            return getattr(server.supervisor, method)(*arguments)

    def is_running(self) -> bool:
        """Tell whether this stack's own supervisor answers."""
        try:
            return bool(self._ask("getIdentification") == str(self._layout.folder))
        except (OSError, xmlrpc.client.Error, http.client.HTTPException):
            return False

    def begin(self, programs: list[Program]) -> None:
        """
        Start the supervisor, with every program known and none started.

        Raises:
            StackError: it does not answer within 15 seconds.
        """
        path = self._layout.folder / "supervisord.conf"
        # Passwords of the demo are in it.
        path.touch(mode=0o600)
        path.write_text(_configuration(self._layout, programs))
        log = self._layout.logs / "supervisord.out"
        with log.open("ab") as output:
            subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_clean_environment(self._layout),
                cwd=self._layout.folder,
                # Ctrl-C in the terminal is for the command, which then ends things in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + _RPC_SECONDS
        while not self.is_running():
            if time.monotonic() > deadline:
                raise StackError(
                    "the supervisor does not answer. Its last words:\n" + last_lines(log, 10)
                )
            time.sleep(0.1)

    def start(self, name: str) -> None:
        """Have the program *name* started, without waiting for it."""
        try:
            self._ask("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in _STARTED_ANYHOW:
                raise StackError(f"{name} cannot be started: {fault.faultString}") from fault

    def processes(self) -> dict[str, ProcessInfo]:
        """Return what supervisord knows of each program."""
        infos = cast("list[ProcessInfo]", self._ask("getAllProcessInfo"))
        return {info["name"]: info for info in infos if info["name"] != ORPHANS}

    def stop(self, names: list[str], within: float) -> None:
        """Stop the programs *names* at the same time; returns when they are, or time is up."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):  # it did not run
                self._ask("stopProcess", name, False)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            alive = [name for name, info in self.processes().items() if info["pid"]]
            if not set(alive) & set(names):
                return
            time.sleep(0.1)

    def end(self, programs: list[Program]) -> None:
        """Stop all programs, the latest wave first, then the supervisor, and wait for their end."""
        with contextlib.suppress(OSError, xmlrpc.client.Error, http.client.HTTPException):
            # Services first: their last telemetry still finds a Collector.
            for wave in sorted({program.wave for program in programs}, reverse=True):
                ending = [program for program in programs if program.wave == wave]
                within = max(program.stop_within for program in ending)
                self.stop([program.name for program in ending], within + 2)
            with contextlib.suppress(xmlrpc.client.Fault):
                self._ask("stopProcess", ORPHANS, False)
            self._ask("shutdown")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(True for _ in marked(self._layout)):
            time.sleep(0.1)


def marked(layout: Layout) -> Iterator[psutil.Process]:
    """Yield the processes that belong to this stack, whoever started them."""
    mine = os.getpid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid == mine or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARK) == str(layout.folder):
                yield process


def sweep(layout: Layout) -> list[str]:
    """End what is left of this stack, and return the names of what there was."""
    left = list(marked(layout))
    names = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            names.append(process.name())
            process.send_signal(signal.SIGTERM)
    _gone, alive = psutil.wait_procs(left, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return names


def last_lines(path: Path, count: int) -> str:
    """Return the last *count* lines of a log, indented; a remark when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (the log is empty)"


def _clean_environment(layout: Layout) -> dict[str, str]:
    """Return our environment without what would steer the programs' telemetry or the broker."""
    foreign = ("OTEL_", "RABBITMQ_", "PG", "AWS_", "PYTHONPATH")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    return {**kept, MARK: str(layout.folder)}


def _configuration(layout: Layout, programs: list[Program]) -> str:
    header = f"""\
; Written anew at every start. One section per program; none starts by itself.
[supervisord]
{"user=root" if os.geteuid() == 0 else ""}
identifier={_escaped(str(layout.folder))}
logfile={_escaped(str(layout.logs / "supervisord.log"))}
logfile_maxbytes=5MB
logfile_backups=1
pidfile={_escaped(str(layout.folder / "supervisord.pid"))}
childlogdir={_escaped(str(layout.logs))}
minfds=1024

[inet_http_server]
port={layout.address("supervisor")}
username=stack
password={layout.secret}

[supervisorctl]
serverurl=http://{layout.address("supervisor")}
username=stack
password={layout.secret}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[eventlistener:{ORPHANS}]
command={_escaped(shlex.join([sys.executable, "-m", "services_demo.stack.orphans"]))}
directory={_escaped(str(REPOSITORY))}
events=PROCESS_STATE_EXITED
autostart=true
autorestart=true
stdout_logfile=NONE
stderr_logfile={_escaped(str(layout.logs / "orphans.log"))}
"""
    return header + "".join(_section(layout, program) for program in programs)


def _section(layout: Layout, program: Program) -> str:
    return f"""
[program:{program.name}]
command={_escaped(shlex.join(program.command))}
directory={_escaped(str(program.directory or layout.folder))}
environment={_environment(program.environment)}
autostart=false
autorestart=true
startsecs=1
startretries={_RESTARTS}
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_within}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_escaped(str(layout.logs / (program.name + ".log")))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


def _environment(values: Mapping[str, str]) -> str:
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in values.items())


def _escaped(text: str) -> str:
    # supervisord expands % in every value.
    return text.replace("%", "%%")
