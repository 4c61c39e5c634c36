# SPDX-License-Identifier: Apache-2.0
"""Knowledge of objects that are another library's, which stay as they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Beside(Generic[S]):
    """What is known of objects of a library, kept beside them for as long as they live."""

    def __init__(self, make: Callable[[Any], S]) -> None:
        self._make = make
        self._known: weakref.WeakKeyDictionary[Any, S] = weakref.WeakKeyDictionary()

    def of(self, thing: Any) -> S:
        """Return what is known of *thing*, and begin with it if that is nothing."""
        found = self._known.get(thing)
        if found is None:
            found = self._known[thing] = self._make(thing)
        return found

    def known(self, thing: Any) -> S | None:
        """Return what is known of *thing*, if there is anything."""
        return self._known.get(thing)

    def clear(self) -> list[S]:
        """Forget all of them; return what was known."""
        known = list(self._known.values())
        self._known.clear()
        return known
