# SPDX-License-Identifier: Apache-2.0
"""
The main job: the company comes up, an order runs through it, and its telemetry is shown.

With ``check`` it ends with a verdict; otherwise it stays until Ctrl-C and names every
part that dies and comes back.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

from services_demo.stack import launch, layout, report, status, traces
from services_demo.stack.control import Control
from services_demo.stack.errors import StackError
from services_demo.stack.infrastructure import RABBITMQ_USER
from services_demo.stack.layout import Layout
from services_demo.stack.say import say
from services_demo.stack.watch import SupervisorGoneError, Watch
from services_demo.traffic.order import FollowedOrder, OrderError, place_and_follow

_ORDERS = 3
_ORDER_SECONDS = 60.0
_PAUSE_SECONDS = 5.0
_DATA_SECONDS = 120.0
_TRACE_SECONDS = 20.0
_DOWN_SECONDS = 60.0


def run(*, check: bool) -> int:
    """Run the main job; 0 when every served row has data and the trace is whole."""
    # `kill` ends it in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    place = launch.up()
    say(f"everything serves after {time.monotonic() - began:.0f} s")
    try:
        watch = Watch(place, launch.programs(place))
        with watch.beside():
            missing = _show(place)
        if check:
            return _verdict(missing)
        say("stays up until Ctrl-C or `make down`; parts that die are named here")
        _stay(watch)
    except KeyboardInterrupt:
        say("interrupted")
    finally:
        if layout.saved(os.environ) is not None:
            launch.down()
    return 0


def _stay(watch: Watch) -> None:
    """Watch until somebody else stops the stack."""
    try:
        watch.stay()
    except SupervisorGoneError as error:
        deadline = time.monotonic() + _DOWN_SECONDS
        while layout.saved(os.environ) is not None:
            if time.monotonic() > deadline:
                raise StackError(str(error)) from error
            time.sleep(0.2)
        say("stopped by `make down`")


def _show(place: Layout) -> list[str]:
    """Run an order and traffic, print what arrives; returns what is missing."""
    say("one order from sign-in to the customer's notification:")
    order = _follow(place)
    Control(place).start("traffic")
    say("customers, operators and sales are at work; waiting for every row to have data …")
    missing = report.wait_for_data(place.url("prometheus"), _DATA_SECONDS)
    trace_id, seen = _trace(place, order)
    if not set(traces.WAY) <= set(seen):
        # The trace page keeps traces in memory: whoever kills it has to order once more.
        say(f"the trace of order {order.order_id} is not whole; another order:")
        trace_id, seen = _trace(place, _follow(place))
    missing += [
        f"trace {trace_id or 'of the order'}: no span of {name}"
        for name in traces.WAY
        if name not in seen
    ]
    try:
        print("\n" + report.table(place.url("prometheus")))
    except StackError as error:  # killed just now; it comes back
        missing.append(str(error))
    print(_closing(place, trace_id, seen))
    return missing


def _trace(place: Layout, order: FollowedOrder) -> tuple[str, list[str]]:
    return traces.wait_for_way(place.url("zipkin"), order.caller_trace_id, _TRACE_SECONDS)


def _follow(place: Layout) -> FollowedOrder:
    def on_step(name: str, seconds: float) -> None:
        say(f"  {name:<24} {seconds * 1000:6.0f} ms")

    for again in range(_ORDERS):
        try:
            return place_and_follow(
                *(place.url(name) for name in ("shop", "mes", "crm")),
                timeout=_ORDER_SECONDS,
                traced=True,
                on_step=on_step,
            )
        except OrderError as error:
            last = str(error)
            # A part may have been killed under it; it is started again by itself.
            say(f"the order did not get through: {last}")
            if again + 1 < _ORDERS:
                time.sleep(_PAUSE_SECONDS)
                say("another order:")
    raise StackError(f"{_ORDERS} orders did not get through. The last one: {last}")


def _closing(place: Layout, trace_id: str, seen: list[str]) -> str:
    zipkin, prometheus = place.url("zipkin"), place.url("prometheus")
    return f"""
One trace over both queues: {trace_id}
  seen in it: {", ".join(seen) or "nothing"}
  {traces.page(zipkin, trace_id)}

Pages
  Notifications {place.url("pager")}
  Prometheus    {prometheus}/query
  Traces        {zipkin}/zipkin/
  RabbitMQ      {place.url("rabbitmq_page")}   (user {RABBITMQ_USER}; its password is in stack.json)
  Alertmanager  {place.url("alertmanager")}
  Shop API      {place.url("shop")}/docs
  CRM API       {place.url("crm")}/docs
  metrics       pull {place.url("otelcol_pull")}/metrics   direct {place.url("crm_metrics")}/metrics
Memory of the whole stack: {status.all_memory(place):.0f} MiB
"""


def _verdict(missing: list[str]) -> int:
    if missing:
        say("NOT everything arrived:")
        for line in missing:
            print(f"  {line}")
        return 1
    say("every served row has data, and the trace is whole")
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
