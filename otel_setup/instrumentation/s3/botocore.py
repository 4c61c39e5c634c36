# SPDX-License-Identifier: Apache-2.0
"""
What is replaced in botocore: where a call begins and ends, and each attempt of it.

What runs in every call stands in ``try``, which costs nothing, and raises into `quiet` only when
it failed: entering that costs a microsecond each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.instrumentation.utils import (
    is_instrumentation_enabled,
    suppress_http_instrumentation,
)

from otel_setup._guard import quiet
from otel_setup.instrumentation.patching import Replacement
from otel_setup.instrumentation.s3 import body, wire
from otel_setup.instrumentation.s3.call import CALL, Call


class Clients:
    """Whether clients are measured, and what is said about their calls."""

    def __init__(self, *, keys: bool) -> None:
        self.active = True
        self._keys = keys

    def begin(self, meta: Any, method: str, params: Any) -> Call | None:
        """Begin with a call of *method*; None where nothing is measured."""
        if meta.service_model.service_name != "s3" or not self.active:
            return None
        return Call(meta, method, params, keys=self._keys) if is_instrumentation_enabled() else None


def _call(clients: Clients) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        @functools.wraps(original)
        def make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
            call = None
            try:
                call = clients.begin(self.meta, operation_name, api_params)
            except Exception:
                with quiet("beginning with an S3 call"):
                    raise
            if call is None:
                return _beside(original, self, operation_name, api_params)
            try:
                result = original(self, operation_name, api_params)
            except BaseException as error:
                with quiet("measuring an S3 call that failed"):
                    call.leave()
                    call.failed(error)
                raise
            try:
                call.leave()
                call.returned(result)
            except Exception:
                with quiet("measuring an S3 call"):
                    raise
            return result

        return make_api_call

    return make


def _beside(original: Any, *args: Any) -> Any:
    """Call *original*, which is no part of the S3 call that may wait for it."""
    if CALL.get() is None:
        return original(*args)
    token = CALL.set(None)
    try:
        return original(*args)
    finally:
        CALL.reset(token)


def _attempt(original: Any) -> Any:
    @functools.wraps(original)
    def get_response(self: Any, request: Any, operation_model: Any, context: Any) -> Any:
        call = CALL.get()
        if call is None:
            return original(self, request, operation_model, context)
        try:
            call.begin_attempt()
        except Exception:
            with quiet("beginning with an attempt"):
                raise
        try:
            found = original(self, request, operation_model, context)
        except BaseException as error:
            with quiet("measuring an attempt"):
                call.end_attempt((None, error), streams=False)
            raise
        try:
            call.end_attempt(
                found,
                streams=operation_model.has_streaming_output
                and not operation_model.has_event_stream_output,
            )
        except Exception:
            with quiet("measuring an attempt"):
                raise
        return found

    return get_response


def _send(original: Any) -> Any:
    from urllib3.connectionpool import HTTPConnectionPool  # noqa: PLC0415 - it is there by now

    @functools.wraps(original)
    def send(self: Any, request: Any) -> Any:
        call = CALL.get()
        if call is None or call.attempt is None:
            return original(self, request)
        if not hasattr(HTTPConnectionPool.urlopen, "__wrapped__"):
            return original(self, request)
        call.attempt.suppressed = True
        with suppress_http_instrumentation():
            return original(self, request)

    return send


def _needs_retry(original: Any) -> Any:
    @functools.wraps(original)
    def needs_retry(self: Any, attempts: int, *args: Any, **kwargs: Any) -> Any:
        again = original(self, attempts, *args, **kwargs)
        call = CALL.get()
        if again and call is not None:
            with quiet("counting a retry"):
                call.retried(attempts)
        return again

    return needs_retry


def _validate_checksum(original: Any) -> Any:
    @functools.wraps(original)
    def validate_checksum(self: Any) -> Any:
        stream = self._raw_stream
        try:
            result = original(self)
        except Exception as error:
            _checked(stream, error)
            raise
        _checked(stream, None)
        return result

    return validate_checksum


def _checked(stream: Any, error: Exception | None) -> None:
    with quiet("measuring a body that was checked"):
        known = body.of(stream)
        if known is not None:
            known.was_checked(stream, error)


def replacements(clients: Clients) -> Iterator[Replacement]:
    """Yield the methods of botocore, and what makes ours of them."""
    from botocore.client import BaseClient  # noqa: PLC0415 - the program may not use it
    from botocore.endpoint import Endpoint  # noqa: PLC0415
    from botocore.httpchecksum import StreamingChecksumBody  # noqa: PLC0415

    yield BaseClient, "_make_api_call", _call(clients)
    yield Endpoint, "_get_response", _attempt
    yield Endpoint, "_send", _send
    yield Endpoint, "_needs_retry", _needs_retry
    yield StreamingChecksumBody, "_validate_checksum", _validate_checksum
    yield from wire.replacements()
