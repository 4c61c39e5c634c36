# SPDX-License-Identifier: Apache-2.0
"""The MES's worker: takes in the Shop's events, prices orders, sends its own events. Runs once."""

from otel_setup import observe
from services_demo.bus import Consumer, Relay, run_parts
from services_demo.bus.gauges import observe_outbox, observe_sql
from services_demo.bus.supervisor import configure_logging
from services_demo.bus.topology import MES_QUEUE
from services_demo.catalogue import mes as catalogue
from services_demo.configuration import load
from services_demo.database import Pool, open_pool
from services_demo.mes.dispatcher import Dispatcher, Processes
from services_demo.mes.orders import apply_event
from services_demo.mes.settings import MesWorkerSettings


def run() -> int:
    """Run until SIGTERM; return the exit code."""
    configure_logging()
    settings = load(MesWorkerSettings)
    count = settings.mes_pricing_processes
    pool = open_pool(settings.mes_database_url, "services_demo.mes", max_size=count + 2)
    _observe(pool, count)
    processes = Processes(count)
    code = run_parts(
        Relay("mes", settings.amqp_url, settings.mes_database_url, pool),
        Consumer(MES_QUEUE, settings.amqp_url, pool, apply_event),
        *(Dispatcher(number, settings, pool, processes) for number in range(1, count + 1)),
    )
    processes.kill()
    return code


def _observe(pool: Pool, capacity: int) -> None:
    observe_outbox(pool, catalogue.MES_OUTBOX_UNSENT, catalogue.MES_OUTBOX_AGE)
    observe(catalogue.PRICE_CAPACITY, lambda: [(capacity, {})])
    observe_sql(
        pool,
        catalogue.PRICE_TASKS,
        # Both states always have a value: a gauge that comes and goes cannot be read.
        "SELECT s.state AS label, count(t.state) AS value FROM (VALUES ('queued'), ('running'))"
        " AS s (state) LEFT JOIN price_task t ON t.state = s.state"
        " AND t.state IN ('queued', 'running') GROUP BY s.state",
        label="state",
    )
    observe_sql(
        pool,
        catalogue.MES_ORDERS,
        "SELECT state AS label, count(*) AS value FROM manufacturing_order GROUP BY state",
        label="order.state",
    )
    observe_sql(
        pool,
        catalogue.MES_SESSIONS,
        "SELECT count(*) AS value FROM operator_session WHERE expires_at > now()",
    )
