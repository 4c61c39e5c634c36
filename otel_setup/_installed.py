# SPDX-License-Identifier: Apache-2.0
"""
What is installed beside this package, read without importing any of it.

The launcher takes distros, configurators and instrumentations from entry points, in the order
of the file system, and passes over an instrumentation whose library has another version than
it knows. This module reads the same entry points and requirements, and tells what the launcher
would do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from packaging.requirements import Requirement

from otel_setup._status import Instrumentation, State
from otel_setup.instrumentation import DIVIDED, REPLACED, SKIPPED, TRIGGERS

_OURS = "otel_setup"
_INSTRUMENTATIONS = "opentelemetry_instrumentor"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which entry point of a group the launcher takes: ``name`` of ``package``, and why."""

    name: str
    package: str
    why: str
    #: All entry points of the group, in the launcher's order, each as 'name (package version)'.
    among: tuple[str, ...]

    @property
    def ours(self) -> bool:
        """Whether it is the one of this package."""
        return self.name == _OURS


def choice(part: str, environ: Mapping[str, str]) -> Choice:
    """Return which *part* the launcher takes: the ``distro`` or the ``configurator``."""
    variable = f"OTEL_PYTHON_{part.upper()}"
    wanted = environ.get(variable)
    entries = list(metadata.entry_points(group=f"opentelemetry_{part}"))
    among = tuple(f"{entry.name} ({packaged(entry)})" for entry in entries)
    for entry in entries:
        if wanted is None or entry.name == wanted:
            if wanted is not None:
                why = f"{variable}={wanted!r}"
            elif len(entries) == 1:
                why = "it is the only one"
            else:
                why = f"{variable} is unset, and it was found first"
            return Choice(entry.name, packaged(entry), why, among)
    return Choice("", "", f"{variable}={wanted!r} is not installed", among)


def packaged(entry: metadata.EntryPoint) -> str:
    """Return package and version of *entry*."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "no package"


def version(package: str) -> str:
    """Return the installed version of *package*; '' when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def instrumentations(environ: Mapping[str, str]) -> list[Instrumentation]:
    """Return each installed instrumentation, and what set-up does with it in *environ*."""
    names = environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    disabled = [name.strip() for name in names if name.strip()]
    entries = sorted(
        metadata.entry_points(group=_INSTRUMENTATIONS),
        key=lambda entry: (not entry.name.startswith(_OURS), entry.name),
    )
    return [_instrumentation(entry, disabled) for entry in entries]


def _instrumentation(entry: metadata.EntryPoint, disabled: list[str]) -> Instrumentation:
    library, found, conflict = _conflict(entry)
    state, reason = _state(entry.name, found, conflict, disabled)
    return Instrumentation(
        name=entry.name,
        package=entry.dist.name if entry.dist else "",
        version=entry.dist.version if entry.dist else "",
        library=library,
        found=found,
        state=state,
        reason=reason,
    )


def _state(name: str, found: str, conflict: str, disabled: list[str]) -> tuple[State, str]:
    """Return what set-up does with the instrumentation *name*: the first row that applies."""
    trigger = TRIGGERS.get(name, "")
    library = trigger.partition(".")[0]
    ours = REPLACED.get(name, "")
    pairs = (*REPLACED.items(), *DIVIDED.items())
    theirs = "".join(each for each, other in pairs if other == name)
    variable = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    rows = (
        (name in disabled or "*" in disabled, State.DISABLED, f"named in {variable}"),
        (theirs in disabled, State.DISABLED, f"{theirs} is named in {variable}"),
        (bool(conflict) and not found, State.NOT_INSTALLED, conflict),
        (
            bool(library) and find_spec(library) is None,
            State.NOT_INSTALLED,
            f"there is no {library}",
        ),
        (bool(ours) and ours not in disabled, State.REPLACED, ours),
        (name in SKIPPED, State.SKIPPED, SKIPPED.get(name, "")),
        (bool(conflict), State.UNSUPPORTED, conflict),
        (bool(trigger), State.WAITS, f"patched when the program imports {trigger}"),
        (True, State.INSTRUMENTED, "at once"),
    )
    return next((state, reason) for applies, state, reason in rows if applies)


def _conflict(entry: metadata.EntryPoint) -> tuple[str, str, str]:
    """
    Return the library of *entry*, its version, and what contradicts the requirement on it.

    Of a package for several libraries, such as psycopg2 and psycopg2-binary, one is enough.
    """
    every, some = _required(entry)
    wrong = [each for each in every if not _fits(each)]
    if some and not any(_fits(each) for each in some):
        wrong += [each for each in some if version(each.name)] or some
    named = [each for each in (*every, *some) if each.name == entry.name]
    about = (*wrong, *named, *(each for each in some if version(each.name)), *every, *some)
    if not about:
        return "", "", ""
    library, found = about[0].name, version(about[0].name)
    if not wrong:
        return library, found, ""
    if not found:
        return library, "", f"{library} is not installed"
    return library, found, f"it knows {about[0].name}{about[0].specifier}, installed is {found}"


def _fits(requirement: Requirement) -> bool:
    # Without pre-releases, as the launcher has it.
    found = version(requirement.name)
    return bool(found) and requirement.specifier.contains(found)


def _required(entry: metadata.EntryPoint) -> tuple[list[Requirement], list[Requirement]]:
    """Return which libraries *entry* needs: all of the first, one of the second."""
    if entry.value.startswith(f"{_OURS}."):
        # Ours import nothing but the API; what they need is said by their class.
        try:
            return [Requirement(each) for each in entry.load()().instrumentation_dependencies()], []
        except ImportError:
            return [], []
    every, some = [], []
    for line in entry.dist.requires or () if entry.dist else ():
        requirement = Requirement(line)
        # Most lines have no marker, or one on the version of Python.
        if requirement.marker is None or "extra" not in str(requirement.marker):
            continue
        if requirement.marker.evaluate({"extra": "instruments"}):
            every.append(requirement)
        elif requirement.marker.evaluate({"extra": "instruments-any"}):
            some.append(requirement)
    return every, some
