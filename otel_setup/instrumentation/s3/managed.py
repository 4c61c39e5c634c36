# SPDX-License-Identifier: Apache-2.0
"""A transfer that s3transfer manages: in one call or in many, in threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from otel_setup.instrumentation.s3 import attributes, errors, measures
from otel_setup.instrumentation.s3.transfer import Transfer

_TRACER = trace.get_tracer("otel_setup.s3")
_SIZE = "aws.s3.transfer.size"
_PARTS = "aws.s3.transfer.parts"

#: The transfer that this thread works for.
MANAGED: ContextVar[Managed | None] = ContextVar("otel_setup_s3_managed", default=None)


def current_part(params: Mapping[str, Any]) -> Managed | None:
    """Return the transfer that a call with *params* is a part of."""
    managed = MANAGED.get()
    # A callback of the program runs in the same thread, and may ask for another object.
    if managed is None or managed.key != params.get("Key") or managed.name != params.get("Bucket"):
        return None
    return managed


class Managed:
    """
    An upload, a download or a copy, with the span that its parts stand under; it ends once.

    A copy moves nothing between this program and the storage: it has a span, and is no transfer.
    """

    def __init__(self, kind: str, arguments: Any, *, keys: bool) -> None:
        self.name = arguments.bucket
        self.key = arguments.key
        bucket = attributes.bucket_of({"Bucket": arguments.bucket})
        said = {"aws.s3.bucket": bucket}
        if keys:
            said["aws.s3.key"] = str(arguments.key)
        self._transfer = None if kind == "copy" else Transfer(kind, bucket)
        self._span = _TRACER.start_span(f"S3 {kind}", kind=SpanKind.INTERNAL, attributes=said)
        #: Where its parts belong.
        self.context = trace.set_span_in_context(self._span)
        self._lock = threading.Lock()
        self._parts = 0
        self._size = 0
        #: Parts whose body broke, by their range, and how.
        self._broken: dict[str, str] = {}
        self._ended = False

    def begins(self, bucket: str, method: str, params: Mapping[str, Any]) -> None:
        """Note that a part begins, perhaps again."""
        error = self._broken.pop(params.get("Range", ""), "") if self._broken else ""
        if error:
            measures.RETRIES.add(1, bucket, method, error)

    def ends(self, params: Mapping[str, Any], outcome: str, error: str, size: int) -> None:
        """Note how a part of *size* bytes ended."""
        with self._lock:
            if outcome == "completed":
                self._parts += 1
                self._size += size
            elif outcome == "failed":
                self._broken[params.get("Range", "")] = error

    def end(self, error: BaseException | None) -> None:
        """Measure it; *error* is why it failed."""
        if self._ended:
            return
        self._ended = True
        with self._lock:
            parts, size = self._parts, self._size
        name = "" if error is None else errors.of_exception(error)
        if error is not None and _is_expected(error):
            name, outcome = "", ""
        else:
            outcome = "failed" if error is not None else "completed"
        said: dict[str, Any] = {_PARTS: parts}
        if self._transfer is not None:
            said[_SIZE] = size
            self._transfer.end(outcome, error=name, size=size, context=self.context)
        if name:
            said["error.type"] = name
            self._span.set_status(StatusCode.ERROR, name)
        self._span.set_attributes(said)
        self._span.end()


def _is_expected(error: BaseException) -> bool:
    """Tell whether *error* only says that there is no such object."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return False
    method = getattr(error, "operation_name", "")
    return errors.is_expected(method, errors.status_of(response), errors.of_exception(error))
