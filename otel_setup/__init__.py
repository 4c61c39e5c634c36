# SPDX-License-Identifier: Apache-2.0
"""
OpenTelemetry for the services of one company, set up in one place.

Importing this package changes nothing: no thread, no environment, no SDK.
Start a service with ``opentelemetry-instrument``, or ``import otel_setup.auto`` on
its first line, or call `setup`.
"""

from otel_setup._report import Report
from otel_setup.bootstrap import Handle, instrument_app, setup
from otel_setup.context import capture_context, carry_context, resume_context, untraced
from otel_setup.instruments import instrument, observe
from otel_setup.settings import ConfigError, Settings
from otel_setup.users import set_user

__all__ = [
    "ConfigError",
    "Handle",
    "Report",
    "Settings",
    "capture_context",
    "carry_context",
    "instrument",
    "instrument_app",
    "observe",
    "resume_context",
    "set_user",
    "setup",
    "untraced",
]
