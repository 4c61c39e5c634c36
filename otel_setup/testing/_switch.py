# SPDX-License-Identifier: Apache-2.0
"""
Providers whose recording can be exchanged, for tests.

The API takes a provider once per process, and instruments and tracers that were made at
import bind to it for good. The ones of this module are what the API gets: they pass each
call on to the recording of the running test, and outside of tests to whatever provider the
process has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import _internal as logs_api
from opentelemetry.metrics import _internal as metrics_api
from opentelemetry.util._decorator import _agnosticcontextmanager

if TYPE_CHECKING:
    from otel_setup.testing._recording import Recording

T = TypeVar("T")


class _Now:
    """The recording of the running test; None between tests."""

    recording: Recording | None = None


class _Switched(Generic[T]):
    """One tracer, logger or instrument, made anew for each provider that it meets."""

    def __init__(self, provider: Callable[[], Any], make: Callable[[Any], T]) -> None:
        self._provider = provider
        self._make = make
        self._made: tuple[object, T] | None = None

    def live(self) -> T:
        provider = self._provider()
        if self._made is None or self._made[0] is not provider:
            self._made = (provider, self._make(provider))
        return self._made[1]


def _tracers() -> trace.TracerProvider:
    if _Now.recording is not None:
        return _Now.recording.tracers
    found = trace._TRACER_PROVIDER  # noqa: SLF001 - asking the API would install one
    return _NO_TRACERS if found is None or isinstance(found, TracerProvider) else found


def _meters() -> metrics.MeterProvider:
    if _Now.recording is not None:
        return _Now.recording.meters
    found = metrics_api._METER_PROVIDER  # noqa: SLF001
    return _NO_METERS if found is None or isinstance(found, MeterProvider) else found


def _loggers() -> _logs.LoggerProvider:
    if _Now.recording is not None:
        return _Now.recording.loggers
    found = logs_api._LOGGER_PROVIDER  # noqa: SLF001
    return _NO_LOGGERS if found is None or isinstance(found, LoggerProvider) else found


_NO_TRACERS, _NO_METERS = trace.NoOpTracerProvider(), metrics.NoOpMeterProvider()
_NO_LOGGERS = _logs.NoOpLoggerProvider()


class TracerProvider(trace.TracerProvider):
    """Gives tracers that follow the switch."""

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Return the tracer of a scope."""
        return _Tracer(_Switched(_tracers, lambda provider: provider.get_tracer(*args, **kwargs)))

    @property
    def resource(self) -> Any:
        """What the live provider describes."""
        return getattr(_tracers(), "resource", None)


class _Tracer(trace.Tracer):
    def __init__(self, switched: _Switched[trace.Tracer]) -> None:
        self._switched = switched

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        return self._switched.live().start_span(*args, **kwargs)

    # A context manager that also decorates: the tracer is looked up at each call.
    @_agnosticcontextmanager
    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Iterator[trace.Span]:
        with self._switched.live().start_as_current_span(*args, **kwargs) as span:
            yield span


class LoggerProvider(_logs.LoggerProvider):
    """Gives loggers that follow the switch."""

    def get_logger(self, name: str, *args: Any, **kwargs: Any) -> _logs.Logger:
        """Return the logger of a scope."""
        switched = _Switched(_loggers, lambda provider: provider.get_logger(name, *args, **kwargs))
        return _Logger(name, switched)


class _Logger(_logs.Logger):
    def __init__(self, name: str, switched: _Switched[_logs.Logger]) -> None:
        super().__init__(name)
        self._switched = switched

    def emit(self, *args: Any, **kwargs: Any) -> None:
        self._switched.live().emit(*args, **kwargs)

    def enabled(self, **kwargs: Any) -> bool:
        return self._switched.live().enabled(**kwargs)


class MeterProvider(metrics.MeterProvider):
    """Gives meters that follow the switch, and remembers what is observed between tests."""

    def __init__(self) -> None:
        self.observed: list[Callable[[metrics.MeterProvider], object]] = []

    def get_meter(
        self, name: str, version: str | None = None, *args: Any, **kwargs: Any
    ) -> metrics.Meter:
        """Return the meter of a scope."""
        return _Meter(
            self, name, lambda provider: provider.get_meter(name, version, *args, **kwargs)
        )


