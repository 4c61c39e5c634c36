# SPDX-License-Identifier: Apache-2.0
"""The Shop's worker: sends the Shop's events and takes in those of the MES. Runs once."""

import sys

from services_demo.bus import Consumer, Relay, run_parts
from services_demo.bus.gauges import observe_outbox, observe_sql
from services_demo.bus.supervisor import configure_logging
from services_demo.bus.topology import SHOP_QUEUE
from services_demo.catalogue import shop as catalogue
from services_demo.configuration import ConfigurationError, load
from services_demo.database import open_pool
from services_demo.shop.orders import apply_news
from services_demo.shop.settings import ShopWorkerSettings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    configure_logging()
    settings = load(ShopWorkerSettings)
    pool = open_pool(settings.shop_database_url, "services_demo.shop")
    observe_outbox(pool, catalogue.SHOP_OUTBOX_UNSENT, catalogue.SHOP_OUTBOX_AGE)
    observe_sql(
        pool,
        catalogue.SHOP_ORDERS,
        "SELECT state AS label, count(*) AS value FROM customer_order GROUP BY state",
        label="order.state",
    )
    observe_sql(
        pool,
        catalogue.SHOP_UNPRICED_AGE,
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS value"
        " FROM customer_order WHERE state = 'placed'",
    )
    observe_sql(
        pool,
        catalogue.SHOP_SESSIONS,
        "SELECT count(*) AS value FROM session WHERE expires_at > now()",
    )
    return run_parts(
        Relay("shop", settings.amqp_url, settings.shop_database_url, pool),
        Consumer(SHOP_QUEUE, settings.amqp_url, pool, apply_news),
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        sys.exit(str(error))
