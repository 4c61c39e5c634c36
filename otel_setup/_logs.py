# SPDX-License-Identifier: Apache-2.0
"""
Which span an exception left, for whoever logs that exception afterwards.

uvicorn and gunicorn log the traceback of a request when the application is through:
the span has ended, the context is gone. Without this the one record that everybody looks
for would have no trace id.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode

from otel_setup.instrumentation.logs.records import note

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class Left(SpanProcessor):
    """Notes the span on the exception that is on its way out when the span ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Note the outermost span of this process; one that went well is no exception's."""
        error = sys.exc_info()[1]
        if (
            error is not None
            and span.status.status_code is StatusCode.ERROR
            and (span.parent is None or span.parent.is_remote)
            and span.context is not None
        ):
            note(error, span.context)
