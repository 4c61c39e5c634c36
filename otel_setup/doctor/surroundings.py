# SPDX-License-Identifier: Apache-2.0
"""What is wrong with what is installed and set, seen without sending or patching anything."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points

from otel_setup import _checks, _file, _installed, _workers
from otel_setup._checks import Problem
from otel_setup._status import Instrumentation, State
from otel_setup.doctor.findings import Finding, failure, ok, warning
from otel_setup.settings import VARIABLES, ConfigError, Settings

#: Library → the extra that brings its instrumentation.
_RECOMMENDED = {
    "boto3": "s3",
    "httpx": "http-client",
    "requests": "http-client",
}
#: Entry points that instrument a library of `_RECOMMENDED` under another name.
_NAMES = {"boto3": "botocore"}
_GROUPS = ("traces", "metrics", "logs")
_LAUNCHER = "opentelemetry-instrument"


def look(
    settings: Settings,
    given: Mapping[str, str],
    instrumentations: list[Instrumentation],
    command: Sequence[str],
) -> Iterator[Finding]:
    """Yield what is found; *command* is what starts the application, empty when not known."""
    yield from distro(given)
    yield from file(settings, given)
    yield from exporters(settings)
    yield from libraries(instrumentations)
    yield from doubles(settings, given, instrumentations)
    yield from workers(settings, given, command)
    yield from misspelt(given)
    if command and not _launches(command):
        yield warning(
            "start",
            shlex.join(command),
            f"the command does not begin with {_LAUNCHER}",
            "Begin it so, unless the program calls otel_setup.setup() or imports otel_setup.auto.",
        )


def distro(given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield which distro and configurator the launcher takes."""
    for part in ("distro", "configurator"):
        about = f"OTEL_PYTHON_{part.upper()}"
        if problem := _checks.choice(part, given) or _checks.luck(part, given):
            yield _wrong(part, about, problem)
        else:
            yield ok(part, part, f"otel_setup is taken, {_installed.choice(part, given).why}")


