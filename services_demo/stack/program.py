# SPDX-License-Identifier: Apache-2.0
"""The description of one program that the stack starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Asks a program whether it serves; raises NotReady with what it saw.
Probe = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """
    One program: its command, its environment, and how one knows that it serves.

    Programs with the same ``wave`` start together; a wave starts when the one before is ready.
    """

    name: str
    says: str
    command: tuple[str, ...]
    wave: int
    ready: Probe
    ready_within: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    stop_signal: str = "TERM"
    stop_within: int = 10
