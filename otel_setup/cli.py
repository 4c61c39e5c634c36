# SPDX-License-Identifier: Apache-2.0
"""
The command ``otel-setup``: what is done with a catalogue.

A subcommand is a function that adds itself to the parser; what it needs it imports when it
runs, so that the command starts at once and no service imports what renders.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_setup.doctor import command as doctor
from otel_setup.live import command as live_check
from otel_setup.pictures import command as pictures

if TYPE_CHECKING:
    from otel_setup.catalogue.whole import Catalogue
    from otel_setup.render.writing import Change

#: Ends of the command: all is well, files are stale, it cannot be done.
OK, STALE, WRONG = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* and return the exit code."""
    parser = argparse.ArgumentParser(prog="otel-setup", description="Works with a catalogue.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    chosen = parser.parse_args(arguments)
    code: int = chosen.run(chosen)
    return code


def catalogue_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--catalogue`` to the *parser* of a subcommand."""
    parser.add_argument(
        "--catalogue",
        required=True,
        metavar="MODULE",
        help="module with CATALOGUE, such as company.catalogue",
    )


def fail(message: str) -> int:
    """Tell what went wrong, and return the exit code for it."""
    sys.stderr.write(f"otel-setup: {message}\n")
    return WRONG


def _add_render(commands: Any) -> None:
    parser = commands.add_parser(
        "render",
        help="write dashboards, rules, scrape jobs, alert routes and documents",
        description="Writes what is made from a catalogue: only files that differ; generated "
        "files that the catalogue no longer needs are removed.",
    )
    catalogue_option(parser)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), metavar="DIR", help="default: docs"
    )
    parser.add_argument(
        "--routes",
        type=Path,
        metavar="FILE",
        help="routes and receivers of Alertmanager; default: alertmanager/routes.yml in --out",
    )
    parser.add_argument("--runbooks", metavar="URL", help="what stands before an alert's name")
    parser.add_argument("--grafana", metavar="URL", help="address of Grafana")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; 1 if anything is to be done"
    )
    parser.set_defaults(run=_render)


def _render(chosen: argparse.Namespace) -> int:
    from otel_setup.catalogue.loading import LoadError, load  # noqa: PLC0415
    from otel_setup.render.page import RenderError  # noqa: PLC0415

    try:
        from otel_setup.render import writing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return fail(
            f"{error.name} is not installed, and rendering needs it. "
            "Run: pip install 'otel-setup[render]'"
        )
    try:
        catalogue = _with_addresses(load(chosen.catalogue), chosen)
        made = writing.files(
            catalogue, out=chosen.out, docs=chosen.docs, routes=_routes(chosen.routes, chosen.out)
        )
        changes = writing.stale(made, chosen.out)
        if not chosen.check:
            writing.write(changes)
    except (LoadError, RenderError, OSError) as error:
        return fail(str(error))
    return _report(changes, len(made), check=chosen.check)


def _with_addresses(catalogue: Catalogue, chosen: argparse.Namespace) -> Catalogue:
    given = {key: getattr(chosen, key) for key in ("runbooks", "grafana") if getattr(chosen, key)}
    return dataclasses.replace(catalogue, **given)


def _routes(given: Path | None, out: Path) -> str:
    from otel_setup.render.alerting import ROUTES  # noqa: PLC0415

    path = given or out / ROUTES
    return path.read_text() if given or path.is_file() else ""


def _report(changes: list[Change], count: int, *, check: bool) -> int:
    if not changes:
        sys.stdout.write(f"{count} files are as the catalogue wants them.\n")
        return OK
    if not check:
        for change in changes:
            done = "removed" if change.text is None else "wrote"
            sys.stdout.write(f"{done} {change.path}\n")
        return OK
    for change in changes:
        sys.stderr.write(f"{change.what}: {change.path}\n")
    sys.stderr.write("Run the same without --check, and commit the result.\n")
    return STALE


#: What adds the subcommands, in the order of the help.
COMMANDS: tuple[Callable[[Any], None], ...] = (
    _add_render,
    doctor.add,
    live_check.add,
    pictures.add,
)
