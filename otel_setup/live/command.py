# SPDX-License-Identifier: Apache-2.0
"""``otel-setup live-check``: does a running Prometheus show what the catalogue says?"""

from __future__ import annotations

import argparse
import sys
from typing import Any

#: Ends of the command: nothing is violated, something is, it cannot be told.
OK, VIOLATED, WRONG = 0, 1, 2

_DESCRIPTION = """\
Compares a running Prometheus with a catalogue, both ways: what arrives and what is documented,
labels and their bounds, kinds, units and buckets, what panels show, which rules are loaded, and
what expressions read. Let there be some minutes of ordinary traffic before.

exit code: 0; 1 if something is violated; 2 if Prometheus or the catalogue cannot be read.
"""


def add(commands: Any) -> None:
    """Add the subcommand to the parser *commands*."""
    from otel_setup.cli import catalogue_option  # noqa: PLC0415 - which imports this module

    parser = commands.add_parser(
        "live-check",
        help="compare a running Prometheus with the catalogue",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    catalogue_option(parser)
    parser.add_argument(
        "--prometheus",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="default: http://127.0.0.1:9090",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="one check of arrivals, labels, kinds, panels, rules, reads; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="findings as JSON")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Do what the command line says."""
    from otel_setup.catalogue.loading import LoadError, load  # noqa: PLC0415
    from otel_setup.live import check, report  # noqa: PLC0415
    from otel_setup.live.api import NotReachableError, Prometheus, RefusedError  # noqa: PLC0415
    from otel_setup.live.findings import Level  # noqa: PLC0415

    unknown = [name for name in chosen.only if name not in check.CHECKS]
    if unknown:
        return _fail(f"--only {unknown[0]!r}: expected one of {', '.join(check.CHECKS)}.")
    try:
        prometheus = Prometheus(chosen.prometheus)
        found, compared = check.run(prometheus, load(chosen.catalogue), chosen.only)
    except (LoadError, NotReachableError, RefusedError, ValueError) as error:
        return _fail(str(error))
    show = report.machine if chosen.json else report.table
    sys.stdout.write(show(found, compared) + "\n")
    return VIOLATED if any(each.level is Level.VIOLATION for each in found) else OK


def _fail(message: str) -> int:
    sys.stderr.write(f"otel-setup live-check: {message}\n")
    return WRONG
