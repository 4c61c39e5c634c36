# SPDX-License-Identifier: Apache-2.0
"""Decides whether a component has to be built again.

A stamp holds the hash of everything that goes into a component and the size of what came out.
It is written last, so a build that was interrupted has none.
"""

from __future__ import annotations

import hashlib
import json
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from services_demo.stack.toolchain.components import Component


def fingerprint(component: Component, repository: Path) -> str:
    """Hash the version, the recipe, this kind of machine and the content of every input file."""
    digest = hashlib.sha256()
    digest.update(repr((component.version, component.recipe, component.outputs)).encode())
    digest.update(f"{platform.system()} {platform.machine()}".encode())
    for name in component.inputs:
        content = hashlib.sha256((repository / name).read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def is_current(component: Component, repository: Path, build: Path) -> bool:
    """Tell whether the outputs are there, whole, and made of the present inputs."""
    try:
        written = json.loads(_stamp(component, build).read_text())
        return bool(written == _content(component, fingerprint(component, repository), build))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def write(component: Component, made_from: str, build: Path) -> None:
    """Record that the outputs now in `build` were made from inputs with this fingerprint."""
    stamp = _stamp(component, build)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    unfinished = stamp.with_suffix(".new")
    unfinished.write_text(json.dumps(_content(component, made_from, build), indent=2) + "\n")
    unfinished.replace(stamp)


def forget(component: Component, build: Path) -> None:
    """Remove the stamp, before the outputs it vouches for are touched."""
    _stamp(component, build).unlink(missing_ok=True)


def _stamp(component: Component, build: Path) -> Path:
    return build / "stamps" / f"{component.name}.json"


def _content(component: Component, made_from: str, build: Path) -> dict[str, object]:
    return {
        "inputs": made_from,
        "outputs": {name: _size(build / name) for name in component.outputs},
    }


def _size(path: Path) -> int:
    """Bytes of a file, or of all files under a folder: enough to notice one that was cut short."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
