# SPDX-License-Identifier: Apache-2.0
"""Takes price calculations from the list and has them computed by a pool of processes."""

from __future__ import annotations

import concurrent.futures
import logging
import multiprocessing
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from opentelemetry import trace

from otel_setup import capture_context, instrument, resume_context, untraced
from services_demo.bus import Wakeup, seconds_since
from services_demo.bus.connection import Outage
from services_demo.catalogue import mes as catalogue
from services_demo.database import Unavailable
from services_demo.mes import pricing, tasks

if TYPE_CHECKING:
    from threading import Event

    from services_demo.database import Pool
    from services_demo.mes.settings import MesWorkerSettings
    from services_demo.mes.tasks import Task

log = logging.getLogger(__name__)
tracer = trace.get_tracer(__name__)

DURATION = instrument(catalogue.PRICE_DURATION)
CALCULATIONS = instrument(catalogue.PRICE_CALCULATIONS)
ORDER_DURATION = instrument(catalogue.ORDER_PRICING_DURATION)

# Notifications wake the dispatcher; this finds what is due again after a pause.
_LOOK_ANYWAY_SECONDS = 5.0
_RETRY_SECONDS = 5.0


class Processes:
    """A pool of processes that is replaced when one of them dies."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._pool = self._new()

    def submit(self, job: pricing.Job) -> Future[int]:
        """Have *job* computed, by a new pool if the present one is broken."""
        with self._lock:
            try:
                return self._pool.submit(pricing.calculate, job)
            except BrokenProcessPool:
                log.warning("a pricing process died; starting new ones")
                self._pool.shutdown(wait=False)
                self._pool = self._new()
                return self._pool.submit(pricing.calculate, job)

    def kill(self) -> None:
        """End the processes at once; what they compute is computed again later."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.kill()

    def _new(self) -> ProcessPoolExecutor:
        # A forked child would inherit the locks and threads of this process.
        pool = ProcessPoolExecutor(
            self._count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=pricing.die_with_parent,
        )
        # The first customer must not wait for two seconds of imports.
        for _ in range(self._count):
            pool.submit(pricing.warm_up)
        return pool


class Dispatcher:
    """One of as many as there are processes: takes a task, waits for its price, writes it."""

    def __init__(
        self, number: int, settings: MesWorkerSettings, pool: Pool, processes: Processes
    ) -> None:
        self.name = f"mes pricing {number}"
        self._settings = settings
        self._pool = pool
        self._processes = processes
        self._worker = f"{settings.mes_worker_name}/{number}"
        self._storage = Outage(f"{self.name}: storage of models")

    def run(self, stop: Event) -> None:
        """Compute until *stop*; an unfinished task is put back."""
        _expect_calculations()
        outage = Outage(f"{self.name}: database")
        while not stop.is_set():
            try:
                with Wakeup(self._settings.mes_database_url, "price_task") as wakeup:
                    self._work(stop, wakeup, outage)
            except Unavailable as error:
                stop.wait(outage.failed(error))

    def _work(self, stop: Event, wakeup: Wakeup, outage: Outage) -> None:
        with self._pool.connection() as database:
            # From before a crash, or before the database went away with the price in hand.
            if tasks.take_back(database, self._worker):
                log.warning("%s: a half done price task is queued again", self.name)
        look_at = 0.0
        while not stop.is_set():
            if time.monotonic() >= look_at:
                with untraced(), self._pool.connection() as database:
                    task = tasks.take(database, self._worker)
                outage.over()
                if task:
                    self._calculate(task, stop)
                    continue
                look_at = time.monotonic() + _LOOK_ANYWAY_SECONDS
            if wakeup.wait(0.5):
                look_at = 0.0

    def _calculate(self, task: Task, stop: Event) -> None:
        """Compute and write the price in the trace that asked for it."""
        started = time.monotonic()
        with resume_context(task.headers), tracer.start_as_current_span("calculate price") as span:
            DURATION.record(task.waited_seconds, {"phase": "waiting"})
            try:
                price_cents = _wait(self._processes.submit(self._job(task)), stop)
            except Exception as error:  # noqa: BLE001 - whatever it is, the task must not hang
                kind = (
                    "ProcessDied" if isinstance(error, BrokenProcessPool) else type(error).__name__
                )
                span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR, kind)
                CALCULATIONS.add(1, {"outcome": "error", "error.type": kind})
                self._failed(task, error)
            else:
                if price_cents is None:  # told to stop
                    self._put_back(task, seconds=0)
                    return
                self._finish(task, price_cents)
                self._storage.over()
                CALCULATIONS.add(1, {"outcome": "ok"})
            DURATION.record(time.monotonic() - started, {"phase": "computing"})

    def _failed(self, task: Task, error: Exception) -> None:
        """Try again what may pass by itself; tell the customer of the rest."""
        if isinstance(error, pricing.CannotPrice):
            self._finish(task, None, str(error))
        elif isinstance(error, pricing.ModelUnavailable):
            self._storage.failed(error)
            self._put_back(task, seconds=_RETRY_SECONDS)
        elif isinstance(error, BrokenProcessPool) and tasks.may_die_again(task):
            log.warning("price task %s: its process died", task.task_id)
            self._put_back(task, seconds=0, died=True)
        else:
            log.error("price task %s failed", task.task_id, exc_info=error)
            self._finish(task, None, "The price cannot be calculated. Ask sales.")

    def _finish(self, task: Task, price_cents: int | None, failure: str = "") -> None:
        """Write how *task* ended; the first answer of an order ends its customer's wait."""
        with self._pool.connection() as database:
            placed_at = tasks.finish(database, task, price_cents, failure)
        if placed_at is not None:
            outcome = "failed" if price_cents is None else "priced"
            ORDER_DURATION.record(seconds_since(placed_at), {"outcome": outcome})

    def _put_back(self, task: Task, *, seconds: float, died: bool = False) -> None:
        with self._pool.connection() as database:
            tasks.put_back(database, task, seconds=seconds, died=died)

    def _job(self, task: Task) -> pricing.Job:
        return pricing.Job(
            endpoint_url=self._settings.s3_endpoint_url,
            bucket=self._settings.s3_bucket,
            model_key=task.model_key,
            model_format=task.model_format,
            material=task.material,
            quantity=task.quantity,
            trace=capture_context(),
        )


def _expect_calculations() -> None:
    """Have every known end counted from 0 on, so that the first failure is seen as a rise."""
    CALCULATIONS.add(0, {"outcome": "ok"})
    for kind in catalogue.PRICING_ERRORS:
        CALCULATIONS.add(0, {"outcome": "error", "error.type": kind})


def _wait(future: Future[int], stop: Event) -> int | None:
    """Return the price, or None if *stop* came first."""
    while not stop.is_set():
        try:
            return future.result(timeout=0.2)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
    future.cancel()
    return None
