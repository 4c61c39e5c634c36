# SPDX-License-Identifier: Apache-2.0
"""The instruments that both clients record into, and the labels that they have in common."""

from __future__ import annotations

from otel_setup.catalogue.entries import messaging as catalogue
from otel_setup.instrumentation.tally import Tally
from otel_setup.instruments import instrument

OPERATION_DURATION = instrument(catalogue.OPERATION_DURATION)
PROCESS_DURATION = instrument(catalogue.PROCESS_DURATION)
QUEUE_DURATION = instrument(catalogue.QUEUE_DURATION)
CLOCK_SKEWS = instrument(catalogue.CLOCK_SKEWS)
INVALID_CONTEXTS = instrument(catalogue.INVALID_CONTEXTS)
CONSUMER_LOSSES = instrument(catalogue.CONSUMER_LOSSES)
CONFIRM_DURATION = instrument(catalogue.CONFIRM_DURATION)

QUEUE = "messaging.rabbitmq.queue.name"
SETTLEMENT = "messaging.rabbitmq.settlement"
LOSS = "messaging.rabbitmq.loss.reason"
CLOSE = "messaging.rabbitmq.close.reason"
CONFIRMATION = "messaging.rabbitmq.confirmation"
SKEW = "messaging.rabbitmq.clock.skew"

_OPERATION = (
    *("messaging.system", "messaging.operation.name"),
    *("messaging.destination.name", "server.address"),
)
#: Of these a message has several: destination and broker, then what is said of each.
SENT = Tally(catalogue.SENT, *_OPERATION, "error.type")
CONSUMED = Tally(catalogue.CONSUMED, *_OPERATION, QUEUE)
SETTLED = Tally(catalogue.SETTLED, QUEUE, SETTLEMENT)
REDELIVERED = Tally(catalogue.REDELIVERED, QUEUE)
CONNECTION_OPENS = Tally(catalogue.CONNECTION_OPENS, "error.type")
CONNECTION_CLOSES = Tally(catalogue.CONNECTION_CLOSES, CLOSE)
TALLIES = (SENT, CONSUMED, SETTLED, REDELIVERED, CONNECTION_OPENS, CONNECTION_CLOSES)

SYSTEM = "rabbitmq"


def labels(operation: str, destination: str, host: str) -> dict[str, str]:
    """Return the labels of *operation* at *destination* that every metric of it has."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.destination.name": destination,
        "server.address": host,
    }


def expect(queue: str) -> None:
    """
    Have what may go wrong with *queue* counted from 0 on.

    A counter that is first seen at 1 has not risen for whoever reads it.
    """
    of_queue = {QUEUE: queue}
    REDELIVERED.add(0, queue)
    INVALID_CONTEXTS.add(0, of_queue)
    for settlement in ("ack", "reject", "requeue"):
        SETTLED.add(0, queue, settlement)
    for reason in ("cancelled", "channel_closed", "connection_lost"):
        CONSUMER_LOSSES.add(0, {**of_queue, LOSS: reason})
    for skew in ("ahead", "behind"):
        CLOCK_SKEWS.add(0, {**of_queue, SKEW: skew})


def expect_closes() -> None:
    """Have connections that end counted from 0 on."""
    CONNECTION_OPENS.add(0, "")
    for reason in ("blocked", "broker", "client", "heartbeat", "lost"):
        CONNECTION_CLOSES.add(0, reason)
