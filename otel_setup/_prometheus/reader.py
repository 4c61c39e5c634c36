# SPDX-License-Identifier: Apache-2.0
"""The reader that serves what this process measures as a page for Prometheus."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from http import HTTPStatus
from typing import Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, set_value
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

from otel_setup import _workers
from otel_setup._guard import warn_sometimes
from otel_setup._prometheus.exposition import Wanted, write
from otel_setup._prometheus.families import Translator
from otel_setup._prometheus.server import Server

_logger = logging.getLogger("otel_setup")

#: Seconds that one scrape waits for another, and that the application's callbacks may take.
_WAIT = 10.0
#: Seconds between two attempts of a new worker to have the port of the one before.
_RETRY = 0.5
#: Gunicorn stops when a worker ends so while it starts.
_BOOT_ERROR = 3


class PageReader(MetricReader):
    """
    Serves /metrics on *host* and *port* from now on, for this process.

    A forked child has no page; under gunicorn the page goes to the worker when there is one,
    and nowhere when there are several. With *strict* gunicorn does not start then.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(self, host: str, port: int, *, strict: bool = False) -> None:
        super().__init__()
        self._address = (host, port)
        self._strict = strict
        self._ended = False
        #: Rises with each fork that takes the page away: a thread that is late has no turn.
        self._turn = 0
        self._turns = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._collected: MetricsData | None = None
        self._translator = Translator()
        self._server: Server | None = Server(host, port, self.answer)
        _follow_forks(self)

    @property
    def port(self) -> int | None:
        """The port of the page; None while there is none."""
        return self._server.port if self._server else None

    def answer(self, wanted: Wanted) -> tuple[HTTPStatus, dict[str, str], bytes]:
        """Return the page; what goes wrong is said in it, and in the log once a minute."""
        if not self._one_at_a_time.acquire(timeout=_WAIT):
            return _trouble("another scrape is still waiting for the application's callbacks")
        # Callbacks may ask a database, which is no work of the service.
        token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
        try:
            self.collect(timeout_millis=_WAIT * 1000)
            families = self._translator.families(
                self._collected or MetricsData([]), openmetrics=wanted.openmetrics
            )
            headers, body = write(families, wanted)
        except Exception as error:  # noqa: BLE001 - a scrape never hurts the application
            fault = f"{type(error).__name__}: {error}"
            warn_sometimes("the /metrics page", f"the /metrics page cannot be made ({fault}).")
            return _trouble(fault)
        else:
            return HTTPStatus.OK, headers, body
        finally:
            self._collected = None
            detach(token)
            self._one_at_a_time.release()

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_kwargs: Any
    ) -> None:
        del timeout_millis
        self._collected = metrics_data

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Do nothing: Prometheus comes by itself, and would miss exemplars that are read here."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_kwargs: Any) -> None:
        """End the page."""
        del timeout_millis
        self._ended = True
        self._free()

    def _free(self) -> None:
        with self._turns:
            self._turn += 1
            server, self._server = self._server, None
        if server is not None:
            server.end()

    def before_fork(self) -> None:
        """Free the port for the worker that is about to be forked."""
        if self._ended or not _workers.is_server_forking():
            return
        self._free()
        if (workers := _workers.forked_workers()) > 1:
            self._ended = True
            _logger.error("%s", _workers.refusal_line(f"gunicorn starts {workers} workers"))

    def after_fork(self) -> None:
        """Serve in the new worker; in any other child leave all to the parent."""
        server, self._server = self._server, None
        if server is not None:
            server.leave()
        # A thread of the parent may have had the locks, and its exemplars are of its requests.
        self._turns = threading.Lock()
        self._one_at_a_time = threading.Lock()
        self._translator = Translator()
        if not _workers.is_server_forking():
            self._ended = True
        elif not self._ended:
            threading.Thread(
                target=self._take_over,
                args=(self._turn,),
                name="otel_setup_metrics_page",
                daemon=True,
            ).start()
        elif self._strict and _workers.is_first_worker():
            os._exit(_BOOT_ERROR)

    def _take_over(self, turn: int) -> None:
        """Have the port as soon as the worker before gives it up."""
        said = False
        while True:
            with self._turns:
                if self._ended or self._turn != turn:
                    return
                try:
                    self._server = Server(*self._address, self.answer)
                except OSError as error:
                    fault = error.strerror
                else:
                    return
            if not said:
                said = True
                _logger.warning(
                    "OTEL_EXPORTER_PROMETHEUS_PORT=%s: this worker waits for the port (%s).",
                    self._address[1],
                    fault,
                )
            time.sleep(_RETRY)


def _trouble(fault: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return HTTPStatus.SERVICE_UNAVAILABLE, headers, f"{fault}\n".encode("utf-8", "replace")


def _follow_forks(reader: PageReader) -> None:
    """Tell *reader* of forks for as long as it lives."""
    known = weakref.ref(reader)

    def before() -> None:
        if (living := known()) is not None:
            living.before_fork()

    def after() -> None:
        if (living := known()) is not None:
            living.after_fork()

    os.register_at_fork(before=before, after_in_child=after)
