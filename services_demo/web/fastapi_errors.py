# SPDX-License-Identifier: Apache-2.0
"""Makes a FastAPI application answer every error in the company's shape."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services_demo.database import Unavailable
from services_demo.web.errors import ApiError, envelope, explain

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)


def answer_errors(app: FastAPI) -> None:
    """Register the handlers on *app*."""

    @app.exception_handler(ApiError)
    def refused(_request: Request, error: ApiError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None  # noqa: PLR2004
        return JSONResponse(envelope(error.code, error.message), error.status, headers)

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        if faults and faults[0]["type"] == "json_invalid":
            reason = faults[0].get("ctx", {}).get("error", "it cannot be read")
            text = f"body: expected JSON, but {reason}. Send a JSON object."
            return JSONResponse(envelope("invalid_json", text), 400)
        return JSONResponse(envelope("invalid_request", explain(faults)), 422)

    @app.exception_handler(HTTPException)
    def framework(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        text = f"{request.method} {request.url.path}: {error.detail}. See /docs for what there is."
        return JSONResponse(envelope(code, text), error.status_code, error.headers)

    async def unavailable(_request: Request, error: Exception) -> JSONResponse:
        log.error("database unavailable: %s", str(error).strip())
        text = "The database does not answer. Nothing was stored; try again in a few seconds."
        return JSONResponse(envelope("database_unavailable", text), 503, {"Retry-After": "5"})

    for kind in Unavailable:
        app.add_exception_handler(kind, unavailable)

    @app.exception_handler(Exception)
    def bug(_request: Request, _error: Exception) -> JSONResponse:
        text = "This is a fault of the service and was logged. Trying again may help."
        return JSONResponse(envelope("internal_error", text), 500)
