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
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from otel_setup.instrumentation import ARGUMENTS, SKIPPED, TRIGGERS
from otel_setup.settings import ConfigError, Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from otel_setup._providers import Providers

_logger = logging.getLogger("otel_setup")

_NAME = "otel_setup"
_providers: Providers | None = None
_problems: list[str] = []


def _is_helper() -> bool:
    """Tell whether this is a process that multiprocessing keeps for itself, not one of the app."""
    # Options of the interpreter may stand before its -c.
    start = "from multiprocessing.resource_tracker import main"
    return any(part.startswith(start) for part in sys.orig_argv)


def _report(error: ConfigError) -> None:
    """Log each problem as one line: the launcher itself would print a stack trace."""
    _problems[:] = error.problems
    for problem in error.problems:
        _logger.error("telemetry is off: %s", problem)


class Configurator:
    """Builds the providers; entry point ``opentelemetry_configurator``."""

    def configure(self, **_kwargs: object) -> None:
        """Install the providers, once per process; a wrong environment is logged, not raised."""
        global _providers  # noqa: PLW0603 - the API's providers are global as well
        if _providers is not None or _problems:
            return
        settings = Settings.from_env()
        if settings.disabled or _is_helper():
            return
        from otel_setup._providers import Providers  # noqa: PLC0415 - the SDK costs 0.3 s to import

        try:
            _providers = Providers(settings)
        except ConfigError as error:
            _report(error)


class Distro(BaseDistro):  # type: ignore[misc]
    """Sets defaults and loads instrumentations; entry point ``opentelemetry_distro``."""

    def _configure(self, **_kwargs: Any) -> None:
        _problems.clear()
        try:
            # The opt-in to stable names is read at the first import of an instrumentation.
            settings = Settings.from_env()
            for repair in settings.repairs:
                _logger.warning("%s", repair)
            settings.apply()
        except ConfigError as error:
            _report(error)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Instrument one library, as soon as the program imports it."""
        if _providers is None or entry_point.name in SKIPPED:
            return
        arguments = {**kwargs, **ARGUMENTS.get(entry_point.name, {})}
        trigger = TRIGGERS.get(entry_point.name)
        if trigger is None:
            _instrument(entry_point, arguments)
        else:
            # Runs inside the program's own import, before that can bind a name from the module.
            wrapt.when_imported(trigger)(lambda _module: _instrument(entry_point, arguments))


def _instrument(entry_point: EntryPoint, arguments: dict[str, Any]) -> None:
    """Apply one instrumentation; one that fails is logged and never stops the program."""
    try:
        entry_point.load()().instrument(**arguments)
    except ModuleNotFoundError as error:
        _logger.debug("%s is not instrumented: %s", entry_point.name, error)
    except Exception as error:  # noqa: BLE001 - a library that is not traced still works
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
        initialize(swallow_exceptions=False)
        if _problems:
            raise ConfigError(list(_problems))
    return _providers


__all__ = ["ConfigError", "Configurator", "Distro", "start"]
