# SPDX-License-Identifier: Apache-2.0
"""
Sessions, locks, transactions and statements of a PostgreSQL server, as metrics.

The Collector's receiver ``postgresql`` counts connections and rows; who waits for whom it gives as
logs, if at all. Run ``python -m otel_setup.postgresql`` beside it, or call `watch`.
"""

from otel_setup.postgresql.reader import Reader, watch

__all__ = ["Reader", "watch"]
