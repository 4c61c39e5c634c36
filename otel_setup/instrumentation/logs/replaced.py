# SPDX-License-Identifier: Apache-2.0
"""
Functions of ``logging`` that are replaced for a while, with or without others around.

Other packages replace the same functions, before or after us. Ours passes on to what it
found, and when it is not wanted any more but cannot be taken out, it only passes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


class Life:
    """Whether one replacement still has something to do; asked on each call."""

    __slots__ = ("goes_on",)

    def __init__(self) -> None:
        self.goes_on = True


class Replaced:
    """
    One function, replaced while it has users.

    *read* and *write* get at the place where it is kept.
    """

    def __init__(self, read: Callable[[], Function], write: Callable[[Function], None]) -> None:
        self._read = read
        self._write = write
        self._users = 0
        self._life = Life()
        self._original: Function | None = None
        self._ours: Function | None = None

    def on(self, wrap: Callable[[Function, Life], Function]) -> bool:
        """Replace it by what *wrap* makes of it; False when it is replaced already."""
        self._users += 1
        if self._users > 1:
            return False
        self._life = Life()
        self._original = self._read()
        self._ours = wrap(self._original, self._life)
        self._write(self._ours)
        return True

    def off(self) -> None:
        """End the use of one `on`; the last one puts the original back."""
        if self._users == 0:
            return
        self._users -= 1
        if self._users > 0:
            return
        self._life.goes_on = False
        if self._original is not None and self._read() is self._ours:
            self._write(self._original)


def method(owner: type, name: str) -> Replaced:
    """Return the method *name* of *owner*, not replaced yet."""
    return Replaced(lambda: getattr(owner, name), lambda function: setattr(owner, name, function))
