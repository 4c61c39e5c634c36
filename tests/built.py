# SPDX-License-Identifier: Apache-2.0
"""The programs that `make build` makes: promtool, amtool, Alertmanager."""

from __future__ import annotations

import os
import subprocess

from services_demo.stack.layout import build_folder_from


def path(program: str) -> str:
    """Return where the built *program* lies."""
    return str(build_folder_from(os.environ) / "bin" / program)


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the built *program* to its end and return what it printed."""
    return subprocess.run(
        [path(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
