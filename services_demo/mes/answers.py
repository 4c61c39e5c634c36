# SPDX-License-Identifier: Apache-2.0
"""Reading requests and answering errors, the way the other two APIs do."""

from typing import TypeVar

from flask import Flask, Response, jsonify, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from services_demo.database import Unavailable
from services_demo.web.errors import ApiError, envelope, explain

B = TypeVar("B", bound=BaseModel)


def body(kind: type[B]) -> B:
    """
    Return the JSON body of the request.

    Raises:
        ApiError: 400 if it is no JSON, 422 if it is not *kind*.
    """
    content = request.get_data()
    if not content:
        raise ApiError(400, "empty_body", "body: it is empty. Send a JSON object.")
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":
            text = f"body: expected JSON, but {faults[0]['ctx']['error']}. Send a JSON object."
            raise ApiError(400, "invalid_json", text) from None
        raise ApiError(422, "invalid_request", explain(faults)) from None


def query(kind: type[B]) -> B:
    """
    Return the query parameters of the request.

    Raises:
        ApiError: 422, they are not *kind*.
    """
    try:
        return kind.model_validate(request.args.to_dict())
    except ValidationError as error:
        text = explain(error.errors(include_url=False))
        raise ApiError(422, "invalid_request", text) from None


def answer_errors(app: Flask) -> None:
    """Register the handlers on *app*."""

    def answer(status: int, code: str, message: str) -> tuple[Response, int]:
        return jsonify(envelope(code, message)), status

    @app.errorhandler(ApiError)
    def refused(error: ApiError) -> tuple[Response, int]:
        response, status = answer(error.status, error.code, error.message)
        if status == 401:  # noqa: PLR2004
            response.headers["WWW-Authenticate"] = "Bearer"
        return response, status

    @app.errorhandler(HTTPException)
    def framework(error: HTTPException) -> tuple[Response, int]:
        codes = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
        status = error.code or 500
        code = codes.get(status, "internal_error" if status >= 500 else "bad_request")  # noqa: PLR2004
        text = f"{request.method} {request.path}: {error.description}"
        if status == 413:  # noqa: PLR2004
            text = f"body: expected at most {app.config['MAX_CONTENT_LENGTH']} bytes. Send less."
        return answer(status, code, text)

    def unavailable(error: Exception) -> tuple[Response, int]:
        app.logger.error("database unavailable: %s", str(error).strip())
        text = "The database does not answer. Nothing was stored; try again in a few seconds."
        response, status = answer(503, "database_unavailable", text)
        response.headers["Retry-After"] = "5"
        return response, status

    for kind in Unavailable:
        app.register_error_handler(kind, unavailable)
