# SPDX-License-Identifier: Apache-2.0
"""
Methods that are replaced in their class, and put back exactly.

A replaced class would miss programs that imported the name before; a replaced method serves
them, their subclasses, and objects that exist already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_ABSENT = object()

#: Whose attribute, its name, and what makes the new one from the old one.
Replacement = tuple[Any, str, Callable[[Any], Any]]


class Patches:
    """Replacements that several instrumentations share: made for the first, undone by the last."""

    def __init__(self, replacements: Callable[[], Iterable[Replacement]]) -> None:
        self._replacements = replacements
        self._users = 0
        self._undo: list[tuple[Any, str, object, object]] = []

    def apply(self) -> None:
        """Replace, unless that was done already."""
        self._users += 1
        if self._users > 1:
            return
        for owner, name, make in self._replacements():
            before = vars(owner).get(name, _ABSENT)
            ours = make(getattr(owner, name))
            setattr(owner, name, ours)
            self._undo.append((owner, name, before, ours))

    def undo(self) -> None:
        """Put everything back, unless somebody still needs it."""
        self._users -= 1
        if self._users:
            return
        while self._undo:
            owner, name, before, ours = self._undo.pop()
            if vars(owner).get(name) is not ours:
                continue  # wrapped by somebody else since: ours stays inside, and idle
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