def file(settings: Settings, given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether the declarative file can be used."""
    if not settings.config_file:
        return
    about = f"OTEL_CONFIG_FILE={settings.config_file!r}"
    try:
        read = _file.read(settings.config_file)
    except _file.Disabled:
        yield failure("disabled", about, "it says disabled: true", "Take that out of the file.")
    except ConfigError as error:
        for problem in error.problems:
            seen, _, fix = problem.partition(". ")
            yield failure("file", about, seen, fix)
    else:
        yield ok("file", about, "it follows the rules")
        if names := _file.unread(read, given):
            yield warning(
                "file",
                about,
                f"with a file these variables are not read: {', '.join(names)}",
                "Say it in the file, or unset them.",
            )


def exporters(settings: Settings) -> Iterator[Finding]:
    """Yield whether the exporters are installed that *settings* name."""
    if settings.config_file:
        return
    asked = (settings.traces_exporters, settings.metrics_exporters, settings.logs_exporters)
    for signal, names in zip(_GROUPS, asked, strict=True):
        for name in names:
            variable = f"OTEL_{signal.upper()}_EXPORTER"
            entry = name
            if name == "otlp":
                entry = f"otlp_proto_{settings.protocol.partition('/')[0]}"
            found = [*entry_points(group=f"opentelemetry_{signal}_exporter", name=entry)]
            extra = {"otlp_proto_grpc": "[grpc]", "prometheus": "[prometheus]"}.get(entry, "")
            if not found:
                yield failure(
                    "exporter",
                    f"{variable}={name!r}",
                    f"its package is not installed (no exporter {entry!r})",
                    f"Install it with: pip install 'otel-setup{extra}'",
                )
            else:
                yield ok("exporter", f"{variable}={name!r}", _installed.packaged(found[0]))


def libraries(instrumentations: list[Instrumentation]) -> Iterator[Finding]:
    """Yield libraries that nobody patches, though somebody may expect it."""
    for problem in _checks.unsupported(instrumentations):
        yield _wrong("library", problem.seen.partition(" is ")[0], problem)
    there = {each.name for each in instrumentations}
    for library, extra in _RECOMMENDED.items():
        if _installed.version(library) and _NAMES.get(library, library) not in there:
            yield warning(
                "library",
                f"{library} {_installed.version(library)}",
                f"{library} is installed but not instrumented",
                f"Install it with: pip install 'otel-setup[{extra}]'",
            )


def doubles(
    settings: Settings, given: Mapping[str, str], instrumentations: list[Instrumentation]
) -> Iterator[Finding]:
    """Yield what makes the same data leave twice."""
    if problem := _checks.fastapi_exports_too(given):
        yield _wrong("double", "FASTAPI_OTEL_AUTO_CONFIGURE", problem)
    if {"otlp", "prometheus"} <= set(settings.metrics_exporters):
        yield warning(
            "double",
            "OTEL_METRICS_EXPORTER",
            "metrics are pushed by OTLP and offered on /metrics: a Prometheus that gets both "
            "counts everything twice",
            "Keep otlp or prometheus.",
        )
    host = next((each for each in instrumentations if each.name == "system_metrics"), None)
    if host and not _checks.choice("distro", given):
        yield ok("double", host.package, f"passed over: {host.reason}")
    elif host:
        yield warning(
            "double",
            host.package,
            "each process repeats the metrics of the whole host",
            f"Uninstall {host.package}; otel_setup measures the process, an exporter the host.",
        )


def workers(
    settings: Settings, given: Mapping[str, str], command: Sequence[str]
) -> Iterator[Finding]:
    """Yield that several workers cannot share one /metrics page."""
    if "prometheus" not in settings.metrics_exporters:
        return
    words = list(command)
    if words and words[0].rpartition("/")[2] == _LAUNCHER:
        words.pop(0)
    program = words[0].rpartition("/")[2] if words else ""
    if words and not program.startswith("python"):
        words = ["python", *words]
    # Without a command, what a variable says to any server.
    for candidate in [words] if words else [["python", "gunicorn"], ["python", "uvicorn"]]:
        server = _workers.server(candidate, given)
        if server and server.workers > 1:
            yield failure(
                "workers",
                "OTEL_METRICS_EXPORTER='prometheus'",
                f"{server.name} starts {server.workers} workers ({server.said_by}), and each "
                "scrape would see another of them",
                "Set OTEL_METRICS_EXPORTER=otlp and let Prometheus read the Collector, or start "
                "one worker.",
            )
            return


def misspelt(given: Mapping[str, str]) -> Iterator[Finding]:
    """Yield variables that nobody reads because of a slip."""
    known = _known()
    for name in sorted(given):
        if name in known or not name.startswith("OTEL_"):
            continue
        close = difflib.get_close_matches(name, known, 1, 0.9)
        if close:
            yield warning("variable", name, "nobody reads it", f"Did you mean {close[0]}?")
        elif name.startswith("OTEL_SETUP_"):
            ours = ", ".join(each for each in known if each.startswith("OTEL_SETUP_"))
            yield warning("variable", name, "nobody reads it", f"There are {ours}.")


def _known() -> list[str]:
    """Return the variables of this package, of the API, the SDK and the launcher."""
    from opentelemetry import environment_variables as api  # noqa: PLC0415 - not for the types
    from opentelemetry.instrumentation import environment_variables as launcher  # noqa: PLC0415
    from opentelemetry.sdk import environment_variables as sdk  # noqa: PLC0415

    names = {variable.name for variable in VARIABLES}
    for module in (api, launcher, sdk):
        names |= {name for name in dir(module) if name.startswith("OTEL_")}
    return sorted(names)


def _launches(command: Sequence[str]) -> bool:
    return command[0].rpartition("/")[2] == _LAUNCHER


def _wrong(check: str, about: str, problem: Problem) -> Finding:
    return failure(check, about, problem.seen, problem.fix)


def wanted(instrumentations: list[Instrumentation]) -> list[Instrumentation]:
    """Return those whose library is there."""
    return [each for each in instrumentations if each.state is not State.NOT_INSTALLED]
