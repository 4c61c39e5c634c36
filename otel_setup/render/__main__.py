# SPDX-License-Identifier: Apache-2.0
"""``python -m otel_setup.render [--check]``: write the generated files, or fail if they differ."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from otel_setup.render import settings

_ROOT = Path(__file__).resolve().parents[2]

#: Path below the repository → its content.
PAGES = {"docs/settings.md": settings.page}


def main() -> int:
    """Write every page that differs; with --check only name them and return 1."""
    parser = argparse.ArgumentParser(prog="python -m otel_setup.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if a file is stale")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = _ROOT / name, page()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    if check and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}. Run `make generate` and commit the result.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
