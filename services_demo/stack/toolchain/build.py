# SPDX-License-Identifier: Apache-2.0
"""Builds what the native stack runs: `python3 -m services_demo.stack.toolchain.build`.

A component whose inputs did not change is left alone,
so calling this before every start of the stack costs nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from services_demo.stack.toolchain import recipes, stamps
from services_demo.stack.toolchain.commands import (
    BuildError,
    CommandError,
    Runner,
    explain,
    say,
    shown,
)
from services_demo.stack.toolchain.components import COMPONENTS, REPOSITORY, Component
from services_demo.stack.toolchain.lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER_VARIABLE = "STACK_BUILD_DIR"
RUN_AGAIN = "after a network fault run it again: what was fetched and compiled is kept"


def build_folder(environ: Mapping[str, str]) -> Path:
    """Return the build folder: `STACK_BUILD_DIR`, or `.stack/build` in the repository."""
    named = environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser().resolve() if named else REPOSITORY / ".stack" / "build"


def chosen(names: Sequence[str]) -> tuple[Component, ...]:
    """Return the named components in the table's order, or all of them."""
    known = [component.name for component in COMPONENTS]
    for name in names:
        if name not in known:
            raise BuildError(f"--only {name!r}: expected one of {', '.join(known)}.")
    return tuple(component for component in COMPONENTS if not names or component.name in names)


def build(components: Sequence[Component], folder: Path, repository: Path = REPOSITORY) -> None:
    """Bring the components up to date in `folder`; raise `BuildError` at the first that fails."""
    stale = _stale(components, folder, repository)
    if stale:
        with exclusive(folder) as announce:
            # What an interrupted build left; ours alone while we hold the lock.
            shutil.rmtree(folder / "unfinished", ignore_errors=True)
            # Asked again: another build may have done the work while we waited for it.
            stale = _stale(components, folder, repository)
            _build_each(stale, folder, repository, announce)
    built = f"{len(stale)} built, " if stale else ""
    say(f"toolchain: {built}{len(components) - len(stale)} already current in {shown(folder)}")


def table(components: Sequence[Component], folder: Path, repository: Path = REPOSITORY) -> str:
    """Return the text of --list: each component, its version, state and outputs."""
    rows = [("component", "version", "state", "outputs in " + shown(folder))]
    for component in components:
        state = "current" if stamps.is_current(component, repository, folder) else "to build"
        rows.append((component.name, component.version, state, " ".join(component.outputs)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


def _stale(components: Sequence[Component], folder: Path, repository: Path) -> list[Component]:
    return [
        component
        for component in components
        if not stamps.is_current(component, repository, folder)
    ]


def _build_each(
    components: Sequence[Component], folder: Path, repository: Path, announce: Callable[[str], None]
) -> None:
    for number, component in enumerate(components, start=1):
        title = f"{component.name} {component.version}"
        counted = f"[{number}/{len(components)}] {title}"
        announce(f"building {title}")
        say(f"{counted}: building (about {component.cold_seconds} s cold) …")
        started = time.monotonic()
        _build_one(component, folder, repository)
        say(f"{counted}: done in {time.monotonic() - started:.0f} s")


def _build_one(component: Component, folder: Path, repository: Path) -> None:
    unfinished = folder / "unfinished" / component.name
    shop = recipes.Workshop(
        repository=repository,
        build=folder,
        into=unfinished / "outputs",
        scratch=unfinished / "scratch",
    )
    shop.into.mkdir(parents=True)
    shop.scratch.mkdir()
    runner = Runner(name=component.name, log=folder / "logs" / f"{component.name}.log")
    runner.start_log()
    # Now, not afterwards: a file that is edited during the build must count as changed.
    made_from = stamps.fingerprint(component, repository)
    try:
        recipes.make(component, shop, runner)
    except CommandError as error:
        title = f"{component.name} {component.version}"
        raise BuildError(explain(title, error, runner.log, RUN_AGAIN)) from error
    stamps.forget(component, folder)
    for name in component.outputs:
        _put(shop.into / name, folder / name, unfinished / "replaced")
    stamps.write(component, made_from, folder)
    shutil.rmtree(unfinished)


def _put(made: Path, final: Path, replaced: Path) -> None:
    """Rename one output into place; a running program keeps the file it was started from."""
    if not made.exists():
        raise BuildError(
            f"{final.name}: the build ended well but did not produce it.\n"
            "  To do: look at its recipe in components.py"
        )
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.is_dir():
        final.rename(replaced)
    made.replace(final)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m services_demo.stack.toolchain.build", description=__doc__
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="build only these components"
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="DIR",
        help=f"build folder (default: {FOLDER_VARIABLE} or .stack/build)",
    )
    parser.add_argument(
        "--list", action="store_true", help="show the components and whether they are built"
    )
    return parser.parse_args(arguments)


def stop_like_ctrl_c() -> None:
    """Let `kill` and a closed terminal end the running tool first, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's wish
            signal.signal(number, signal.default_int_handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0, 1 after a failure, 130 after Ctrl-C."""
    options = _options(arguments)
    stop_like_ctrl_c()
    try:
        folder = options.into.expanduser().resolve() if options.into else build_folder(os.environ)
        components = chosen(options.only)
        if options.list:
            say(table(components, folder))
        else:
            build(components, folder)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error}\n  To do: check free space and permissions, then run again\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what is complete is kept, run again to go on\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
