# SPDX-License-Identifier: Apache-2.0
"""``otel-setup doctor``: why does my telemetry not arrive?"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any
from urllib.parse import urlsplit

#: Ends of the command: all is well, something costs telemetry, it cannot be told.
OK, PROBLEMS, WRONG = 0, 1, 2

_DESCRIPTION = """\
Start it where the application starts: same machine, same user, same variables. It shows what is
in force and why, and follows the way to the Collector step by step. Nothing is patched.

exit code: 0; 1 if something costs telemetry; 2 if the doctor cannot work.
"""


def add(commands: Any) -> None:
    """Add the subcommand to the parser *commands*."""
    parser = commands.add_parser(
        "doctor",
        help="find out why telemetry does not arrive",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--send",
        action="store_true",
        help="send one marked span, metric and log record (what the settings send)",
    )
    parser.add_argument("--prometheus", default="", metavar="URL", help="look for the metric there")
    parser.add_argument(
        "--traces", default="", metavar="URL", help="look for the span there: Zipkin or Jaeger"
    )
    parser.add_argument(
        "--collector-metrics",
        default="",
        metavar="URL",
        help="the Collector's own numbers; default: http://127.0.0.1:8888/metrics, if it is here",
    )
    parser.add_argument(
        "--app",
        default="",
        metavar="MODULE",
        help="import the application in a process of its own, to see what is imported too early",
    )
    parser.add_argument("--all", action="store_true", help="show defaults too")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.add_argument(
        "command",
        nargs="*",
        metavar="-- COMMAND",
        help="what starts the application, such as: -- gunicorn -w 4 shop:app",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Do what the command line says."""
    from otel_setup.doctor import examine, output  # noqa: PLC0415
    from otel_setup.doctor.arrival import Places  # noqa: PLC0415

    for option in ("prometheus", "traces", "collector_metrics"):
        value = getattr(chosen, option)
        if value and not _is_url(value):
            name = option.replace("_", "-")
            return _fail(f"--{name} {value!r}: expected a URL such as http://127.0.0.1:9090.")
    if (chosen.prometheus or chosen.traces) and not chosen.send:
        return _fail("--prometheus and --traces look for what --send sends. Add --send.")
    wish = examine.Wish(
        send=chosen.send,
        places=Places(
            prometheus=chosen.prometheus,
            traces=chosen.traces,
            collector=chosen.collector_metrics,
        ),
        app=chosen.app,
        command=tuple(chosen.command),
    )
    result = examine.examine(examine.variables(os.environ), wish)
    shown = output.machine(result) if chosen.json else output.text(result, everything=chosen.all)
    sys.stdout.write(shown + "\n")
    return OK if result.healthy else PROBLEMS


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _fail(message: str) -> int:
    sys.stderr.write(f"otel-setup doctor: {message}\n")
    return WRONG
