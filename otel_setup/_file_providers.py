# SPDX-License-Identifier: Apache-2.0
"""
Build the providers that a file describes, with what all providers of ours have.

The SDK builds them from the file. It does so by names in its own modules, for which others
stand while it works: exporters are outfitted, the /metrics page is ours, no provider ends
itself, and the views of the catalogue join those of the file.
"""

# ruff: noqa: SLF001 - what the SDK makes of a file cannot be changed by public means

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from types import ModuleType
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    Resource,
    ServiceInstanceIdResourceDetector,
)
from opentelemetry.sdk.trace import TracerProvider

from otel_setup import _file, _limits, _workers
from otel_setup._fork import identified
from otel_setup.settings import ConfigError

if TYPE_CHECKING:
    from otel_setup._file import File

_logger = logging.getLogger("otel_setup")

#: Wraps an exporter of a signal.
Outfit = Callable[[str, Any], Any]

Providers = tuple[MeterProvider, TracerProvider, LoggerProvider]


def build(
    file: File,
    outfit: Outfit,
    clean: Callable[[Resource], Resource],
    *,
    strict: bool,
    raising: bool,
) -> Providers:
    """
    Return the providers of *file*, their exporters wrapped by *outfit*, of a *clean* resource.

    With *raising*, a /metrics page that this process cannot have is an error.

    Raises:
        ConfigError: something of it cannot be made; nothing is left running.
    """
    making = _Making(file, outfit, clean, strict, raising)
    try:
        return making.all()
    except ConfigError:
        making.undo()
        raise
    except Exception as error:
        making.undo()
        raise _file.problem(file.path, _cannot(error)) from error


def cardinality_limit(file: File, otherwise: int) -> int:
    """Return how many series an instrument may have: the least that *file* says."""
    readers = getattr(file.configuration.meter_provider, "readers", None) or ()
    said = [
        limits.default
        for each in readers
        if (limits := getattr(each.periodic or each.pull, "cardinality_limits", None)) is not None
        and limits.default
    ]
    return min(said, default=otherwise)


