# SPDX-License-Identifier: Apache-2.0
"""The command of the scanner: a service, one scan with a table, or the probe of a container."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from otel_setup import ConfigError, setup
from otel_setup.storage.publishing import publish
from otel_setup.storage.scanner import Scanner
from otel_setup.storage.settings import ScanSettings

_SERVICE = "storage-scanner"

#: Ends of the command: all is well, a bucket cannot be scanned, it cannot be done.
_OK, _INCOMPLETE, _WRONG = 0, 1, 2

_ENDING = (signal.SIGTERM, signal.SIGINT)
_EXIT_SECONDS = 3.0

#: A scanner that has written nothing for so many intervals, and seconds, hangs.
_INTERVALS, _SECONDS = 3, 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m otel_setup.storage",
        description="Lists the buckets of an S3 storage again and again, and publishes how much "
        "lies in them. Variables STORAGE_SCAN_* say what and how fast; credentials are found as "
        "boto3 finds them.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="scan once, print the sizes, and end")
    what.add_argument("--check", action="store_true", help="1 if the scanner beside this hangs")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # It names the source of the credentials with each start.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    try:
        settings = ScanSettings.from_env()
        if chosen.check:
            return _check(settings)
        return _once(settings) if chosen.once else _serve(settings)
    except ConfigError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed. Run: pip install boto3")


def _serve(settings: ScanSettings) -> int:
    # Blocked in all threads, so that this one may wait for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    # The launcher may have set it up, and the name may be given.
    setup(None if os.environ.get("OTEL_SERVICE_NAME", "").strip() else _SERVICE)
    stop = threading.Event()
    scanner = Scanner(settings, stop=stop)
    publish(scanner)
    work = threading.Thread(target=scanner.run, name="scanner", daemon=True)
    work.start()
    while work.is_alive():
        if signal.sigtimedwait(_ENDING, 1.0):
            stop.set()
            # What waits for a storage that hangs is not waited for.
            work.join(_EXIT_SECONDS)
            return _OK
    return _INCOMPLETE  # it died, and said why


def _once(settings: ScanSettings) -> int:
    scanner = Scanner(settings)
    scanner.scan()
    for line in _table(scanner):
        sys.stdout.write(f"{line}\n")
    return _INCOMPLETE if any(scanner.failures.values()) else _OK


def _table(scanner: Scanner) -> Iterator[str]:
    yield f"{'bucket':<30} {'class':<20} {'objects':>12} {'bytes':>18}"
    for bucket, result in sorted(scanner.results.items()):
        rows = dict(result.sizes)
        if result.unfinished is not None:
            rows["(unfinished uploads)"] = result.unfinished
        for name, amount in rows.items():
            yield f"{bucket:<30} {name:<20} {amount.count:>12} {amount.bytes:>18}"


def _check(settings: ScanSettings) -> int:
    if settings.state_file is None:
        return _fail("STORAGE_SCAN_STATE_FILE is not set: without it nobody can look.")
    try:
        age = time.time() - settings.state_file.stat().st_mtime
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return _INCOMPLETE
    if age <= _INTERVALS * settings.interval + _SECONDS:
        return _OK
    sys.stderr.write(f"{settings.state_file} was written {age:.0f} s ago\n")
    return _INCOMPLETE


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return _WRONG
