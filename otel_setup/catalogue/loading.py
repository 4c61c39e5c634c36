# SPDX-License-Identifier: Apache-2.0
"""A catalogue by the name of its module, for commands."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from otel_setup.catalogue.whole import Catalogue, CatalogueError

_HERE = str(Path(__file__).parent)


class LoadError(Exception):
    """There is no catalogue under a name; the message says why and what to type."""


def load(name: str) -> Catalogue:
    """
    Return ``CATALOGUE`` of the module *name*, which may lie in the current directory.

    Raises:
        LoadError: no such module, it cannot be imported, or it holds no catalogue.
    """
    if "/" in name or name.endswith(".py"):
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise LoadError(f"{name!r} is a path. Give the module's name: {dotted}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(name)
    except CatalogueError as error:
        raise LoadError(str(error)) from error
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{name}.".startswith(f"{missing}."):
            raise LoadError(_missing(name, missing)) from error
        raise LoadError(_failed(name, error)) from error
    found = getattr(module, "CATALOGUE", None)
    if isinstance(found, Catalogue):
        return found
    what = f"is no Catalogue but {found!r}" if hasattr(module, "CATALOGUE") else "is missing"
    raise LoadError(
        f"module {name!r}: CATALOGUE {what}. "
        "Expected CATALOGUE = Catalogue(...) of otel_setup.catalogue.whole."
    )


def _missing(name: str, part: str) -> str:
    return (
        f"there is no module {part!r}, so no {name!r}. Looked in {Path.cwd()} and in what is "
        "installed. Start the command in the folder that holds it, or install it."
    )


def _failed(name: str, error: BaseException) -> str:
    """Return what failed, and the last line outside the catalogue's types: the user's entry."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith((_HERE, "<")) and "importlib" not in frame.filename
    ]
    where = f" in {own[-1].filename}, line {own[-1].lineno}" if own else ""
    return f"module {name!r} cannot be imported{where}:\n  {type(error).__name__}: {error}"
