# SPDX-License-Identifier: Apache-2.0
"""What a failed call is called: by the code that S3 answered, or by the class of the exception."""

from __future__ import annotations

import re
from typing import Any

#: What S3 and storages like it answer when they are asked too much.
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "TooManyRequests",
        "TooManyRequestsException",
        "429",
    }
)
#: A code comes from outside: what is not like one is no label.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,62}")
_THROTTLED = 429
_UNAVAILABLE = 503
#: Not there, not changed.
_EXPECTED = (404, 304)
_BUCKET_IS_GONE = frozenset({"NoSuchBucket"})


def of_answer(answer: Any, parsed: dict[str, Any]) -> str:
    """Return what is wrong with an *answer*; empty if it is none."""
    status: int = answer.status_code
    if status < 300:  # noqa: PLR2004 - as botocore has it
        return ""
    code = _code(parsed, status)
    # The answer to a HEAD has no body, and so no code, but says the same in its first line.
    if code == "503" and getattr(answer.raw, "reason", "") == "Slow Down":
        return "SlowDown"
    return code


def of_exception(error: BaseException) -> str:
    """Return what *error* is called: its code when it is an answer of S3, else its class."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        return _code(response, status_of(response))
    # What gave up after several attempts is less telling than why.
    last = getattr(error, "last_exception", None)
    return type(last if isinstance(last, Exception) else error).__name__


def status_of(response: dict[str, Any]) -> int:
    """Return the status of the answer that an exception carries; 0 for none."""
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0


def _code(parsed: dict[str, Any], status: int) -> str:
    code = parsed.get("Error", {}).get("Code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        return code
    return str(status)


def is_throttle(error: str, status: int) -> bool:
    """Tell whether an answer asks to slow down."""
    return status == _THROTTLED or error in _THROTTLES or error.startswith("Throttl")


def is_expected(method: str, status: int, error: str) -> bool:
    """
    Tell whether *status* answers the question whether something is there, or has changed.

    A bucket that is gone is an error, unless the question was whether there is one.
    """
    return (
        status in _EXPECTED and method.startswith(("Get", "Head")) and error not in _BUCKET_IS_GONE
    )
