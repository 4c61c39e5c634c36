# SPDX-License-Identifier: Apache-2.0
"""Everything the doctor does, in order: what is set, what is installed, the way, the arrival."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from otel_setup import _installed
from otel_setup._report import Export, Setting, exports, in_force
from otel_setup._status import Instrumentation, Status
from otel_setup.doctor import app, connection, surroundings
from otel_setup.doctor.arrival import Places
from otel_setup.doctor.findings import Finding, Level, failure, ok, warning
from otel_setup.doctor.target import Target, targets
from otel_setup.settings import ConfigError, Settings

_PACKAGES = ("otel-setup", "opentelemetry-sdk", "opentelemetry-instrumentation")
_OWN_PAGE = "http://127.0.0.1:8888/metrics"
_LOCAL = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    send: bool = False
    places: Places = field(default_factory=Places)
    app: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """What was sent: the metric's value, the id of the trace, and how long all of it took."""

    nonce: int
    trace_id: str
    seconds: float


@dataclass(slots=True)
class Examination:
    """Everything that was found."""

    versions: dict[str, str]
    settings: tuple[Setting, ...] = ()
    exports: tuple[Export, ...] = ()
    instrumentations: tuple[Instrumentation, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    sent: Mark | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing costs telemetry."""
        return all(each.level is not Level.FAILURE for each in self.findings)


def examine(given: Mapping[str, str], wish: Wish) -> Examination:
    """Look at everything, with the variables *given*."""
    result = Examination(_versions())
    try:
        settings = Settings.from_env(given)
    except ConfigError as error:
        result.findings += [_variable(problem) for problem in error.problems]
        wrong = {problem.partition("=")[0] for problem in error.problems}
        given = {name: value for name, value in given.items() if name not in wrong}
        settings = Settings.from_env(given)
    instrumentations = _installed.instrumentations(given)
    result.settings = tuple(in_force(settings, given, Status()))
    result.exports = tuple(exports(settings, given))
    result.instrumentations = tuple(instrumentations)
    result.findings += [warning("repaired", "", line, "") for line in settings.repairs]
    if settings.disabled:
        result.findings.append(
            failure(
                "disabled",
                "OTEL_SDK_DISABLED",
                "OTEL_SDK_DISABLED=true: nothing is measured",
                "Unset it.",
            )
        )
        return result
    result.findings += surroundings.look(settings, given, instrumentations, wish.command)
    if wish.app:
        result.findings += app.look(wish.app, given, wish.command)
    # The exporters read the environment of the process.
    settings.apply()
    reachable = _connections(targets(settings, given), result.findings)
    if wish.send and settings.config_file:
        result.findings.append(
            warning(
                "send",
                "",
                "nothing was sent: --send makes its exporters from variables, not from a file",
                "Start the application, and look for its own telemetry.",
            )
        )
    elif wish.send:
        _send(settings, reachable, wish.places, result)
    return result


def _connections(asked: list[Target], findings: list[Finding]) -> list[Target]:
    """Check all *asked* at once, add what is found, and return those that can be reached."""
    if not asked:
        findings.append(
            warning(
                "connection",
                "",
                "nothing is sent by OTLP, so no Collector was looked for",
                "Set OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER to otlp to have one.",
            )
        )
        return []
    with ThreadPoolExecutor(len(asked)) as pool:
        found = list(pool.map(connection.check, asked))
    well = {
        target.address for target, each in zip(asked, found, strict=True) if each.level is Level.OK
    }
    found = [
        _no_pipeline(target, each) if target.address in well else each
        for target, each in zip(asked, found, strict=True)
    ]
    findings += _together(zip(asked, found, strict=True))
    return [
        target for target, each in zip(asked, found, strict=True) if each.level is not Level.FAILURE
    ]


def _no_pipeline(target: Target, found: Finding) -> Finding:
    """Return what *found* means at a Collector that takes other signals at the same address."""
    if found.check != "connection.path":
        return found
    return failure(
        "connection.pipeline",
        found.about,
        f"the Collector has no pipeline for {target.signal}",
        "Add one to its configuration (service.pipelines), or set "
        f"OTEL_{target.signal.upper()}_EXPORTER=none.",
    )


def _together(pairs: Iterable[tuple[Target, Finding]]) -> Iterator[Finding]:
    """Yield one finding for all signals that the same was found for."""
    kept: dict[Finding, list[Target]] = {}
    for target, found in pairs:
        kept.setdefault(replace(found, about=""), []).append(target)
    for found, those in kept.items():
        where = those[0].shown
        if len(those) > 1:
            where = where.removesuffix(f"/v1/{those[0].signal}")
        signals = ", ".join(target.signal for target in those)
        yield replace(found, about=f"{signals} to {where}")


def _send(settings: Settings, reachable: list[Target], places: Places, result: Examination) -> None:
    if not reachable:
        result.findings.append(
            warning("send", "", "nothing was sent", "Mend the connection above first.")
        )
        return
    from otel_setup.doctor import arrival, probe  # noqa: PLC0415 - the SDK costs time

    if not places.collector and reachable[0].address[0] in _LOCAL:
        places = replace(places, collector=_OWN_PAGE)
    before = places.pages()
    started = time.monotonic()
    sent = probe.send(settings, [target.signal for target in reachable])
    result.findings += arrival.accepted(sent)
    result.findings += arrival.confirm(sent, places, before, started)
    seconds = round(time.monotonic() - started, 1)
    result.sent = Mark(sent.nonce, sent.trace_id, seconds)
    asked = {target.signal for target in reachable}
    if "metrics" in asked and not places.prometheus:
        result.findings.append(
            ok("arrival.metrics", "metrics", "not looked for: give --prometheus URL")
        )


def _variable(problem: str) -> Finding:
    """Return the finding of one line of `ConfigError`: 'NAME=value: rule. Meaning.'."""
    seen, _, fix = problem.partition(". ")
    return failure("variable", problem.partition("=")[0], seen, fix)


def _versions() -> dict[str, str]:
    found = {name: _installed.version(name) for name in _PACKAGES}
    return {**found, "python": platform.python_version()}


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of *environ* that have to do with telemetry, or with workers."""
    more = ("FASTAPI_OTEL_", "GUNICORN_", "UVICORN_", "GRANIAN_", "WEB_CONCURRENCY", "REQUESTS_CA")
    return {
        name: value
        for name, value in environ.items()
        if name.startswith(("OTEL_", *more)) and value.strip()
    }
