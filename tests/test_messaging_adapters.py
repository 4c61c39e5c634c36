# SPDX-License-Identifier: Apache-2.0
"""A message has the same spans and counts on every adapter that pika ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.programs import environment

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

#: Each adapter brings an event loop of its own, and some can be had once in a process only.
PROGRAM = Path(__file__).with_name("amqp_programs") / "adapters.py"

EXPECTED = """\
PRODUCER publish: 3, in 3 traces
CONSUMER process: 3, each below its publisher
INTERNAL work: 3, each below its process
messaging.client.sent.messages: 3
messaging.client.consumed.messages: 3
messaging.process.duration: 3
messaging.rabbitmq.queue.duration: 3
messaging.rabbitmq.settled.messages: 3
messaging.rabbitmq.unsettled.messages: 0
messaging.rabbitmq.connection.opens: 1
messaging.rabbitmq.connection.closes: 1
"""


@pytest.mark.parametrize(
    "adapter", ["blocking", "select", "asyncio", "tornado", "gevent", "twisted"]
)
def test_an_adapter(broker: Broker, adapter: str) -> None:
    """Three messages are published, worked on and acknowledged over one connection."""
    queue = broker.queue()

    ended = subprocess.run(
        [sys.executable, str(PROGRAM), adapter, broker.url, queue],
        env=environment(PYTHONPATH=str(PROGRAM.parents[2])),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert (ended.stdout, ended.returncode) == (EXPECTED, 0), ended.stderr
    broker.delete(queue)
