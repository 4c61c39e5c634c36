# SPDX-License-Identifier: Apache-2.0
"""How programs use the package; `mypy --strict` has to accept it, and nothing runs it."""

from __future__ import annotations

from typing import assert_type

from fastapi import FastAPI
from flask import Flask
from opentelemetry import metrics

from otel_setup import (
    ConfigError,
    Handle,
    Settings,
    capture_context,
    carry_context,
    instrument,
    instrument_app,
    observe,
    resume_context,
    set_user,
    setup,
    untraced,
)
from otel_setup.catalogue.model import Counter, Gauge, Histogram, Label, Text, UpDownCounter
from otel_setup.catalogue.promql import Expr, latest, rate
from otel_setup.redaction import Redactor

CREATED = Counter(name="a.b", unit="{order}", description="Orders.", why="Business.")
OPEN = UpDownCounter(name="a.c", unit="{order}", description="Orders.", why="Business.")
DURATION = Histogram(name="a.d", unit="s", description="Time.", why="Waits.", buckets=(1, 2.5))
OLDEST = Gauge(
    name="a.e",
    unit="s",
    description="Age.",
    why=Text("Stuck.", "Застряло."),
    attributes={"queue": Label("its name", at_most=9)},
)


def start() -> None:
    """Start, or go on without telemetry."""
    try:
        handle = setup("shop", endpoint="http://127.0.0.1:4318")
    except ConfigError as error:
        assert_type(error.problems, list[str])
        return
    assert_type(handle, Handle)
    setup(redact=lambda name, value: value if name == "aws.s3.key" else None)
    setup(redact=Redactor(kept_parameters=["page"]).attribute)
    setup(redact=lambda name: name)  # type: ignore[arg-type,misc] # it gets the value as well
    assert_type(handle.flush(timeout=1), bool)
    assert_type(handle.shutdown(), bool)
    assert_type(instrument_app(FastAPI()), FastAPI)
    assert_type(instrument_app(Flask("shop")), Flask)


def record() -> None:
    """Each kind of entry gives its kind of instrument."""
    assert_type(instrument(CREATED), metrics.Counter)
    assert_type(instrument(OPEN), metrics.UpDownCounter)
    assert_type(instrument(DURATION), metrics.Histogram)
    observe(OLDEST, lambda: [(1.5, {"queue": "orders"})])
    observe(OPEN, lambda: ())
    set_user("17", group="customer")
    set_user(17)
    instrument(OLDEST)  # type: ignore[call-overload] # a gauge is observed
    observe(DURATION, list)  # type: ignore[arg-type] # a distribution is recorded


def ask() -> None:
    """Entries make queries; what is compared stays a query."""
    assert_type(rate(CREATED) / 2, Expr)
    assert_type(rate(CREATED) > 1, Expr)
    assert_type(latest(OLDEST, by=["queue"], fold="max"), Expr)
    rate("a_b_total")  # type: ignore[arg-type] # an entry, not a name


def carry() -> None:
    """A carried function keeps its signature."""
    stored = capture_context()
    assert_type(stored, dict[str, str])
    with resume_context(stored), resume_context(None):
        pass

    def price(volume: float, *, factor: int = 1) -> str:
        return f"{volume * factor}"

    carried = carry_context(price)
    assert_type(carried(1.0, factor=2), str)
    carried("1")  # type: ignore[arg-type] # as in price
    with untraced():
        pass


def read() -> str | None:
    """Settings are read-only."""
    settings = Settings.from_env({"OTEL_SERVICE_NAME": "shop"})
    settings.endpoint = "x"  # type: ignore[misc] # frozen
    return settings.service_name
