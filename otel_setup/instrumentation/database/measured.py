# SPDX-License-Identifier: Apache-2.0
"""Which drivers are measured themselves: what sits upon them leaves their statements alone."""

from __future__ import annotations

#: Drivers, as SQLAlchemy names them.
DRIVERS: set[str] = set()
