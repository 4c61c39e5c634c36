# SPDX-License-Identifier: Apache-2.0
"""
What happened when telemetry was set up in this process.

Set-up writes it down here while it goes on; `otel_setup.Handle.report` and a strict start read
it. Without it nobody could say afterwards which library was patched, which was passed over,
and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

#: Prefixes of the variables whose state before set-up is kept.
_WATCHED = ("OTEL_", "FASTAPI_OTEL_")


class State(StrEnum):
    """What became of one instrumentation."""

    INSTRUMENTED = "instrumented"
    WAITS = "waits for its library"
    EARLY = "imported too early"
    REPLACED = "replaced by ours"
    SKIPPED = "skipped"
    DISABLED = "disabled"
    NOT_INSTALLED = "library not installed"
    UNSUPPORTED = "unsupported version"
    FAILED = "failed"

    @property
    def wrong(self) -> bool:
        """Whether telemetry is missing that somebody may expect."""
        return self in {State.EARLY, State.UNSUPPORTED, State.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumentation:
    """
    One installed instrumentation: the entry point ``name`` of ``package``.

    ``library`` is what it instruments, with the version that was ``found`` ('' for none);
    ``reason`` says more about the state.
    """

    name: str
    package: str
    version: str
    library: str
    found: str
    state: State
    reason: str = ""


@dataclass(slots=True)
class Status:
    """The record of one process; `begin` starts it afresh."""

    #: The variables as the user set them, before defaults were written beside them.
    given: dict[str, str] = field(default_factory=dict)
    #: Variables that arguments of `otel_setup.setup` set.
    arguments: set[str] = field(default_factory=set)
    states: dict[str, tuple[State, str]] = field(default_factory=dict)
    #: Why there is no telemetry, or less of it.
    problems: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    #: Whether our distro and our configurator were the ones that the launcher chose.
    distro: bool = False
    configurator: bool = False
    #: True while `otel_setup.setup` works: its caller is told by an exception.
    called: bool = False
    #: Whether the last step of set-up was taken.
    finished: bool = False

    def begin(self, environ: Mapping[str, str]) -> None:
        """Start afresh with the variables *environ* of the user."""
        self.given = {
            name: value
            for name, value in environ.items()
            if name.startswith(_WATCHED)
            and value.strip()
            # `otel_setup.setup` sets these itself.
            and not (self.called and name.startswith(("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONF")))
        }
        self.states.clear()
        self.problems.clear()
        self.repairs.clear()
        self.finished = False
        self.distro = True

    def note(self, name: str, state: State, reason: str = "") -> None:
        """Write down what became of the instrumentation *name*; what was too early stays so."""
        if (state, self.states.get(name, ("", ""))[0]) != (State.INSTRUMENTED, State.EARLY):
            self.states[name] = (state, reason)

    def problem(self, line: str) -> None:
        """Write down one problem, once."""
        if line not in self.problems:
            self.problems.append(line)

    def seen(self, each: Instrumentation) -> Instrumentation:
        """Return *each* with what really became of it; unchanged when nothing is known."""
        state, reason = self.states.get(each.name, (each.state, each.reason))
        if state is State.WAITS and each.state is State.NOT_INSTALLED:
            return each  # a library that is not there is never imported
        return replace(each, state=state, reason=reason)


#: The one of this process; a forked child goes on with its parent's.
status = Status()
