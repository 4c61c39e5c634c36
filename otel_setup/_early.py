# SPDX-License-Identifier: Apache-2.0
"""
Find out who imported a name before it was patched.

An instrumentation that replaces a function of a module does not reach a program that had
``from sqlalchemy import create_engine`` on an earlier line: it goes on with the function that
it has, and nothing tells that its queries are missing. One that replaces methods of a class
reaches everybody.
"""

from __future__ import annotations

import sys
from types import FunctionType, MethodType, ModuleType

#: Where extensions live; they name a class to compare with it more often than to make one.
_LIBRARIES = ("site-packages", "dist-packages")


class Names:
    """What the module *library*, already imported, offered before it was patched."""

    def __init__(self, library: str) -> None:
        self._library = library.partition(".")[0]
        module = sys.modules[self._library]
        self._before = {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, FunctionType | MethodType | type)
        }

    def holders(self) -> list[str]:
        """Return who still has what has been replaced since, such as ``shop.db.create_engine``."""
        now = vars(sys.modules[self._library])
        replaced = {
            id(value): value for name, value in self._before.items() if now.get(name) is not value
        }
        if not replaced:
            return []
        found = []
        for name, module in list(sys.modules.items()):
            if not isinstance(module, ModuleType) or self._own(name):
                continue
            app = not any(part in str(getattr(module, "__file__", "")) for part in _LIBRARIES)
            for attribute, value in list(vars(module).items()):
                if id(value) in replaced and (app or not isinstance(value, type)):
                    found.append(f"{name}.{attribute}")
        return sorted(found)

    def _own(self, name: str) -> bool:
        return name.partition(".")[0] in {self._library, "opentelemetry", "otel_setup", "wrapt"}
