# SPDX-License-Identifier: Apache-2.0
"""
Telemetry never hurts the application that it watches.

Code of ours that runs inside a request or a callback goes through `quiet`: what
it raises is logged (once a minute per place, so that a hot path cannot flood the
log) and dropped. Under pytest it is raised again, so that tests see the defect.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator

_logger = logging.getLogger("otel_setup")
_SECONDS_BETWEEN_LINES = 60.0
_last_line: dict[str, float] = {}


@contextlib.contextmanager
def quiet(doing: str) -> Iterator[None]:
    """Run the block; an exception of it is logged as a failure of *doing* and dropped."""
    try:
        yield
    except Exception as error:
        if "PYTEST_CURRENT_TEST" in os.environ:
            raise
        warn_sometimes(
            doing,
            f"{doing} failed ({type(error).__name__}: {error}). "
            "The application goes on, with less telemetry.",
        )


def warn_sometimes(topic: str, message: str) -> None:
    """Log *message* as a warning unless *topic* was logged less than a minute ago."""
    now = time.monotonic()
    if now - _last_line.get(topic, -_SECONDS_BETWEEN_LINES) >= _SECONDS_BETWEEN_LINES:
        _last_line[topic] = now
        _logger.warning("%s", message)
