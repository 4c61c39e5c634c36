# SPDX-License-Identifier: Apache-2.0
"""
Read a file of OpenTelemetry's declarative configuration, and say what is wrong with it.

The SDK's own loader reads it. What it raises has neither the path nor the fix, and may have
values that came out of variables, secrets among them; here each problem names the place in the
file and the rule.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_setup.settings import ConfigError, Settings

if TYPE_CHECKING:
    from opentelemetry.configuration import OpenTelemetryConfiguration

_logger = logging.getLogger("otel_setup")

_INSTALL = "Install what reads it with: pip install 'otel-setup[file]'"
_FIX = "Mend the file, or unset the variable."

#: Variables that count with a file as well: they are not about what the file says.
KEPT = frozenset(
    {
        "OTEL_SDK_DISABLED",
        "OTEL_CONFIG_FILE",
        "OTEL_SEMCONV_STABILITY_OPT_IN",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    }
)
#: The beginnings of others that count: ours, and those that only Python has.
_KEPT_BEGINNINGS = ("OTEL_SETUP_", "OTEL_PYTHON_", "FASTAPI_OTEL_")
#: Variables that an exporter or processor reads where the file leaves the field out.
_WHERE_SILENT = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("endpoint",),
    "OTEL_EXPORTER_OTLP_HEADERS": ("headers", "headers_list"),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("compression",),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": (),
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": (),
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": (),
    "OTEL_BSP_SCHEDULE_DELAY": (),
    "OTEL_BSP_EXPORT_TIMEOUT": (),
    "OTEL_BSP_MAX_QUEUE_SIZE": (),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": (),
    "OTEL_BLRP_SCHEDULE_DELAY": (),
    "OTEL_BLRP_EXPORT_TIMEOUT": (),
    "OTEL_BLRP_MAX_QUEUE_SIZE": (),
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": (),
}


class Disabled(ConfigError):
    """The file says that there is to be no telemetry; there is nothing to complain about."""

    def __init__(self) -> None:
        super().__init__([])


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read."""

    path: str
    configuration: OpenTelemetryConfiguration
    #: Variables that the file refers to.
    variables: frozenset[str]
    #: Whether the file itself has the instance id, the same for all who read it.
    fixed_id: bool


def read(path: str) -> File:
    """
    Read the file at *path*.

    Raises:
        ConfigError: it cannot be read or breaks the rules; `Disabled` when it says so.
    """
    try:
        from opentelemetry.configuration import (  # noqa: PLC0415 - an extra
            ConfigurationError,
            load_config_file,
        )
    except ImportError as error:
        raise problem(path, f"its package is not installed ({error})", _INSTALL) from error
    try:
        with _silent("opentelemetry.configuration.file._loader"):
            configuration = load_config_file(path)
        text = Path(path).read_text(encoding="utf-8")
    except (ConfigurationError, OSError, ValueError) as error:
        raise problem(path, *_told(path, error)) from error
    if configuration.disabled:
        raise Disabled
    return File(path, configuration, frozenset(re.findall(r"\$\{(\w+)", text)), _has_fixed_id(text))


def problem(path: str, rule: str, fix: str = _FIX) -> ConfigError:
    """Return the error that says what is wrong with the file at *path*."""
    return ConfigError([f"OTEL_CONFIG_FILE={path!r}: {rule}. {fix}"])


def apply(settings: Settings) -> None:
    """
    Write defaults into the environment: with a file only those that it does not replace.

    A default of ours would win over the one that the file has for a variable it refers to.
    """
    if settings.config_file is None:
        settings.apply()
        return
    for name, chosen in settings.environment.items():
        if name in KEPT or name.startswith(_KEPT_BEGINNINGS):
            os.environ[name] = chosen


def unread(file: File, environ: Mapping[str, str]) -> list[str]:
    """Return the variables of *environ* that say what only *file* decides."""
    exporters = list(_exporters(file.configuration))
    silent = {
        name
        for name, keys in _WHERE_SILENT.items()
        if not keys
        or not exporters
        or any(all(getattr(each, key, None) is None for key in keys) for each in exporters)
    }
    detected = {"OTEL_SERVICE_NAME"} if _detects_service(file.configuration) else set()
    return sorted(
        name
        for name, value in environ.items()
        if name.startswith("OTEL_")
        and value.strip()
        and name not in KEPT | file.variables | silent | detected
        and not name.startswith(_KEPT_BEGINNINGS)
    )


