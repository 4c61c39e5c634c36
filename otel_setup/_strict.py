# SPDX-License-Identifier: Apache-2.0
"""
The last step of set-up: tell what is wrong, or stop the program.

``opentelemetry-instrument`` calls it whichever distro it chose, so that a program whose
telemetry another package took over says so. It swallows exceptions, which is why a strict
start ends the process instead of raising.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator

from otel_setup._checks import Problem, choice, fastapi_exports_too, unsupported
from otel_setup._status import State, status

_logger = logging.getLogger("otel_setup")

#: The exit code of a program that does not start.
EXIT_CODE = 1


def wanted() -> bool:
    """Tell whether the user asked for a strict start; a wrong variable elsewhere is no matter."""
    return os.environ.get("OTEL_SETUP_STRICT", "").strip().lower() == "true"


def finish() -> None:
    """Write down what is wrong; entry point ``opentelemetry_post_instrument``."""
    if status.finished or _disabled() or is_helper():
        return
    status.finished = True
    strict = wanted()
    for problem in _found(strict=strict):
        status.problem(str(problem))
        if not strict:
            _logger.error("%s", problem)
    if strict and status.problems and not status.called:
        stop(status.problems)


def stop(problems: list[str]) -> None:
    """End the process with *problems* on stderr."""
    lines = "".join(f"  {line}\n" for line in problems)
    sys.stderr.write(
        "OTEL_SETUP_STRICT=true: the program does not start, because its telemetry cannot be "
        f"set up as asked.\n{lines}"
    )
    sys.stderr.flush()
    if getattr(sys.modules["site"].__spec__, "_initializing", False):
        # An exception from sitecustomize would be a "Fatal Python error" with a stack trace.
        os._exit(EXIT_CODE)
    raise SystemExit(EXIT_CODE)


def _found(*, strict: bool) -> Iterator[Problem]:
    if not status.problems:
        for part, taken in (("distro", status.distro), ("configurator", status.configurator)):
            # Who named another one has chosen; only a strict start takes that for a mistake.
            chose = not (strict or status.called) and _names_another(part)
            found = None if taken or chose else choice(part, os.environ)
            if found:
                yield found
    if status.distro and (found := fastapi_exports_too(status.given)):
        yield found
    if strict and status.distro:
        # The launcher has logged these itself. To look for them costs 50 ms.
        from otel_setup._installed import instrumentations  # noqa: PLC0415

        yield from unsupported(instrumentations(os.environ))
    for name, (state, reason) in status.states.items():
        if strict and state is State.FAILED:
            yield Problem(f"{name} is not instrumented: {reason}", _leave_out(name))
        elif state is State.EARLY:
            yield Problem(f"{name} is instrumented too late: {reason}", _earlier())


def _names_another(part: str) -> bool:
    from otel_setup._installed import choice as chosen  # noqa: PLC0415 - only in this rare case

    return bool(os.environ.get(f"OTEL_PYTHON_{part.upper()}") and chosen(part, os.environ).name)


def _leave_out(name: str) -> str:
    return f"Name {name} in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS to leave it out."


def _earlier() -> str:
    return "Call otel_setup.setup() before these imports, or start with opentelemetry-instrument."


def _disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def is_helper() -> bool:
    """Tell whether this is a process that multiprocessing keeps for itself, not one of the app."""
    # Options of the interpreter may stand before its -c.
    start = "from multiprocessing.resource_tracker import main"
    return any(part.startswith(start) for part in sys.orig_argv)
