# SPDX-License-Identifier: Apache-2.0
"""``otel-setup pictures``: every dashboard as a picture, with the data of a running Prometheus."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

#: Ends of the command: the pictures are written, they cannot be.
OK, WRONG = 0, 2


def add(commands: Any) -> None:
    """Add the subcommand to the parser *commands*."""
    from otel_setup.cli import catalogue_option  # noqa: PLC0415 - which imports this module

    parser = commands.add_parser(
        "pictures",
        help="draw every dashboard from a running Prometheus",
        description="Draws every dashboard as a PNG: panels, units, limits and legends as in "
        "Grafana, with the last minutes of a running Prometheus. For people without Grafana.",
    )
    catalogue_option(parser)
    parser.add_argument(
        "--prometheus",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="default: http://127.0.0.1:9090",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/images/dashboards"),
        metavar="DIR",
        help="default: docs/images/dashboards",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, metavar="N", help="how many to show; default: 10"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="SLUG", help="one dashboard; repeatable"
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Do what the command line says."""
    from otel_setup.catalogue.loading import LoadError, load  # noqa: PLC0415
    from otel_setup.live.api import NotReachableError, Prometheus, RefusedError  # noqa: PLC0415
    from otel_setup.pictures import sheet  # noqa: PLC0415
    from otel_setup.render import dashboards  # noqa: PLC0415
    from otel_setup.render.page import RenderError  # noqa: PLC0415

    try:
        boards = [json.loads(text) for text in dashboards.pages(load(chosen.catalogue)).values()]
        _known(chosen.only, {board["uid"] for board in boards})
        prometheus = Prometheus(chosen.prometheus)
        chosen.out.mkdir(parents=True, exist_ok=True)
        span = sheet.last(chosen.minutes)
        for board in boards:
            if not chosen.only or board["uid"] in chosen.only:
                path = chosen.out / f"{board['uid']}.png"
                path.write_bytes(sheet.picture(prometheus, board, span))
                sys.stdout.write(f"wrote {path}, {path.stat().st_size // 1000} kB\n")
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed. Run: pip install 'otel-setup[pictures]'")
    except (
        *(LoadError, RenderError, NotReachableError, RefusedError, ValueError, OSError),
    ) as error:
        return _fail(str(error))
    return OK


def _known(only: list[str], slugs: set[str]) -> None:
    for slug in only:
        if slug not in slugs:
            raise ValueError(f"--only {slug!r}: expected one of {', '.join(sorted(slugs))}.")


def _fail(message: str) -> int:
    sys.stderr.write(f"otel-setup pictures: {message}\n")
    return WRONG
