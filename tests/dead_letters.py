# SPDX-License-Identifier: Apache-2.0
"""Runs the keeper of the dead letters as a process; ``--die`` has it killed as it acknowledges."""

from __future__ import annotations

import os
import signal
import sys

from pika.adapters.blocking_connection import BlockingChannel

from services_demo.bus import run_parts
from services_demo.bus.supervisor import configure_logging
from services_demo.database import open_pool
from services_demo.deadletters.keeper import Keeper


def main() -> int:
    """Run until SIGTERM."""
    configure_logging()
    if "--die" in sys.argv:
        # The row is committed then, and the broker does not know.
        BlockingChannel.basic_ack = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    pool = open_pool(os.environ["CRM_DATABASE_URL"], "services_demo.crm")
    return run_parts(Keeper(os.environ["AMQP_URL"], pool))


if __name__ == "__main__":
    sys.exit(main())
