# SPDX-License-Identifier: Apache-2.0
"""Tell what is in force in this process: settings, ways out, instrumentations, problems."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from otel_setup._file import KEPT
from otel_setup._status import Instrumentation, State, Status, status
from otel_setup.settings import VARIABLES, Settings

_SIGNALS = ("traces", "metrics", "logs")
#: Beginnings of variables that count beside a declarative file.
_KEPT = ("OTEL_SETUP_", "OTEL_PYTHON_")
_SECRET = ("HEADERS", "TOKEN", "PASSWORD", "SECRET", "API_KEY", "USER_KEY", "CREDENTIAL")


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One variable with the value in force, a secret hidden.

    ``source`` is default, environment, argument, repaired or file.
    """

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Export:
    """One way out of the process: what *exporter* sends of *signal*, and where to."""

    signal: str
    exporter: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What `otel_setup.Handle.report` returns; as text it is a table.

    ``problems`` are sentences that say what is wrong and what to do about it.
    """

    enabled: bool
    service: str
    instance_id: str
    settings: tuple[Setting, ...]
    exports: tuple[Export, ...]
    instrumentations: tuple[Instrumentation, ...]
    repairs: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        state = "on" if self.enabled else "off, OTEL_SDK_DISABLED is true"
        lines = [f"telemetry of {self.service or 'unknown_service'}: {state}"]
        lines += [f"instance  {self.instance_id}"] if self.instance_id else []
        lines += _part("settings", ((each.name, each.value, each.source) for each in self.settings))
        lines += _part("exports", ((each.signal, each.exporter, each.to) for each in self.exports))
        lines += _part("instrumentations", map(_row, self.instrumentations))
        lines += _part("repaired", ((line,) for line in self.repairs))
        lines += _part("problems", ((line,) for line in self.problems))
        return "\n".join(lines)


def report() -> Report:
    """Return what is in force in this process."""
    from opentelemetry import trace  # noqa: PLC0415 - whoever only wants the types goes without

    from otel_setup._installed import instrumentations  # noqa: PLC0415 - reads many files

    given = status.given if status.distro else dict(os.environ)
    settings = Settings.from_env(given)
    found = [status.seen(each) for each in instrumentations(given)]
    resource = getattr(getattr(trace.get_tracer_provider(), "resource", None), "attributes", {})
    return Report(
        enabled=not settings.disabled,
        service=str(resource.get("service.name", settings.service_name or "")),
        instance_id=str(resource.get("service.instance.id", "")),
        settings=tuple(in_force(settings, given, status)),
        exports=() if settings.disabled else tuple(exports(settings, given)),
        instrumentations=() if settings.disabled else tuple(found),
        repairs=tuple(status.repairs),
        problems=tuple(status.problems),
    )


def in_force(settings: Settings, given: Mapping[str, str], by: Status) -> Iterator[Setting]:
    """Yield each variable that has a value in *settings*, made of the *given* ones."""
    known = {variable.name: variable for variable in VARIABLES}
    # What the SDK reads beside ours, such as OTEL_TRACES_SAMPLER.
    more = sorted(name for name in given if name.startswith("OTEL_") and name not in known)
    for name in (*known, *more):
        value = settings.environment.get(name, given.get(name, ""))
        if not value:
            continue
        asked = given.get(name, "").strip()
        if settings.config_file and not (name in KEPT or name.startswith(_KEPT)):
            yield Setting(name, "", "file")
            continue
        if asked and asked != value and name == "OTEL_EXPORTER_OTLP_ENDPOINT":
            source = "repaired"
        elif name in by.arguments:
            source = "argument"
        else:
            source = "environment" if asked else "default"
        secret = (name in known and known[name].secret) or any(part in name for part in _SECRET)
        yield Setting(name, "<hidden>" if secret else without_password(value), source)


def exports(settings: Settings, given: Mapping[str, str]) -> Iterator[Export]:
    """Yield each way out that *settings* ask for."""
    if settings.config_file:
        yield Export("all", "file", settings.config_file)
        return
    names = (settings.traces_exporters, settings.metrics_exporters, settings.logs_exporters)
    for signal, exporters in zip(_SIGNALS, names, strict=True):
        for exporter in exporters:
            if exporter == "otlp":
                to = without_password(endpoint(settings, given, signal))
            elif exporter == "prometheus":
                to = f"http://{settings.prometheus_host}:{settings.prometheus_port}/metrics"
            else:
                to = "standard output"
            yield Export(signal, exporter, to)


def endpoint(settings: Settings, given: Mapping[str, str], signal: str) -> str:
    """Return the address that OTLP of *signal* goes to."""
    own = given.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    if own or settings.protocol == "grpc":
        return own or settings.endpoint
    return f"{settings.endpoint.removesuffix('/')}/v1/{signal}"


def without_password(text: str) -> str:
    """Return *text* without what stands before the @ of an address."""
    if "@" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "***@" + text.rsplit("@", 1)[-1]
    if not parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rsplit("@", 1)[-1]))


def _row(each: Instrumentation) -> tuple[str, ...]:
    library = f"{each.library} {each.found}".strip()
    why = "" if each.state is State.INSTRUMENTED else each.reason
    return each.name, library, str(each.state), why


def _part(title: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the *rows* as a table under *title*; nothing for none."""
    listed = list(rows)
    if not listed:
        return []
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in listed
    )
    return ["", title, *(f"  {line}" for line in lines)]
