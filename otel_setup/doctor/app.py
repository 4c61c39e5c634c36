# SPDX-License-Identifier: Apache-2.0
"""
Import the application as its server does, in a process of its own, and ask what was patched.

Only so can it be seen that a name was imported before it could be patched. Nothing is sent,
and no server starts; but the application's own code runs, so that it is done on request only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from otel_setup._checks import Problem
from otel_setup.doctor.findings import Finding, failure, ok, warning

_SECONDS = 60.0
#: The last line of the child's output; the application may print others.
_MARK = "otel-setup doctor: "
_CODE = f"""
import importlib, json, sys
sys.path.insert(0, "")
importlib.import_module(sys.argv[1])
from otel_setup._status import status
print()
states = {{name: [str(state), reason] for name, (state, reason) in status.states.items()}}
print({_MARK!r} + json.dumps([status.distro, states]))
"""


def look(app: str, given: Mapping[str, str], command: Sequence[str]) -> Iterator[Finding]:
    """
    Yield what importing *app* (``module`` or ``module:attribute``) shows.

    It is imported under ``opentelemetry-instrument`` if *command* begins with that.
    """
    launcher = [command[0]] if command and command[0].endswith("opentelemetry-instrument") else []
    module = app.partition(":")[0]
    # What the doctor itself wrote into its environment is not the application's.
    others = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    silent = {f"OTEL_{each}_EXPORTER": "none" for each in ("TRACES", "METRICS", "LOGS")}
    try:
        ended = subprocess.run(  # noqa: S603 - the user's own program
            [*launcher, sys.executable, "-c", _CODE, module],
            env={**others, **given, **silent, "OTEL_SETUP_STRICT": "false"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            cwd=Path.cwd(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield failure("app", app, f"it cannot be imported ({error})", "Start it by hand.")
        return
    told = [line for line in ended.stdout.splitlines() if line.startswith(_MARK)]
    if not told:
        last = (ended.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        yield failure(
            "app",
            app,
            f"importing it fails: {last}",
            "Start the doctor in the application's folder and environment.",
        )
        return
    yield from _judge(app, json.loads(told[-1].removeprefix(_MARK)))


def _judge(app: str, told: Any) -> Iterator[Finding]:
    ran, states = told
    if not ran:
        yield warning(
            "app",
            app,
            "importing it sets up no telemetry",
            "Start it with opentelemetry-instrument (give that command after --), or let its "
            "first line be: import otel_setup.auto",
        )
        return
    early = {
        name: reason for name, (state, reason) in states.items() if state == "imported too early"
    }
    for name, reason in early.items():
        problem = Problem(
            f"imported too early: {reason}",
            "Let import otel_setup.auto be the first line of the program, or start it with "
            "opentelemetry-instrument.",
        )
        yield failure("import-order", name, problem.seen, problem.fix)
    patched = sorted(name for name, (state, _) in states.items() if state == "instrumented")
    if not early:
        yield ok("import-order", app, f"patched in time: {', '.join(patched) or 'nothing'}")
