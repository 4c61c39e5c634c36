# SPDX-License-Identifier: Apache-2.0
"""
What can be seen to be wrong before anything is sent.

A strict start and ``otel-setup doctor`` look at the same things, and say the same about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from otel_setup import _installed
from otel_setup._status import Instrumentation, State

#: The first FastAPI that has telemetry of its own.
_NATIVE_FASTAPI = (0, 142)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, without a stop at the end, and what to do about it."""

    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.seen}. {self.fix}"


def choice(part: str, environ: Mapping[str, str]) -> Problem | None:
    """Return why the launcher does not take our *part*, ``distro`` or ``configurator``."""
    variable = f"OTEL_PYTHON_{part.upper()}"
    chosen = _installed.choice(part, environ)
    if chosen.ours:
        return None
    if chosen.name and environ.get(variable) is None:
        seen = (
            f"{variable} is unset, and opentelemetry-instrument takes the {part} "
            f"{chosen.name!r} of {chosen.package}, which it finds before otel_setup's"
        )
    elif chosen.name:
        seen = f"{variable}={chosen.name!r}: expected otel_setup; nothing of it is used"
    else:
        seen = f"{variable}={environ.get(variable)!r}: expected otel_setup; no package has that"
    return Problem(seen, f"Set {variable}=otel_setup, or uninstall the other package.")


def luck(part: str, environ: Mapping[str, str]) -> Problem | None:
    """Return why another machine may choose another *part*, although this one chooses ours."""
    variable = f"OTEL_PYTHON_{part.upper()}"
    chosen = _installed.choice(part, environ)
    if not chosen.ours or environ.get(variable) is not None or len(chosen.among) == 1:
        return None
    others = ", ".join(each for each in chosen.among if not each.startswith("otel_setup ("))
    return Problem(
        f"{variable} is unset, and the order of the file system decides between otel_setup and "
        f"{others}",
        f"Set {variable}=otel_setup, or uninstall the other package.",
    )


def fastapi_exports_too(environ: Mapping[str, str]) -> Problem | None:
    """Return why FastAPI exports everything once more, beside our providers."""
    if environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").strip().lower() not in {"1", "true"}:
        return None
    found = _installed.version("fastapi")
    if not found or _numbers(found) < _NATIVE_FASTAPI:
        return None
    return Problem(
        f"FASTAPI_OTEL_AUTO_CONFIGURE=true: FastAPI {found} adds exporters of its own to ours, so "
        "that everything is sent twice",
        "Unset FASTAPI_OTEL_AUTO_CONFIGURE.",
    )


def unsupported(instrumentations: list[Instrumentation]) -> Iterator[Problem]:
    """Yield each library that is installed in a version that its instrumentation cannot patch."""
    for each in instrumentations:
        if each.state is State.UNSUPPORTED:
            yield Problem(
                f"{each.library} {each.found} is not instrumented: {each.package} "
                f"{each.version}: {each.reason}",
                f"Install a version of {each.library} that it knows, or leave it out with "
                f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={each.name}",
            )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdecimal())
