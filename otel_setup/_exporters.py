# SPDX-License-Identifier: Apache-2.0
"""
Make the exporters that `Settings` name.

Exporters come from entry points, as with every distribution of OpenTelemetry. One that is
missing or cannot start is a problem that is told at start, with the command or variable that
mends it.
"""

from __future__ import annotations

import logging
import os
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from otel_setup import _workers
from otel_setup.settings import ConfigError

if TYPE_CHECKING:
    from otel_setup.settings import Settings

_logger = logging.getLogger("otel_setup")

#: The entry point that serves each exporter name, by protocol for OTLP.
_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_GROUPS = {
    "traces": "opentelemetry_traces_exporter",
    "metrics": "opentelemetry_metrics_exporter",
    "logs": "opentelemetry_logs_exporter",
}


def load(settings: Settings) -> dict[str, list[Any]]:
    """
    Make the exporters of each signal: traces, metrics, logs.

    Raises:
        ConfigError: some could not be made; those that could are ended again.
    """
    problems: list[str] = []
    made = {
        "traces": _all(settings, "traces", settings.traces_exporters, problems),
        "metrics": _all(settings, "metrics", settings.metrics_exporters, problems),
        "logs": _all(settings, "logs", settings.logs_exporters, problems),
    }
    if problems:
        for exporters in made.values():
            for exporter in exporters:
                exporter.shutdown()
        raise ConfigError(problems)
    return made


def one(settings: Settings, signal: str, session: object) -> Any:
    """
    Make the OTLP exporter of *signal*, which sends through *session* if it takes one.

    Raises:
        ConfigError: it is not installed, or cannot start.
    """
    entry = _entry_point(settings, signal, "otlp")
    arguments = _arguments(entry)
    if "session" in arguments:
        arguments["session"] = session
    try:
        return entry.load()(**arguments)
    except ImportError as error:
        raise ConfigError([_not_installed(signal, "otlp", str(error))]) from error


def _all(settings: Settings, signal: str, names: tuple[str, ...], problems: list[str]) -> list[Any]:
    """Make the exporters *names* of *signal*; what fails is added to *problems*."""
    made = []
    for name in names:
        try:
            made.append(_make(settings, signal, name))
        except ConfigError as error:
            taken = name == "prometheus" and isinstance(error.__cause__, OSError)
            if taken and _workers.is_spawned() and not settings.strict:
                line = _workers.refusal_line("another process of this app has its port")
                _logger.error("%s", line)  # noqa: TRY400 - a stack trace says nothing more
            else:
                problems.extend(error.problems)
    return made


def _make(settings: Settings, signal: str, name: str) -> object:
    entry = None if name == "prometheus" else _entry_point(settings, signal, name)
    try:
        if entry is None:
            return _page(settings)
        # First, since gRPC reads what is set there when it is imported.
        arguments = _arguments(entry)
        return entry.load()(**arguments)
    except ImportError as error:
        raise ConfigError([_not_installed(signal, name, str(error))]) from error
    except OSError as error:
        line = (
            f"OTEL_EXPORTER_PROMETHEUS_PORT={settings.prometheus_port}: cannot serve /metrics "
            f"on {settings.prometheus_host} ({error.strerror}). Choose a free port. Of an "
            "app with several workers only one could have it: use OTEL_METRICS_EXPORTER=otlp."
        )
        raise ConfigError([line]) from error
    except Exception as error:
        line = (
            f"OTEL_{signal.upper()}_EXPORTER={name!r}: it cannot start "
            f"({type(error).__name__}: {error}). Check the variables of the exporter."
        )
        raise ConfigError([line]) from error


def _page(settings: Settings) -> object:
    from otel_setup._prometheus import PageReader  # noqa: PLC0415 - an extra

    return PageReader(settings.prometheus_host, settings.prometheus_port, strict=settings.strict)


def _arguments(entry: EntryPoint) -> dict[str, object]:
    """Give an OTLP/HTTP exporter a session, unless the user named a provider of sessions."""
    if entry.name == _OTLP["grpc"]:
        # What gRPC documents as its default; without it each failed handshake is a line.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if entry.name != _OTLP["http/protobuf"] or _has_provider_of_sessions():
        return {}
    from otel_setup._session import Session  # noqa: PLC0415 - requests comes with that exporter

    return {"session": Session()}


def _has_provider_of_sessions() -> bool:
    return any(name.startswith("OTEL_PYTHON_EXPORTER_OTLP_HTTP_") for name in os.environ)


def equip(exporter: object) -> None:
    """Give an OTLP/HTTP exporter that was made elsewhere the same session as ours have."""
    over_http = hasattr(exporter, "_client") and not hasattr(exporter, "_channel")
    if over_http and not _has_provider_of_sessions():
        from otel_setup import _session  # noqa: PLC0415 - requests comes with that exporter

        _session.equip(exporter)


def _entry_point(settings: Settings, signal: str, name: str) -> EntryPoint:
    wanted = _OTLP[settings.protocol] if name == "otlp" else name
    for entry in entry_points(group=_GROUPS[signal], name=wanted):
        return entry
    raise ConfigError([_not_installed(signal, name, f"no exporter {wanted!r}")])


def _not_installed(signal: str, name: str, detail: str) -> str:
    extra = {"prometheus": "[prometheus]", "otlp": "[grpc]"}.get(name, "")
    return (
        f"OTEL_{signal.upper()}_EXPORTER={name!r}: its package is not installed ({detail}). "
        f"Install it with: pip install 'otel-setup{extra}'"
    )