@dataclass
class _Making:
    file: File
    outfit: Outfit
    clean: Callable[[Resource], Resource]
    strict: bool
    raising: bool
    #: What runs already.
    made: list[Any] = field(default_factory=list)
    #: Places of the file that have no effect.
    ignored: list[str] = field(default_factory=list)

    def all(self) -> Providers:
        from opentelemetry.configuration import (  # noqa: PLC0415 - an extra
            _logger_provider,
            _meter_provider,
            _propagator,
            _resource,
            _sdk,
            _tracer_provider,
        )

        wanted = self.file.configuration
        self._look_at_readers()
        self._look_at_instrumentations()
        if wanted.log_level is not None:
            level = _sdk._SEVERITY_TO_LOGGING_LEVEL.get(wanted.log_level, logging.INFO)
            logging.getLogger("opentelemetry").setLevel(level)
        resource = self._own(self.clean(_resource.create_resource(wanted.resource)))
        with _standing(_meter_provider, self._for_meters(_meter_provider)):
            meters = _meter_provider.create_meter_provider(wanted.meter_provider, resource)
        with _standing(_tracer_provider, self._for_tracers(_tracer_provider, meters)):
            tracers = _tracer_provider.create_tracer_provider(
                wanted.tracer_provider, resource, wanted.attribute_limits
            )
        with _standing(_logger_provider, self._for_loggers(_logger_provider, meters)):
            loggers = _logger_provider.create_logger_provider(
                wanted.logger_provider, resource, wanted.attribute_limits
            )
        _propagator.configure_propagator(wanted.propagator)
        self._say()
        return meters, tracers, loggers

    def undo(self) -> None:
        """End what runs already."""
        for each in reversed(self.made):
            with contextlib.suppress(Exception):
                if isinstance(each, MetricReader):
                    # It reads once more at its end, and would say that there is nothing to read.
                    nothing: Any = lambda *_args, **_named: None  # noqa: E731 - of any type
                    each._set_collect_callback(nothing)
                each.shutdown()

    def _for_meters(self, module: ModuleType) -> dict[str, Any]:
        views = getattr(self.file.configuration.meter_provider, "views", None) or ()
        # An instrument that two views select is exported twice.
        selected = [each.selector.instrument_name or "*" for each in views]
        ours = [
            view
            for view in _limits.views()
            if not any(fnmatch.fnmatch(str(view._instrument_name), each) for each in selected)
        ]

        def provider(*, views: list[Any], **arguments: Any) -> MeterProvider:
            return MeterProvider(**arguments, views=[*views, *ours], shutdown_on_exit=False)

        return {
            "MeterProvider": provider,
            "PeriodicExportingMetricReader": self._kept(module.PeriodicExportingMetricReader),
            "_create_push_metric_exporter": self._outfitted(
                "metrics", module._create_push_metric_exporter
            ),
            "_create_prometheus_metric_reader": self._kept(self._page),
        }

    def _for_tracers(self, module: ModuleType, meters: MeterProvider) -> dict[str, Any]:
        def provider(**arguments: Any) -> TracerProvider:
            return TracerProvider(**arguments, shutdown_on_exit=False, meter_provider=meters)

        return {
            "TracerProvider": provider,
            "BatchSpanProcessor": self._kept(module.BatchSpanProcessor, meter_provider=meters),
            "_create_span_exporter": self._outfitted("traces", module._create_span_exporter),
        }

    def _for_loggers(self, module: ModuleType, meters: MeterProvider) -> dict[str, Any]:
        def provider(**arguments: Any) -> LoggerProvider:
            return LoggerProvider(**arguments, shutdown_on_exit=False, meter_provider=meters)

        return {
            "LoggerProvider": provider,
            "BatchLogRecordProcessor": self._kept(
                module.BatchLogRecordProcessor, meter_provider=meters
            ),
            "_create_log_record_exporter": self._outfitted(
                "logs", module._create_log_record_exporter
            ),
        }

    def _outfitted(self, signal: str, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda config: self.outfit(signal, make(config))

    def _kept(self, make: Callable[..., Any], **more: Any) -> Callable[..., Any]:
        def keep(*arguments: Any, **named: Any) -> Any:
            self.made.append(make(*arguments, **named, **more))
            return self.made[-1]

        return keep

    def _page(self, config: Any) -> Any:
        from otel_setup._prometheus import PageReader  # noqa: PLC0415 - an extra

        host, port = config.host or "127.0.0.1", config.port or 9464
        try:
            return PageReader(host, port, strict=self.strict)
        except OSError as error:
            rule = f"cannot serve /metrics on {host}:{port} ({error.strerror})"
            raise _file.problem(self.file.path, rule, "Choose a free port.") from error

    def _look_at_readers(self) -> None:
        """Leave out what this process cannot have, and note what has no effect."""
        provider: Any = self.file.configuration.meter_provider
        if provider is None:
            return
        kept = []
        for index, each in enumerate(provider.readers):
            kind = "periodic" if each.periodic is not None else "pull"
            reader: Any = each.periodic or each.pull
            place = f"meter_provider.readers[{index}].{kind}"
            self._note_limits(f"{place}.cardinality_limits", reader)
            page = getattr(each.pull, "exporter", None)
            page = getattr(page, "prometheus_development", None)
            if page is None:
                kept.append(each)
                continue
            self.ignored += [
                f"{place}.exporter.prometheus/development.{one.name}"
                for one in fields(page)
                if one.name not in {"host", "port"} and getattr(page, one.name) is not None
            ]
            if _workers.may_have_page(f"OTEL_CONFIG_FILE={self.file.path!r}", raising=self.raising):
                kept.append(each)
        provider.readers = kept

    def _note_limits(self, place: str, reader: Any) -> None:
        limits = reader.cardinality_limits
        if limits is not None:
            self.ignored += [
                f"{place}.{each.name}"
                for each in fields(limits)
                if each.name != "default" and getattr(limits, each.name) is not None
            ]
        # It is ours to honour; the SDK would say that it does not.
        reader.cardinality_limits = None

    def _look_at_instrumentations(self) -> None:
        """Leave out the instrumentations that the file switches off."""
        named: Any = getattr(self.file.configuration.instrumentation_development, "python", None)
        off = [name for name, options in (named or {}).items() if options.get("enabled") is False]
        variable = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
        if off:
            os.environ[variable] = ",".join(filter(None, [os.environ.get(variable, ""), *off]))
        self.ignored += [
            f"instrumentation/development.python.{name}.{option}"
            for name, options in (named or {}).items()
            for option in options
            if option != "enabled"
        ]

    def _own(self, resource: Resource) -> Resource:
        """Give *resource* an instance id that no other process has."""
        made_up = ServiceInstanceIdResourceDetector().detect()
        given = resource.attributes.get(SERVICE_INSTANCE_ID)
        if given is None:
            return resource.merge(made_up)
        if self.file.fixed_id:
            return resource.merge(
                Resource({SERVICE_INSTANCE_ID: f"{given}-{uuid.uuid4().hex[:8]}"})
            )
        return identified(resource)

    def _say(self) -> None:
        _file.say_what_is_unread(self.file)
        if self.ignored:
            _logger.warning(
                "OTEL_CONFIG_FILE=%r: these have no effect in Python: %s. Take them out.",
                self.file.path,
                ", ".join(self.ignored),
            )
        if self.file.configuration.propagator is None:
            _logger.warning(
                "OTEL_CONFIG_FILE=%r: it names no propagator, so every trace ends at the border "
                "of this process. Add: propagator: {composite: [{tracecontext: }, {baggage: }]}",
                self.file.path,
            )


def _cannot(error: Exception) -> str:
    return f"it cannot be carried out ({type(error).__name__}: {error})"


@contextlib.contextmanager
def _standing(module: ModuleType, others: dict[str, Any]) -> Iterator[None]:
    """Let *others* stand for names of *module* inside of the block."""
    before = {name: getattr(module, name) for name in others}
    try:
        for name, other in others.items():
            setattr(module, name, other)
        yield
    finally:
        for name, own in before.items():
            setattr(module, name, own)
