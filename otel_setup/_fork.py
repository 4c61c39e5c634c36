# SPDX-License-Identifier: Apache-2.0
"""
Give a forked child telemetry of its own.

A child is born with its parent's counts, locks that a thread held which the child does not
have, and connections that the parent goes on to use. The SDK makes threads and queues anew,
and leaves the rest: a child would report the parent's requests as its own, under a name that
the user did not choose, or hang. The SDK has no public way to start again, so this module
reaches into it; the versions that it knows are pinned, and what it does not find it leaves.
"""

# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import _internal as metrics_api
from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

_logger = logging.getLogger("otel_setup")


def identified(resource: Resource) -> Resource:
    """Give *resource* an id of this process: what the user chose must not name two of them."""
    given = _given_id(resource)
    if given is None or not _is_started_by_its_own_program():
        return resource
    return resource.merge(Resource({SERVICE_INSTANCE_ID: f"{given}-{os.getpid()}"}))


def _given_id(resource: Resource) -> str | None:
    """Return the instance id of *resource* unless the SDK made it up."""
    made_up = resources.ServiceInstanceIdResourceDetector().detect().attributes
    chosen = resource.attributes.get(SERVICE_INSTANCE_ID)
    return None if chosen in {None, made_up[SERVICE_INSTANCE_ID]} else str(chosen)


def _is_started_by_its_own_program() -> bool:
    """Tell whether multiprocessing or Werkzeug's reloader started this interpreter."""
    return (
        "--multiprocessing-fork" in sys.orig_argv
        or any(part.startswith("from multiprocessing.forkserver") for part in sys.orig_argv)
        or os.environ.get("WERKZEUG_RUN_MAIN") == "true"
    )


class Renewal:
    """
    Starts the providers afresh in each forked child.

    Hooks run in the order in which they were registered, and those of the SDK start threads:
    make a `Renewal` before the SDK's objects, and name the finished ones with `of`.
    """

    def __init__(self) -> None:
        self._tracers: TracerProvider | None = None
        self._meters: MeterProvider | None = None
        self._loggers: LoggerProvider | None = None
        self._given: str | None = None
        # What is replaced stays alive: its end would use locks and sockets of the parent.
        self._left: list[object] = []
        os.register_at_fork(after_in_child=self._before_the_sdk)

    def of(self, tracers: TracerProvider, meters: MeterProvider, loggers: LoggerProvider) -> None:
        """Name the providers, once they have their processors and readers."""
        self._tracers, self._meters, self._loggers = tracers, meters, loggers
        given = _given_id(tracers.resource)
        suffix = f"-{os.getpid()}"
        self._given = given.removesuffix(suffix) if given else None
        os.register_at_fork(after_in_child=self._after_the_sdk)

    def _before_the_sdk(self) -> None:
        if self._meters is None:
            return
        resources._service_instance_id_lock = threading.Lock()
        with _told("metrics"):
            _renew_meters(self._meters)
        for exporter in self._exporters():
            with _told("an exporter"):
                self._left.extend(_renew_exporter(exporter))

    def _after_the_sdk(self) -> None:
        with _told("queue sizes"):
            for processor in self._processors():
                _repeat_capacity(processor)
        if self._given is None:
            return  # the SDK made up a new one, the same for all three
        own = Resource({SERVICE_INSTANCE_ID: f"{self._given}-{os.getpid()}"})
        for provider in (self._tracers, self._meters, self._loggers):
            with _told("the instance id"):
                provider._update_resource(own)  # type: ignore[union-attr]

    def _processors(self) -> list[Any]:
        return [*_processors(self._tracers), *_processors(self._loggers)]

    def _exporters(self) -> Iterator[Any]:
        for processor in self._processors():
            yield innermost(getattr(processor, "_batch_processor", processor))
        for reader in readers(self._meters):
            yield innermost(reader)


