# SPDX-License-Identifier: Apache-2.0
"""`python -m services_demo.traffic`: puts real load on a running company."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from urllib.parse import urlsplit

from services_demo.traffic.plan import Plan

_DESCRIPTION = """\
Customers upload, edit and order 3D models, operators manufacture them, sales look after them:
real requests to the three services. It runs until --duration is over or it is stopped (Ctrl-C,
SIGTERM), prints a line every 10 s and a summary at the end.
"""
_HOW_THE_RATE_IS_HELD = """\
how --rate is held: all customers share one clock, on which an order is due every 60/RATE seconds.
A free customer takes the next one, signs in and prepares a model before it is due, and places the
order at that time. There are enough customers (0.67 x RATE + 2) that one is free even if every
price takes 25 s. An order that nobody could take within 10 s of its time is given up and counted.
An order whose preparation fails is lost, not repeated: an outage shows as fewer orders.

exit code: 0; 1 if not one order could be placed (the first error is printed); 2 for a wrong
argument.
"""
_MOST_ORDERS_PER_MINUTE = 6000.0
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def orders_per_minute(text: str) -> float:
    """Parse --rate."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _MOST_ORDERS_PER_MINUTE:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected orders a minute, more than 0 and at most"
            f" {_MOST_ORDERS_PER_MINUTE:.0f}. For one order every two seconds give --rate 30."
        )
    return rate


def duration(text: str) -> float:
    """Parse --duration into seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a time above 0 such as 60s, 5m or 1h."
            " Leave --duration out to run until stopped."
        )
    return seconds


def address(text: str) -> str:
    """Parse the address of a service."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected an address with scheme and host. Give it like http://127.0.0.1:8001."
        )
    return text.rstrip("/")


def port(text: str) -> int:
    """Parse --web-port."""
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 65535:  # noqa: PLR2004, the range of TCP ports
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a port from 1 to 65535. Leave --web-port out for 8089."
        )
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services_demo.traffic",
        description=_DESCRIPTION,
        epilog=_HOW_THE_RATE_IS_HELD,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--rate",
        type=orders_per_minute,
        default=30.0,
        metavar="ORDERS_PER_MINUTE",
        help="default: 30",
    )
    add("--duration", type=duration, metavar="TIME", help="60s, 5m, 1h; default: until stopped")
    add("--seed", type=int, default=1, help="repeat the same choices; default: 1")
    add("--shop", type=address, default=Plan.shop, metavar="URL", help=f"default: {Plan.shop}")
    add("--mes", type=address, default=Plan.mes, metavar="URL", help=f"default: {Plan.mes}")
    add("--crm", type=address, default=Plan.crm, metavar="URL", help=f"default: {Plan.crm}")
    add("--web", action="store_true", help="also open locust's page, on 127.0.0.1 only")
    add("--web-port", type=port, default=8089, metavar="PORT", help="default: 8089")
    return parser


def main() -> int:
    """Run the command."""
    parser = _parser()
    options = parser.parse_args()
    # Until locust is loaded, which takes a second, being stopped is no error either.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    # Here and not above: it imports locust, which patches the process for gevent.
    from services_demo.traffic.run import port_is_free, run  # noqa: PLC0415

    if options.web and not port_is_free(options.web_port):
        parser.error(
            f"--web-port {options.web_port}: another program uses this port."
            f" Give a free one, for example --web-port {options.web_port + 1}."
        )
    plan = Plan(
        shop=options.shop,
        mes=options.mes,
        crm=options.crm,
        orders_per_minute=options.rate,
        seed=options.seed,
    )
    return run(plan, duration=options.duration, web_port=options.web_port if options.web else None)


if __name__ == "__main__":
    sys.exit(main())
