# SPDX-License-Identifier: Apache-2.0
"""
How events travel: from an outbox table, over RabbitMQ, through an inbox table.

An event is a row, written in the transaction of its cause. The relay publishes it until
the broker has confirmed it; the consumer notes its id in the transaction of its effect.
So a dead broker, service or database delays an event but never loses or doubles it.
"""

from services_demo.bus.consumer import Consumer
from services_demo.bus.failures import NotYet, Refuse
from services_demo.bus.outbox import put
from services_demo.bus.relay import Relay
from services_demo.bus.subscription import Subscription, patiently
from services_demo.bus.supervisor import run_parts
from services_demo.bus.telemetry import seconds_since
from services_demo.bus.wakeup import Wakeup

__all__ = [
    "Consumer",
    "NotYet",
    "Refuse",
    "Relay",
    "Subscription",
    "Wakeup",
    "patiently",
    "put",
    "run_parts",
    "seconds_since",
]
