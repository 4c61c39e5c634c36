# SPDX-License-Identifier: Apache-2.0
"""
The two entry points through which ``opentelemetry-instrument`` finds this package.

`Distro` writes our defaults into the environment, `Configurator` builds the
providers, then the launcher asks the distro to load each instrumentation. `start`
runs the same sequence for programs that are not launched that way, so that all
ways in give the same telemetry.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from otel_setup import _early, _file, _strict, _workers
from otel_setup._status import State, status
from otel_setup.instrumentation import ARGUMENTS, SKIPPED, TRIGGERS, stands_back
from otel_setup.settings import ConfigError, Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from otel_setup._providers import Providers

_logger = logging.getLogger("otel_setup")
#: It complains of a library in a version that upstream does not know, whoever measures it.
_launcher = logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load")

_NAME = "otel_setup"
_providers: Providers | None = None
_problems: list[str] = []


def _report(error: ConfigError) -> None:
    """Log each problem as one line: the launcher itself would print a stack trace."""
    _problems[:] = error.problems
    for problem in error.problems:
        status.problem(problem)
        if _strict.wanted():
            continue  # `_strict.finish` says it, and why the program does not start
        _logger.error("telemetry is off: %s", problem)


def _concerns(record: logging.LogRecord) -> bool:
    """Tell whether a line of the launcher is about an instrumentation that runs."""
    return not stands_back(record.getMessage().partition(" ")[0])


class Configurator:
    """Builds the providers; entry point ``opentelemetry_configurator``."""

    def configure(self, **_kwargs: object) -> None:
        """Install the providers, once per process; a wrong environment is logged, not raised."""
        global _providers  # noqa: PLW0603 - the API's providers are global as well
        status.configurator = True
        if _providers is not None or _problems:
            return
        settings = Settings.from_env()
        if settings.disabled or _strict.is_helper():
            return
        from otel_setup._providers import Providers  # noqa: PLC0415 - the SDK costs 0.3 s to import

        raising = settings.strict or status.called
        try:
            try:
                _providers = Providers(_workers.fitting(settings, raising=raising))
            except ConfigError as error:
                if settings.config_file is None or raising or not error.problems:
                    raise
                for problem in error.problems:
                    status.problem(problem)
                    _logger.error("%s The variables and their defaults count instead.", problem)  # noqa: TRY400 - a stack trace says nothing more
                settings = replace(settings, config_file=None)
                settings.apply()
                _providers = Providers(_workers.fitting(settings, raising=raising))
        except ConfigError as error:
            _report(error)


class Distro(BaseDistro):  # type: ignore[misc]
    """Sets defaults and loads instrumentations; entry point ``opentelemetry_distro``."""

    def _configure(self, **_kwargs: Any) -> None:
        _problems.clear()
        _launcher.addFilter(_concerns)
        status.begin(os.environ)
        try:
            # The opt-in to stable names is read at the first import of an instrumentation.
            settings = Settings.from_env()
            status.repairs = list(settings.repairs)
            for repair in settings.repairs:
                _logger.warning("%s", repair)
            _file.apply(settings)
        except ConfigError as error:
            _report(error)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Instrument one library, as soon as the program imports it."""
        if _providers is None or entry_point.name in SKIPPED or stands_back(entry_point.name):
            return
        arguments = {**kwargs, **ARGUMENTS.get(entry_point.name, {})}
        trigger = TRIGGERS.get(entry_point.name)
        if trigger is None:
            _instrument(entry_point, arguments, entry_point.name)
        elif trigger in sys.modules:
            _instrument(entry_point, arguments, trigger)
        else:
            status.note(
                entry_point.name, State.WAITS, f"patched when the program imports {trigger}"
            )
            # Runs inside the program's own import, before that can bind a name from the module.
            wrapt.when_imported(trigger)(lambda _module: _instrument(entry_point, arguments))


def _instrument(entry_point: EntryPoint, arguments: dict[str, Any], library: str = "") -> None:
    """
    Apply one instrumentation; one that fails is logged and never stops the program.

    Give the *library* that the program may have taken names from before.
    """
    try:
        names = _early.Names(library) if library.partition(".")[0] in sys.modules else None
        entry_point.load()().instrument(**arguments)
        held = ", ".join(names.holders()) if names else ""
        reason = f"{held} was imported before and stays unpatched" if held else ""
        status.note(entry_point.name, State.EARLY if held else State.INSTRUMENTED, reason)
    except ModuleNotFoundError as error:
        status.note(entry_point.name, State.NOT_INSTALLED, str(error))
        _logger.debug("%s is not instrumented: %s", entry_point.name, error)
    except Exception as error:  # noqa: BLE001 - a library that is not traced still works
        status.note(entry_point.name, State.FAILED, f"{type(error).__name__}: {error}")
        _logger.warning(
            "%s is not instrumented: %s: %s. Name it in "
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS to leave it out.",
            entry_point.name,
            type(error).__name__,
            error,
        )


def start() -> Providers | None:
    """
    Do what the launcher does, once; None when ``OTEL_SDK_DISABLED`` is true.

    Raises:
        ConfigError: the environment is wrong; every problem is in the message.
    """
    if _providers is None and not Settings.from_env().disabled:
        from opentelemetry.instrumentation.auto_instrumentation import (  # noqa: PLC0415
            initialize,
        )

        # Another installed distro would win by the order of the file system.
        os.environ["OTEL_PYTHON_DISTRO"] = os.environ["OTEL_PYTHON_CONFIGURATOR"] = _NAME
        status.called = True
        try:
            initialize(swallow_exceptions=False)
            _strict.finish()
        finally:
            status.called = False
        if _problems:
            raise ConfigError(list(_problems))
    if status.problems and _strict.wanted():
        raise ConfigError(list(status.problems))
    return _providers


__all__ = ["ConfigError", "Configurator", "Distro", "start"]