class _Sync(metrics.Counter, metrics.UpDownCounter, metrics.Histogram):
    """A counter or histogram, whatever it is asked to be."""

    def __init__(self, switched: _Switched[Any]) -> None:
        self._switched = switched

    def add(self, *args: Any, **kwargs: Any) -> None:
        self._switched.live().add(*args, **kwargs)

    def record(self, *args: Any, **kwargs: Any) -> None:
        self._switched.live().record(*args, **kwargs)


class _Gauge(metrics._Gauge):  # noqa: SLF001 - the API's name
    def __init__(self, switched: _Switched[Any]) -> None:
        self._switched = switched

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._switched.live().set(*args, **kwargs)


class _Observed(
    metrics.ObservableCounter, metrics.ObservableUpDownCounter, metrics.ObservableGauge
):
    """Nothing to call: the meter keeps the callbacks."""

    def __init__(self) -> None:
        """Take none."""


class _Meter(metrics.Meter):
    def __init__(
        self,
        provider: MeterProvider,
        name: str,
        live: Callable[[metrics.MeterProvider], metrics.Meter],
    ) -> None:
        super().__init__(name)
        self._provider = provider
        self._live = live

    def _sync(self, method: str, name: str, *args: Any, **kwargs: Any) -> Any:
        def make(provider: metrics.MeterProvider) -> Any:
            return getattr(self._live(provider), method)(name, *args, **kwargs)

        kind = _Gauge if method == "create_gauge" else _Sync
        return kind(_Switched(_meters, make))

    def _observed(self, method: str, name: str, *args: Any, **kwargs: Any) -> Any:
        def make(provider: metrics.MeterProvider) -> object:
            return getattr(self._live(provider), method)(name, *args, **kwargs)

        # One that a test observes ends with the test: its callback reads what the test made.
        if _Now.recording is None:
            self._provider.observed.append(make)
        make(_meters())
        return _Observed()

    def create_counter(self, *args: Any, **kwargs: Any) -> Any:
        return self._sync("create_counter", *args, **kwargs)

    def create_up_down_counter(self, *args: Any, **kwargs: Any) -> Any:
        return self._sync("create_up_down_counter", *args, **kwargs)

    def create_histogram(self, *args: Any, **kwargs: Any) -> Any:
        return self._sync("create_histogram", *args, **kwargs)

    def create_gauge(self, *args: Any, **kwargs: Any) -> Any:
        return self._sync("create_gauge", *args, **kwargs)

    def create_observable_counter(self, *args: Any, **kwargs: Any) -> Any:
        return self._observed("create_observable_counter", *args, **kwargs)

    def create_observable_up_down_counter(self, *args: Any, **kwargs: Any) -> Any:
        return self._observed("create_observable_up_down_counter", *args, **kwargs)

    def create_observable_gauge(self, *args: Any, **kwargs: Any) -> Any:
        return self._observed("create_observable_gauge", *args, **kwargs)


_TRACERS, _METERS, _LOGGERS = TracerProvider(), MeterProvider(), LoggerProvider()

#: Module of the API, name of its provider, name of its lock against a second one, and ours.
_GLOBALS: Sequence[tuple[Any, str, str, object]] = (
    (trace, "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE", _TRACERS),
    (metrics_api, "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE", _METERS),
    (logs_api, "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE", _LOGGERS),
)


@contextlib.contextmanager
def switched_to(recording: Recording) -> Iterator[None]:
    """Send all telemetry of the process to *recording* inside the block."""
    before = _Now.recording
    kept = [
        (module, name, getattr(module, name), getattr(module, once)._done)  # noqa: SLF001
        for module, name, once, _ours in _GLOBALS
    ]
    # Instruments that were made before any provider came; a second call re-binds them.
    proxies = metrics_api._PROXY_METER_PROVIDER  # noqa: SLF001
    if proxies._real_meter_provider is not _METERS:  # noqa: SLF001
        proxies.on_set_meter_provider(_METERS)
    try:
        for module, name, once, ours in _GLOBALS:
            setattr(module, name, ours)
            # A program that sets its own provider in a test gets the API's warning.
            getattr(module, once)._done = True  # noqa: SLF001
        for observe in _METERS.observed:
            observe(recording.meters)
        _Now.recording = recording
        yield
    finally:
        _Now.recording = before
        for (module, name, provider, done), (_m, _n, once, _ours) in zip(
            kept, _GLOBALS, strict=True
        ):
            setattr(module, name, provider)
            getattr(module, once)._done = done  # noqa: SLF001
