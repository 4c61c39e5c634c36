# SPDX-License-Identifier: Apache-2.0
"""The CRM's worker: takes in all events, notifies customers, keeps dead letters. Runs once."""

import sys

from services_demo.bus import Consumer, run_parts
from services_demo.bus.supervisor import configure_logging
from services_demo.bus.topology import CRM_QUEUE
from services_demo.configuration import ConfigurationError, load
from services_demo.crm.events import apply_event
from services_demo.crm.notifications import expect_notifications
from services_demo.crm.settings import CrmWorkerSettings
from services_demo.database import open_pool
from services_demo.deadletters.keeper import Keeper
from services_demo.deadletters.telemetry import observe_letters


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    configure_logging()
    settings = load(CrmWorkerSettings)
    # One connection for each part, one for exports.
    pool = open_pool(settings.crm_database_url, "services_demo.crm", max_size=3)
    expect_notifications()
    observe_letters(pool)
    return run_parts(
        Consumer(CRM_QUEUE, settings.amqp_url, pool, apply_event),
        Keeper(settings.amqp_url, pool),
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        sys.exit(str(error))
