# SPDX-License-Identifier: Apache-2.0
"""Runs the locust users in this process until the time is up or somebody stops it, and reports."""

from __future__ import annotations

import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.stats import stats_history

from services_demo.traffic.locustfile import Customer, Operator, Sales
from services_demo.traffic.user import CompanyUser

if TYPE_CHECKING:
    from services_demo.traffic.plan import Plan

_PROGRESS_EVERY_SECONDS = 10.0
# A command that is told to stop ends within 3 s: whoever does not stop in 2 is left behind.
_STOP_WITHIN_SECONDS = 2.0


def run(plan: Plan, *, duration: float | None, web_port: int | None) -> int:
    """Run the traffic of the plan and return the exit code: 1 if nothing worked, else 0."""
    environment = _environment(plan)
    runner = environment.create_local_runner()
    if web_port is not None:
        # The page parses the command line for locust's own options, and would refuse ours.
        del sys.argv[1:]
        environment.create_web_ui("127.0.0.1", web_port)
        gevent.spawn(stats_history, runner)
        print(f"traffic: locust's page is on http://127.0.0.1:{web_port}", flush=True)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    users = plan.customers + plan.operators + plan.sales_people
    print(f"traffic: {plan}. Stop it with Ctrl-C.", flush=True)
    began = time.monotonic()
    runner.start(users, spawn_rate=min(100, users))
    _report_until(stop, plan, began, duration)
    seconds = time.monotonic() - began
    with gevent.Timeout(_STOP_WITHIN_SECONDS, exception=False):
        runner.quit()
    print(plan.score.summary(seconds, plan.clock.missed), flush=True)
    return 1 if plan.score.nothing_worked else 0


def port_is_free(port: int) -> bool:
    """Return whether locust's page could be opened on that port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _environment(plan: Plan) -> Environment:
    CompanyUser.plan = plan
    Customer.host, Operator.host, Sales.host = plan.shop, plan.mes, plan.crm
    Customer.fixed_count = plan.customers
    Operator.fixed_count = plan.operators
    Sales.fixed_count = plan.sales_people
    environment = Environment(user_classes=[Customer, Operator, Sales])

    def count_request(
        request_type: str,
        name: str,
        url: str,
        response_time: float,
        exception: BaseException | None,
        **_: Any,
    ) -> None:
        error = f"{request_type} {url}: {exception}" if exception else ""
        plan.score.add_request(f"{request_type} {name}", response_time, error)

    environment.events.request.add_listener(count_request)  # type: ignore[no-untyped-call]
    return environment


def _report_until(stop: Event, plan: Plan, began: float, duration: float | None) -> None:
    """Print a line every ten seconds until it is time to stop."""
    next_line = began + _PROGRESS_EVERY_SECONDS
    end = float("inf") if duration is None else began + duration
    while not stop.is_set() and time.monotonic() < end:
        stop.wait(min(next_line, end) - time.monotonic())
        if time.monotonic() >= next_line:
            next_line += _PROGRESS_EVERY_SECONDS
            print(plan.score.progress(time.monotonic() - began), flush=True)
