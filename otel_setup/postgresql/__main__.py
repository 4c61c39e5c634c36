# SPDX-License-Identifier: Apache-2.0
"""
``python -m otel_setup.postgresql``: a process that does nothing but read one server.

The server is named by ``PGHOST``, ``PGPORT``, ``PGUSER``, ``PGPASSWORD`` and ``PGDATABASE``.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading

from otel_setup import ConfigError, setup
from otel_setup.postgresql.reader import watch


def main() -> int:
    """Read until SIGTERM or SIGINT; returns the exit code, 2 for a wrong environment."""
    if importlib.util.find_spec("psycopg") is None:
        sys.stderr.write("psycopg is not installed. Run: pip install 'psycopg[binary]'\n")
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: ended.set())
    try:
        handle = setup()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    reader = watch()
    ended.wait()
    handle.shutdown()
    reader.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