def waiting(provider: TracerProvider | LoggerProvider) -> int:
    """Return how many spans or log records wait in the queues of *provider*."""
    batches = [getattr(each, "_batch_processor", None) for each in _processors(provider)]
    return sum(len(getattr(batch, "_queue", ())) for batch in batches)


def _processors(provider: TracerProvider | LoggerProvider | None) -> list[Any]:
    spans = getattr(provider, "_active_span_processor", None)
    logs = getattr(provider, "_multi_log_record_processor", None)
    return [*getattr(spans, "_span_processors", ()), *getattr(logs, "_log_record_processors", ())]


def innermost(holder: Any) -> Any:
    """Return the exporter behind *holder* and all that is wrapped around it."""
    while True:
        for name in ("inner", "_inner", "_exporter", "_wrapped"):
            if (held := getattr(holder, name, None)) is not None:
                holder = held
                break
        else:
            return holder


def readers(meters: MeterProvider | None) -> list[Any]:
    """Return the readers of *meters*; the SDK has no public way to them."""
    consumer = getattr(meters, "_measurement_consumer", None)
    return list(getattr(consumer, "_reader_storages", ()))


def _renew_meters(meters: MeterProvider) -> None:
    """Forget all values; instruments, observed ones as well, stay as they are."""
    consumer: Any = meters._measurement_consumer
    consumer._lock = threading.Lock()
    consumer._reader_storages = {
        reader: type(storage)(
            storage._sdk_config,
            storage._instrument_class_temporality,
            storage._instrument_class_aggregation,
        )
        for reader, storage in consumer._reader_storages.items()
    }
    for reader in consumer._reader_storages:
        if hasattr(reader, "_export_lock"):
            reader._export_lock = threading.Lock()
            reader._shutdown_event = threading.Event()
    proxies = metrics_api._PROXY_METER_PROVIDER._meters
    for meter in (*meters._meters.values(), *proxies):
        for name in ("_instrument_registration_lock", "_instrument_ids_lock", "_lock"):
            if hasattr(meter, name):
                setattr(meter, name, threading.Lock())


def _repeat_capacity(processor: Any) -> None:
    """Tell the size of a queue once more: the SDK does so only when it makes one."""
    batch: Any = getattr(processor, "_batch_processor", None)
    told: Any = getattr(batch, "_metrics", None)
    if hasattr(told, "_queue_capacity"):
        told._queue_capacity.add(batch._max_queue_size, told._standard_attrs)


def _renew_exporter(exporter: Any) -> Iterator[object]:
    """Give an OTLP exporter a connection of its own; yield what must stay alive."""
    if hasattr(exporter, "_initialize_channel_and_stub"):
        yield (exporter._channel, exporter._client)
        exporter._shutdown_in_progress = threading.Event()
        exporter._initialize_channel_and_stub()
        return
    client: Any = getattr(exporter, "_client", None)
    if hasattr(client, "_shutdown_event"):
        client._shutdown_event = threading.Event()
    session = getattr(getattr(client, "_transport", None), "_session", None)
    if session is None:
        return
    session.cookies._cookies_lock = threading.RLock()
    for adapter in session.adapters.values():
        managers = [adapter.poolmanager, *adapter.proxy_manager.values()]
        yield managers
        for manager in managers:
            # Its finalizer empties this queue when the process ends, and would wait for its lock.
            for pool in manager.pools._container.values():
                queue.LifoQueue.__init__(pool.pool, pool.pool.maxsize)
        adapter.proxy_manager = {}
        # As HTTPAdapter itself does after unpickling.
        adapter.init_poolmanager(
            adapter._pool_connections,
            adapter._pool_maxsize,
            block=adapter._pool_block,
        )


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Run the block; a failure is logged, since a child with odd telemetry is still a child."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the SDK changed, or a user's exporter is unlike others
        _logger.warning(
            "telemetry of this forked process may repeat its parent's: %s could not be "
            "renewed (%s: %s).",
            what,
            type(error).__name__,
            error,
        )
