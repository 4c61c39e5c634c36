# SPDX-License-Identifier: Apache-2.0
"""What the MES does: it prices, and its operators make."""

from __future__ import annotations

from dataclasses import replace

from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.jobs import alive
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import highest, increase, latest, or_zero, quantile, rate
from services_demo.catalogue import mes
from services_demo.catalogue.panels.common import waits


def calculations(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many price calculations end."""
    return Panel(
        title=Text("Price calculations", "Расчёты цены"),
        queries=(Query(rate(mes.PRICE_CALCULATIONS, by=["outcome"]), "{{outcome}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def calculation_errors(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many price calculations fail, by reason."""
    return Panel(
        title=Text("Why do price calculations fail?", "Почему падают расчёты цены?"),
        queries=(
            Query(
                rate(mes.PRICE_CALCULATIONS, by=["error.type"], where={"outcome": "error"}),
                "{{error_type}}",
            ),
        ),
        why=Text(
            "CannotPrice is the customer's model. ModelUnavailable is the storage, and anything "
            "else is ours to mend.",
            "CannotPrice — модель клиента, ModelUnavailable — хранилище, остальное чинить нам.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def until_priced(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long customers wait from placing an order to its price."""
    return waits(
        Text("How long do customers wait for a price?", "Сколько клиенты ждут цену?"),
        mes.ORDER_PRICING_DURATION,
        mes.PRICED_IN_SECONDS,
        rows=rows,
        leads_to=leads_to,
    )


def calculation_time(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how long price calculations wait for a process, and compute."""
    return Panel(
        title=Text("Do prices wait, or compute (p95)?", "Цены ждут или считаются (p95)?"),
        queries=(Query(quantile(0.95, mes.PRICE_DURATION, by=["phase"]), "{{phase}}"),),
        rows=rows,
        leads_to=leads_to,
    )


def tasks(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many price calculations wait and are computed."""
    return Panel(
        title=Text("Price calculations that wait or run", "Расчёты цены: ждут и считаются"),
        queries=(Query(latest(mes.PRICE_TASKS, by=["state"], fold="max"), "{{state}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def saturation(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which share of the processes that compute prices is busy."""
    running = latest(mes.PRICE_TASKS, where={"state": "running"}, fold="max")
    busy = replace(running, unit=mes.PRICE_CAPACITY.unit) / alive(mes.PRICE_CAPACITY)
    return Panel(
        title=Text("Is pricing saturated?", "Насыщен ли расчёт цен?"),
        queries=(Query(busy, "busy"),),
        why=mes.PRICE_CAPACITY.why,
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(0.9, "warning"),),
        most=1,
    )


def transitions(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many orders reach each state."""
    return Panel(
        title=Text("Orders that change their state", "Смены состояния заказов"),
        queries=(Query(rate(mes.MES_TRANSITIONS, by=["to"]), "{{to}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def refused(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many changes of state operators ask for and do not get."""
    errors, every = rate(mes.MES_TRANSITION_ERRORS), rate(mes.MES_TRANSITIONS)
    return Panel(
        title=Text("Changes of state that are refused", "Отклонённые смены статуса"),
        queries=(Query(or_zero(errors, replace(every, unit=errors.unit)), "refused"),),
        rows=rows,
        leads_to=leads_to,
    )


def refused_why(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which changes are refused, and why."""
    each = increase(mes.MES_TRANSITION_ERRORS, by=["from", "to", "reason"], over="1h")
    return Panel(
        title=Text("What is refused, and why? (1 h)", "Что отклонено и почему? (1 ч)"),
        queries=(Query(highest(10, each > 0), "{{from}} → {{to}}: {{reason}}"),),
        rows=rows,
        leads_to=leads_to,
        shape="table",
        may_be_empty=Text("nothing was refused", "ничего не отклонено"),
    )
