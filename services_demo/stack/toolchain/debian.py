# SPDX-License-Identifier: Apache-2.0
"""Installs Debian packages the stack needs: `python3 -m services_demo.stack.toolchain.debian`.

Only what is missing, and no service of theirs is started:
the stack runs its own broker and databases, as processes with their data in its own folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services_demo.stack.toolchain.build import build_folder, stop_like_ctrl_c
from services_demo.stack.toolchain.commands import BuildError, CommandError, Runner, explain, say
from services_demo.stack.toolchain.quiet_install import (
    no_database_cluster,
    no_new_epmd,
    no_service_starts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MODULE = "services_demo.stack.toolchain.debian"
POSTGRESQL = "/usr/lib/postgresql/15/bin"
OLDEST_JAVA = 17
LISTS_DAYS = 1.0  # package lists older than this may name files the mirror no longer has
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on the PATH of every user


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A Debian package, what it is for, and how to see that the machine has it."""

    package: str
    gives: str
    present: Callable[[], bool]


def program(name: str) -> Callable[[], bool]:
    """Return a test for a program: on PATH, in the administrator's folders, or by full path."""
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return lambda: shutil.which(name, path=search) is not None


def java_version(release: str) -> int:
    """Return the major version named in a Java home's `release` file, or 0."""
    found = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', release)
    return int(found[1]) if found else 0


def has_java() -> bool:
    """Tell whether `java` is new enough, from its `release` file: asking Java itself is slow."""
    java = shutil.which("java")
    if java is None:
        return False
    try:
        release = (Path(java).resolve().parents[1] / "release").read_text()
    except OSError:
        return True  # an unusual installation: somebody put it there on purpose
    return java_version(release) >= OLDEST_JAVA


NEEDS = (
    Need(
        package="python3-venv",
        gives="python3 with ensurepip (for `python3 -m venv`)",
        present=lambda: importlib.util.find_spec("ensurepip") is not None,
    ),
    Need(
        package="rabbitmq-server",
        gives="rabbitmq-server, rabbitmqctl",
        present=program("rabbitmq-server"),
    ),
    Need(
        package="postgresql-15",
        gives=f"initdb and postgres in {POSTGRESQL}",
        present=program(f"{POSTGRESQL}/postgres"),
    ),
    Need(package="openjdk-17-jre-headless", gives=f"java {OLDEST_JAVA} or newer", present=has_java),
    Need(package="maven", gives="mvn", present=program("mvn")),
    Need(
        package="ca-certificates",
        gives="the CA bundle /etc/ssl/certs/ca-certificates.crt",
        present=Path("/etc/ssl/certs/ca-certificates.crt").exists,
    ),
    Need(package="util-linux", gives="setpriv", present=program("setpriv")),
)


def missing(needs: Sequence[Need] = NEEDS) -> list[Need]:
    """Return the needs this machine does not meet."""
    return [need for need in needs if not need.present()]


def is_debian(os_release: str) -> bool:
    """Tell whether /etc/os-release is Debian's own; relatives name packages otherwise."""
    return re.search(r'^ID="?debian"?$', os_release, flags=re.MULTILINE) is not None


def refusal(needs: Sequence[Need], os_release: str, user: int) -> str | None:
    """Return why this process cannot install the packages and what to do instead, or nothing."""
    packages = " ".join(need.package for need in needs)
    if not is_debian(os_release):
        wanted = "\n".join(f"  {need.gives}  (Debian: {need.package})" for need in needs)
        return f"This is not Debian, so nothing was installed. Install these your way:\n{wanted}"
    if user != 0:
        return (
            f"Missing Debian packages: {packages}. Installing them needs root. Run:\n"
            f"  sudo apt-get install --no-install-recommends {packages}\n"
            "Debian then starts RabbitMQ and PostgreSQL. To install them without starting them:\n"
            f"  sudo python3 -m {MODULE}"
        )
    return None


def lists_are_stale(lists: Path, now: float) -> bool:
    """Tell whether apt's package lists are absent or older than a day."""
    changed = [file.stat().st_mtime for file in lists.glob("*_Packages*")]
    return not changed or now - max(changed) > LISTS_DAYS * 24 * 3600


def apt_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no package asks a question and changed settings stay."""
    return dict(environ) | {"DEBIAN_FRONTEND": "noninteractive", "UCF_FORCE_CONFFOLD": "1"}


def install(packages: Sequence[str], runner: Runner) -> None:
    """Install packages with apt, without letting one of them start a service or make a database."""
    env, root = apt_environment(os.environ), Path("/")
    update = ["apt-get", "update"]
    command = [
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "Dpkg::Options::=--force-confold",
    ]
    updated = lists_are_stale(Path("/var/lib/apt/lists"), time.time())
    if updated:
        runner.download(update, cwd=root, env=env)
    with ExitStack() as undo:
        undo.enter_context(no_service_starts())
        undo.enter_context(no_database_cluster())
        undo.enter_context(no_new_epmd())
        try:
            runner.run([*command, *packages], cwd=root, env=env)
        except CommandError:
            if updated:
                raise
            say("      packages: apt failed, once more with fresh package lists")
            runner.download(update, cwd=root, env=env)
            runner.run([*command, *packages], cwd=root, env=env)


def ensure(log: Path) -> None:
    """Install what is missing, or raise `BuildError` with what the user has to do."""
    needs = missing()
    if not needs:
        return
    os_release = Path("/etc/os-release")
    problem = refusal(needs, os_release.read_text() if os_release.exists() else "", os.geteuid())
    if problem:
        raise BuildError(problem)
    packages = [need.package for need in needs]
    say(f"[packages] {' '.join(packages)}: installing with apt (about 60 s) …")
    started = time.monotonic()
    runner = Runner(name="packages", log=log)
    runner.start_log()
    try:
        install(packages, runner)
    except CommandError as error:
        fix = f"read the log; run again after a network fault: python3 -m {MODULE}"
        raise BuildError(explain("packages", error, log, fix)) from error
    left = [need.package for need in missing(needs)]
    if left:
        raise BuildError(
            f"packages: apt installed {' '.join(left)}, but what they give is still not found.\n"
            f"  To do: compare PATH with what `dpkg -L {left[0]}` lists"
        )
    say(f"[packages] done in {time.monotonic() - started:.0f} s")


def main() -> int:
    """Run the command line; exit code 1 when something is left to do, 130 after Ctrl-C."""
    stop_like_ctrl_c()
    try:
        ensure(build_folder(os.environ) / "logs" / "debian.log")
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; run again to go on\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