def say_what_is_unread(file: File) -> None:
    """Log which variables have no effect, in one line."""
    if names := unread(file, os.environ):
        _logger.warning(
            "OTEL_CONFIG_FILE=%r: with a file these variables are not read: %s. Say it in the "
            "file, as a value or as ${%s}.",
            file.path,
            ", ".join(names),
            names[0],
        )


def _told(path: str, error: Exception) -> tuple[str, str]:
    """Return what is wrong, with its place, and the fix; no value that a variable gave."""
    if not Path(path).is_file():
        return "there is no such file", "Give the path of a file, or unset the variable."
    cause: Any = error.__cause__
    mark = getattr(cause, "problem_mark", None)
    if mark is not None:
        reason = getattr(cause, "problem", None) or "it cannot be parsed"
        return f"line {mark.line + 1}, column {mark.column + 1}: {reason}", _FIX
    if hasattr(cause, "lineno") and hasattr(cause, "msg"):  # JSON
        return f"line {cause.lineno}, column {cause.colno}: {cause.msg}", _FIX
    if hasattr(cause, "absolute_path"):  # a rule of the schema
        place = _place(cause.absolute_path)
        return f"{place}: {_rule(cause)}" if place else _rule(cause), _FIX
    if isinstance(cause, OSError):
        return f"it cannot be read ({cause.strerror})", "Make it readable, or unset the variable."
    return str(error), _FIX


def _place(steps: Sequence[str | int]) -> str:
    """Return the way to a value, such as ``tracer_provider.processors[0].batch``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(
        "."
    )


def _rule(error: Any) -> str:
    """Return what the schema expects; the library's own text has the value in it."""
    kind, expected = error.validator, error.validator_value
    if kind in {"required", "additionalProperties", "minProperties", "maxProperties"}:
        # These speak of keys only.
        known = ", ".join(sorted(error.schema.get("properties", {})))
        if kind == "additionalProperties" and known:
            extra = sorted(set(error.instance) - set(error.schema["properties"]))
            return f"does not know {', '.join(extra)}; expected {known}"
        if kind == "required":
            missing = [name for name in expected if name not in error.instance]
            return f"expected {', '.join(missing)} in it"
        return f"expected {expected} {'at least' if kind == 'minProperties' else 'at most'}"
    if kind == "type":
        kinds = [expected] if isinstance(expected, str) else expected
        return f"expected {' or '.join(kinds)}"
    if kind == "enum":
        return f"expected one of {', '.join(map(str, expected))}"
    return (
        f"expected {kind} {expected}"
        if isinstance(expected, int | float | str)
        else (f"breaks the rule {kind}")
    )


def _has_fixed_id(text: str) -> bool:
    """Tell whether the instance id stands in *text*, not in a variable of the process."""
    import yaml  # noqa: PLC0415 - comes with the loader, which has read this text

    resource = (yaml.safe_load(text) or {}).get("resource") or {}
    named = {
        str(each.get("name")): str(each.get("value")) for each in resource.get("attributes") or ()
    }
    for pair in str(resource.get("attributes_list") or "").split(","):
        name, _, value = pair.partition("=")
        named.setdefault(name.strip(), value)
    return "service.instance.id" in named and "${" not in named["service.instance.id"]


def _detects_service(configuration: OpenTelemetryConfiguration) -> bool:
    detection = getattr(configuration.resource, "detection_development", None)
    return any(each.service is not None for each in getattr(detection, "detectors", None) or ())


def otlp(part: object) -> Iterator[Any]:
    """Yield the OTLP exporters of one *part* of a configuration, such as its tracer_provider."""
    yield from _exporters(part)


def _exporters(value: object) -> Iterator[object]:
    """Yield every OTLP exporter of a configuration."""
    if is_dataclass(value) and not isinstance(value, type):
        if type(value).__name__.startswith("Otlp"):
            yield value
        for each in fields(value):
            yield from _exporters(getattr(value, each.name))
    elif isinstance(value, list):
        for each in value:
            yield from _exporters(each)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep errors of the logger *name* out of the log: they are raised as well, and say less."""
    logger = logging.getLogger(name)

    def keep(record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
