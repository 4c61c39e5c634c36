# SPDX-License-Identifier: Apache-2.0
"""All that is generated from a catalogue, and bringing folders up to date with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otel_setup.catalogue.whole import Catalogue
from otel_setup.render import alerting, dashboards, documents, rules, scrape
from otel_setup.render.page import MARK, RenderError

#: Folders with as many files as the catalogue needs: what it no longer needs is removed.
_FOLDERS = ("prometheus/rules", "grafana/dashboards")


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not as the catalogue wants it; *text* is None if it has to go."""

    path: Path
    what: Literal["missing", "stale", "extra"]
    text: str | None = None


def files(catalogue: Catalogue, *, out: Path, docs: Path, routes: str = "") -> dict[Path, str]:
    """
    Return everything that is made from *catalogue*: path → text.

    Configuration goes below *out*, documents below *docs*. *routes* is the hand-written part
    of Alertmanager's configuration; see `otel_setup.render.alerting`.

    Raises:
        RenderError: something is missing that rendering needs.
    """
    configuration = (
        rules.pages(catalogue)
        | scrape.pages(catalogue)
        | alerting.pages(catalogue, routes)
        | dashboards.pages(catalogue)
    )
    return {out / name: text for name, text in configuration.items()} | {
        docs / name: text for name, text in documents.pages(catalogue).items()
    }


def stale(made: dict[Path, str], out: Path) -> list[Change]:
    """
    Return what has to change so that there is just what was *made*, below *out* and beside.

    Raises:
        RenderError: a file is in the way that was not generated.
    """
    present = {path: path.read_bytes() for path in made if path.is_file()}
    foreign = [str(path) for path, found in present.items() if not _is_generated(found)]
    if foreign:
        raise RenderError(
            f"{', '.join(foreign)}: would be overwritten, and was not made by otel-setup. "
            "Move it away, or choose another --out or --docs."
        )
    changes = [
        Change(path, "stale" if path in present else "missing", text)
        for path, text in made.items()
        if present.get(path) != text.encode()
    ]
    extra = [
        Change(path, "extra")
        for folder in _FOLDERS
        for path in sorted((out / folder).glob("*"))
        if path not in made and path.is_file() and _is_generated(path.read_bytes())
    ]
    return changes + extra


def _is_generated(content: bytes) -> bool:
    # What lacks the mark is somebody's own.
    return MARK.encode() in content


def write(changes: list[Change]) -> None:
    """Make the *changes*; files that are right already stay untouched."""
    for change in changes:
        if change.text is None:
            change.path.unlink()
        else:
            change.path.parent.mkdir(parents=True, exist_ok=True)
            change.path.write_bytes(change.text.encode())
