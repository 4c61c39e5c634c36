# SPDX-License-Identifier: Apache-2.0
"""
How many processes of the app there will be, for what only one of them can have.

A server says it by its command line, its variables, or, for gunicorn, by what it does when it
forks: its configuration is a program, which nobody runs twice to look at it.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from types import FrameType
from typing import Any

from otel_setup.settings import ConfigError, Settings

_logger = logging.getLogger("otel_setup")


@dataclass(frozen=True, slots=True)
class Server:
    """The server that this process runs, as far as its start tells."""

    name: str
    workers: int
    #: What said the number of workers, such as ``--workers 4``; empty when nothing did.
    said_by: str = ""
    #: Whether this process serves nothing and starts new interpreters that do.
    supervises: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    options: tuple[str, ...] = ("--workers",)
    #: Variables with the number of workers, those that win first.
    variables: tuple[str, ...] = ("WEB_CONCURRENCY",)
    #: Options that make it start the app in a second process.
    reloads: tuple[str, ...] = ("--reload",)
    #: Whether it starts new interpreters even for one worker.
    always_spawns: bool = False
    forks: bool = False


_KINDS = {
    "gunicorn": _Kind(options=("-w", "--workers"), reloads=(), forks=True),
    "uvicorn": _Kind(variables=("UVICORN_WORKERS", "WEB_CONCURRENCY")),
    "fastapi": _Kind(),
    "hypercorn": _Kind(options=("-w", "--workers"), variables=(), always_spawns=True),
    "granian": _Kind(variables=("GRANIAN_WORKERS",), always_spawns=True),
    "flask": _Kind(options=(), variables=(), reloads=("--debug", "--reload")),
}

#: What asks for a page, unless a file does.
_ASKED = "OTEL_METRICS_EXPORTER='prometheus'"
#: Tells the processes that this one starts that there is no page, and that this has been said.
_INHERITED = "_OTEL_SETUP_NO_PAGE"

#: Options of the interpreter that have a value of their own.
_WITH_VALUE = {"-X", "-W", "--check-hash-based-pycs"}

#: Where gunicorn forks a process that is to go on with its work: a worker, or itself as a daemon.
_FORKS = {("gunicorn.arbiter", "spawn_worker"), ("gunicorn.util", "daemonize")}
#: What may stand between that and a hook of `os.register_at_fork`.
_BETWEEN = ("otel_setup", "gevent")


def server(
    command: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> Server | None:
    """Return the server that *command* starts (this process's when None); None when it is none."""
    spawned = command is None and is_spawned()
    if command is None:
        # A process of multiprocessing has its parent's command in sys.argv.
        command = ["python", *getattr(sys, "argv", ())] if spawned else sys.orig_argv
    environ = os.environ if environ is None else environ
    name, arguments = _program(command)
    kind = _KINDS.get(name)
    if kind is None:
        return None
    workers, said_by = _number(name, kind, arguments, environ)
    reloads = _reloads(name, kind, arguments, environ)
    if reloads:
        workers, said_by = 1, ""
    starts_others = reloads or kind.always_spawns or (workers > 1 and not kind.forks)
    started = spawned or environ.get("WERKZEUG_RUN_MAIN") == "true"
    return Server(name, workers, said_by, supervises=starts_others and not started)


def several() -> str:
    """Return what says that there will be several workers; empty when nothing does."""
    if (arbiter := _arbiter(sys._getframe())) is not None:  # noqa: SLF001 - see the module
        return f"gunicorn starts {arbiter.num_workers} workers" if arbiter.num_workers > 1 else ""
    found = server()
    if found is None or found.workers <= 1:
        return ""
    return f"{found.name} starts {found.workers} workers ({found.said_by})"


def fitting(settings: Settings, *, raising: bool) -> Settings:
    """
    Return *settings* without the /metrics page where `may_have_page` says that there is none.

    Raises:
        ConfigError: there will be several workers, and *raising* is true.
    """
    asks = "prometheus" in settings.metrics_exporters and settings.config_file is None
    if not asks or may_have_page(raising=raising):
        return settings
    left = tuple(name for name in settings.metrics_exporters if name != "prometheus")
    return replace(settings, metrics_exporters=left)


def may_have_page(asked: str = _ASKED, *, raising: bool) -> bool:
    """
    Tell whether this process can have the /metrics page that *asked* asks for.

    A process that only starts others has none, and several workers have none together: an error
    line says so once, and the processes that this one starts inherit the answer.

    Raises:
        ConfigError: there will be several workers, and *raising* is true.
    """
    if os.environ.get(_INHERITED):
        return False
    if cause := several():
        line = refusal_line(cause, asked)
        if raising:
            raise ConfigError([line])
        _logger.error("%s", line)
        os.environ[_INHERITED] = "1"
        return False
    found = server()
    return found is None or not found.supervises


def is_spawned() -> bool:
    """Tell whether multiprocessing started this interpreter."""
    return "--multiprocessing-fork" in sys.orig_argv


def refusal_line(cause: str, asked: str = _ASKED) -> str:
    """Return why there is no /metrics page, and what to do."""
    way = "OTEL_METRICS_EXPORTER=otlp" if asked == _ASKED else "a periodic reader with otlp_http"
    return (
        f"{asked}: expected one process for a /metrics page, and {cause}. With several workers "
        f"each scrape would show another of them; use {way}, and let Prometheus read the Collector."
    )


def is_server_forking() -> bool:
    """Tell, in a hook of `os.register_at_fork`, whether gunicorn forks a part of itself."""
    return _forking() is not None


def forked_workers() -> int:
    """Return, in such a hook, how many workers gunicorn means to have."""
    return int(getattr(_forking(), "num_workers", 1))


def is_first_worker() -> bool:
    """Tell, in such a hook, whether this is the first worker of all."""
    return getattr(_forking(), "worker_age", 0) == 1


def _forking() -> object | None:
    """Return gunicorn's arbiter, or anything, when it is gunicorn's own code that forks."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - see the module
    while frame is not None and _module(frame).startswith(_BETWEEN):
        frame = frame.f_back
    # Not any frame further up: a worker, and all that it forks, runs inside of this one.
    if frame is None or (_module(frame), frame.f_code.co_name) not in _FORKS:
        return None
    forking: object = frame.f_locals.get("self", frame)
    return forking


def _arbiter(frame: FrameType | None) -> Any:
    """Return the arbiter that *frame* runs in: app code of a worker, or preloaded."""
    while frame is not None:
        if _module(frame) == "gunicorn.arbiter":
            found = frame.f_locals.get("self")
            if isinstance(getattr(found, "num_workers", None), int):
                return found
        frame = frame.f_back
    return None


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _program(command: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of what the interpreter runs, and its arguments."""
    rest = list(command[1:])
    while rest:
        word = rest.pop(0)
        if word == "-m":
            return (rest[0].partition(".")[0], rest[1:]) if rest else ("", [])
        if word in _WITH_VALUE and rest:
            rest.pop(0)
        elif word.startswith("-"):
            if word.startswith("-c"):
                return "", []
        else:
            path = PurePath(word)
            name = path.parent.name if path.name == "__main__.py" else path.name
            return name.removesuffix(".exe"), rest
    return "", []


def _number(
    name: str, kind: _Kind, arguments: Sequence[str], environ: Mapping[str, str]
) -> tuple[int, str]:
    """Return how many workers there will be, and what says so."""
    places = [arguments]
    if name == "gunicorn":
        places.append(_split(environ.get("GUNICORN_CMD_ARGS", "")))
    for place in places:
        for said_by, value in _values(place, kind.options):
            if value.isdecimal():
                return int(value), said_by
    if name == "gunicorn" and _has_configuration(places):
        return 1, ""  # it may say anything; the first fork tells
    for variable in kind.variables:
        value = environ.get(variable, "").strip()
        if value.isdecimal():
            return int(value), f"{variable}={value}"
    return 1, ""


def _values(arguments: Sequence[str], options: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each value of *options*, the last one first, with how it was written."""
    for index in range(len(arguments) - 1, -1, -1):
        word = arguments[index]
        for option in options:
            if word == option and index + 1 < len(arguments):
                yield f"{word} {arguments[index + 1]}", arguments[index + 1]
            elif option.startswith("--") and word.startswith(f"{option}="):
                yield word, word.partition("=")[2]
            elif not option.startswith("--") and word.startswith(option) and word != option:
                yield word, word.removeprefix(option).removeprefix("=")


def _has_configuration(places: Sequence[Sequence[str]]) -> bool:
    given = any(any(_values(place, ("-c", "--config"))) for place in places)
    return given or os.path.exists("gunicorn.conf.py")  # noqa: PTH110 - a look, no path to keep


def _reloads(name: str, kind: _Kind, arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    if any(option in arguments for option in kind.reloads):
        return True
    if name == "fastapi":
        return "dev" in arguments and "--no-reload" not in arguments
    truths = {"1", "true", "yes", "on", "t", "y"}
    variable = {"uvicorn": "UVICORN_RELOAD", "flask": "FLASK_DEBUG"}.get(name, "")
    return environ.get(variable, "").lower() in truths and "--no-reload" not in arguments


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []
