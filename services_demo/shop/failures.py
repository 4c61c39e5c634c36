# SPDX-License-Identifier: Apache-2.0
"""Counts the orders that customers tried to place and did not get."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from otel_setup import instrument
from services_demo.catalogue import shop as catalogue
from services_demo.web.errors import ApiError

_SERVERS_FAULT = 500

ORDER_ERRORS = instrument(catalogue.ORDER_ERRORS)


class OrderRoute(APIRoute):
    """A route that also counts bodies that are no order, which never reach the endpoint."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the counter around it."""
        handle = super().get_route_handler()

        async def counted(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                ORDER_ERRORS.add(1, {"error.type": _type_of(error), "fault": _fault_of(error)})
                raise

        return counted


def expect_errors() -> None:
    """Have the failures that a database can cause counted from 0 on."""
    for kind in catalogue.ORDERING_ERRORS:
        ORDER_ERRORS.add(0, {"error.type": kind, "fault": "shop"})


def _fault_of(error: Exception) -> str:
    """Tell who has to act: the customer, or those who run the Shop."""
    if isinstance(error, ApiError):
        return "customer" if error.status < _SERVERS_FAULT else "shop"
    if isinstance(error, HTTPException):
        return "customer" if error.status_code < _SERVERS_FAULT else "shop"
    return "customer" if isinstance(error, RequestValidationError | ClientDisconnect) else "shop"


def _type_of(error: Exception) -> str:
    if isinstance(error, ApiError):
        return error.code
    return "invalid_request" if isinstance(error, RequestValidationError) else type(error).__name__
