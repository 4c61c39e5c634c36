# SPDX-License-Identifier: Apache-2.0
"""A worker of the company's kind for messages that nobody can handle: it says when it did not."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from opentelemetry import trace
from psycopg_pool import ConnectionPool

from services_demo.bus import Consumer, run_parts
from services_demo.bus.topology import BINDINGS

if TYPE_CHECKING:
    from services_demo.database import Pool


class _Refusals(logging.Handler):
    """Writes the message's id, the moment and the trace of each failure that is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and record.levelno == logging.ERROR:
            trace_id = trace.get_current_span().get_span_context().trace_id
            sys.stdout.write(f"{record.args[0]} {record.created:.6f} {trace_id:032x}\n")
            sys.stdout.flush()


def main() -> int:
    """Consume all queues of the company until SIGTERM."""
    logging.getLogger("services_demo.bus.consumer").addHandler(_Refusals())
    # What cannot be parsed is refused before anything is asked of a database.
    pool: Pool = ConnectionPool(open=False)
    url = os.environ["AMQP_URL"]
    return run_parts(*(Consumer(queue, url, pool, lambda *_: None) for queue in sorted(BINDINGS)))


if __name__ == "__main__":
    sys.exit(main())
