# SPDX-License-Identifier: Apache-2.0
"""What customers do in the Shop: they order, upload and edit."""

from __future__ import annotations

from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries import http
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import latest, or_zero, rate
from services_demo.catalogue import shop


def placed(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many orders are placed, by material."""
    return Panel(
        title=Text("Orders placed", "Оформленные заказы"),
        queries=(Query(rate(shop.ORDERS_CREATED, by=["material"]), "{{material}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def last_hour(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return the orders of the last hour as one number."""
    return Panel(
        title=Text("Orders of the last hour", "Заказы за последний час"),
        queries=(Query(latest(shop.ORDERS_LAST_HOUR)),),
        rows=rows,
        leads_to=leads_to,
        shape="stat",
    )


def compared(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return the orders of each hour beside those that were to be expected."""
    return Panel(
        title=Text("Fewer orders than usual?", "Заказов меньше обычного?"),
        queries=(
            Query(latest(shop.ORDERS_LAST_HOUR), "last hour"),
            Query(latest(shop.ORDERS_EXPECTED), "expected"),
        ),
        why=shop.ORDERS_EXPECTED.description,
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text(
            "what to expect is known after a day", "чего ожидать, известно через сутки"
        ),
    )


def ordering_errors(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how many orders customers tried to place and did not get, by whose fault."""
    return Panel(
        title=Text("Orders that customers did not get", "Заказы, которые не удалось оформить"),
        queries=(
            Query(rate(shop.ORDER_ERRORS, by=["fault", "error.type"]), "{{fault}}: {{error_type}}"),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )


def ordering_share(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return which share of all attempts to order fails by our fault."""
    attempts = {"job": shop.JOB, "http.route": shop.ORDERING, "http.request.method": "POST"}
    total = rate(http.REQUEST_DURATION, where=attempts)
    failed = rate(http.REQUEST_DURATION, where={**attempts, "http.response.status_code": "~5.."})
    return Panel(
        title=Text("Which share of orders fails by our fault?", "Какая доля заказов падает у нас?"),
        queries=(Query(or_zero(failed, total) / (total > 0), "5xx"),),
        why=Text(
            "Whoever sees this error wanted to pay.", "Кто видит эту ошибку, хотел заплатить."
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(0.05),),
    )


def mesh_cpu(*, rows: tuple[str, ...] = (), leads_to: str = "") -> Panel:
    """Return how much CPU uploads and each operation of the 3D editor take."""
    return Panel(
        title=Text("CPU of mesh work, of one core", "CPU на 3D-модели, доля одного ядра"),
        queries=(
            Query(
                rate(shop.MODEL_CPU_TIME, by=["shop.model.operation"]), "{{shop_model_operation}}"
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
    )
