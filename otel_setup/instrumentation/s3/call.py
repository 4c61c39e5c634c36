# SPDX-License-Identifier: Apache-2.0
"""One call of the S3 API, from its parameters to the last byte of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from timeit import default_timer
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from otel_setup.instrumentation.s3 import attributes, body, errors, measures, state
from otel_setup.instrumentation.s3.attempt import Attempt
from otel_setup.instrumentation.s3.managed import Managed, current_part
from otel_setup.instrumentation.s3.transfer import Transfer

_TRACER = trace.get_tracer("otel_setup.s3")
_DIRECTIONS = {"GetObject": "download", "PutObject": "upload", "UploadPart": "upload"}
#: Those that a transfer in parts is made of; a copy moves bytes inside of the storage only.
_PARTS = frozenset({*_DIRECTIONS, "CopyObject", "UploadPartCopy"})
#: Seconds after which a body that nobody reads is not said to have been read until now.
_IDLE = 1.0

#: The call that this thread is in; None in what it waits for that is no part of it.
CALL: ContextVar[Call | None] = ContextVar("otel_setup_s3_call", default=None)


class Call:
    """A call: its span and measures begin here, and end together, once."""

    __slots__ = (
        "_in_context",
        "_in_thread",
        "_managed",
        "_params",
        "_pending",
        "_received",
        "_retries",
        "_said",
        "_sent",
        "_span",
        "_start",
        "_status",
        "_transfer",
        "attempt",
        "bucket",
        "context",
        "error",
        "method",
    )

    def __init__(self, meta: Any, method: str, params: Mapping[str, Any], *, keys: bool) -> None:
        state.publish()
        body.measure_left()
        self.method = method
        self.bucket = bucket = attributes.bucket_of(params)
        #: What went wrong in the last attempt; empty for nothing.
        self.error = ""
        #: The one that is on the wire now.
        self.attempt: Attempt | None = None
        self._params = params
        self._status = 0
        self._retries = 0
        self._sent = 0
        self._received = 0
        #: What is put on the span at its end.
        self._said: dict[str, Any] = {}
        #: The answer whose body is still to be read.
        self._pending: Any = None
        self._managed: Managed | None = current_part(params) if method in _PARTS else None
        self._transfer: Transfer | None = None
        if self._managed is None and method in _DIRECTIONS:
            self._transfer = Transfer(_DIRECTIONS[method], bucket)
        common = attributes.fixed(method, bucket, meta.region_name or "", meta.endpoint_url or "")
        self._span = _TRACER.start_span(
            f"S3.{method}",
            kind=SpanKind.CLIENT,
            attributes=attributes.of_call(params, common, keys=keys),
        )
        self.context = trace.set_span_in_context(self._span)
        if self._managed is not None:
            self._managed.begins(bucket, method, params)
        self._start = default_timer()
        self._in_context: Token[Context] | None = otel_context.attach(self.context)
        self._in_thread: Token[Call | None] | None = CALL.set(self)

    # ---- attempts

    def begin_attempt(self) -> None:
        """Begin to send the request, for the first time or again."""
        self._pending = None
        self.attempt = Attempt(self.bucket, self.method, self.context)

    def end_attempt(self, answered: Any, *, streams: bool) -> None:
        """
        Note how an attempt ended; *answered* is what `Endpoint._get_response` returned.

        *streams* says that a good answer's body is handed to the program as it comes.
        """
        attempt, self.attempt = self.attempt, None
        success, exception = answered
        answer = parsed = None
        if success is not None:
            answer, parsed = success
            self._status = answer.status_code
            self.error = errors.of_answer(answer, parsed)
            if errors.is_throttle(self.error, self._status):
                measures.THROTTLES.add(1, self.bucket, self.method)
        else:
            self._status = 0
            self.error = errors.of_exception(exception) if exception is not None else ""
        if answer is not None and streams and not self.error:
            self._pending = answer.raw
        if attempt is not None:
            self._received = attempt.end(answer, pending=self._pending is not None)
            self._sent = attempt.sent

    def retried(self, attempt: int) -> None:
        """Note that *attempt* (1 is the first) failed and that another one follows."""
        self._retries += 1
        measures.RETRIES.add(1, self.bucket, self.method, self.error)
        event: dict[str, Any] = {"attempt": attempt, "error.type": self.error}
        if self._status:
            event["http.response.status_code"] = self._status
        self._span.add_event("retry", event)

    # ---- its end

    def leave(self) -> None:
        """Leave its context, also before its end is measured: what follows is no part of it."""
        token, self._in_context = self._in_context, None
        mine, self._in_thread = self._in_thread, None
        if mine is not None:
            CALL.reset(mine)
        if token is not None:
            otel_context.detach(token)

    def returned(self, result: Any) -> None:
        """Note that the program has got *result*, whose body it may still have to read."""
        self._answered(result)
        pending, self._pending = self._pending, None
        length = result.get("ContentLength") if isinstance(result, dict) else None
        if pending is not None and length != 0:
            checked = hasattr(result.get("Body"), "_validate_checksum")
            if body.watch(pending, body.Body(self, length, checked=checked)):
                return
        self.end("completed", received=self._received)

    def failed(self, error: BaseException) -> None:
        """Note that it raised *error*."""
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            self._answered(response)
        # Of an answer without a body the attempt knows more than the exception.
        name = (isinstance(response, dict) and self.error) or errors.of_exception(error)
        if self._pending is not None:
            # An answer that came, and that what looked at it did not let through.
            self._received = body.received(self._pending)
            self._pending = None
            measures.IO.add(self._received, self.bucket, self.method, "receive")
        if errors.is_expected(self.method, self._status, name):
            self.end("", received=self._received)
        else:
            self.end("failed", name, received=self._received)

    def _answered(self, result: Any) -> None:
        metadata = result.get("ResponseMetadata") if isinstance(result, dict) else None
        if not isinstance(metadata, dict):
            return
        self._status = self._status or metadata.get("HTTPStatusCode") or 0
        for name, key in (("aws.request_id", "RequestId"), ("aws.extended_request_id", "HostId")):
            value = metadata.get(key)
            if isinstance(value, str):
                # Some storages send the header twice, which makes two values of one.
                self._said[name] = value.partition(",")[0]

    def end(
        self, outcome: str, error: str = "", *, received: int = 0, until: float | None = None
    ) -> None:
        """
        Measure it, once; *outcome* is that of its transfer, *error* what went wrong.

        *until* is when its last byte came, if that was before now.
        """
        now = default_timer()
        seconds = (now if until is None else until) - self._start
        span, labels = self._span, measures.ended(self.bucket, self.method, self._status, error)
        measures.OPERATION_DURATION.record(seconds, labels, self.context)
        said = self._said
        if self._status:
            said["http.response.status_code"] = self._status
        if self._sent:
            said["http.request.body.size"] = self._sent
        if received:
            said["http.response.body.size"] = received
        if self._retries:
            said["http.request.resend_count"] = self._retries
        if error:
            said["error.type"] = error
            span.set_status(StatusCode.ERROR, error)
        size = received if self.method == "GetObject" else self._sent
        if self._transfer is not None:
            if outcome in {"abandoned", "unread"}:
                said[measures.OUTCOME] = outcome
            self._transfer.end(
                outcome, error=error, size=size, seconds=seconds, context=self.context
            )
        elif self._managed is not None:
            self._managed.ends(self._params, outcome, error, size)
        span.set_attributes(said)
        began: int | None = getattr(span, "start_time", None)
        if until is None or began is None or now - until <= _IDLE:
            span.end()
        else:
            span.end(began + int(seconds * 1e9))
