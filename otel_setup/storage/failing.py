# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with buckets: what it is called, how often in a row, and told once per change."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

log = logging.getLogger(__name__)

#: Statuses that the same request would get again; a client that is slow or too quick would not.
_FOR_GOOD = frozenset({*range(400, 500), 501} - {408, 429})


def code(error: Exception) -> str:
    """Return the code of the error that S3 answered, or the class of *error*."""
    said = _answer(error).get("Error", {}).get("Code")
    return str(said or type(error).__name__)


def is_answer(error: Exception) -> bool:
    """Tell whether *error* is what S3 answered."""
    return bool(_answer(error))


def may_pass(error: Exception) -> bool:
    """Tell whether the same request may work later: the storage was away, or too busy."""
    if not type(error).__module__.startswith("botocore"):
        return False
    status = _answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status not in _FOR_GOOD


def _answer(error: Exception) -> dict[str, Any]:
    answer = getattr(error, "response", None)
    return answer if isinstance(answer, dict) else {}


class Failing:
    """The buckets whose scans fail."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}
        self._told: dict[str, str] = {}

    @property
    def in_a_row(self) -> Mapping[str, int]:
        """Bucket → how many of its scans have failed since one did not."""
        return dict(self._in_a_row)

    def keep(self, buckets: Collection[str]) -> None:
        """Forget all buckets but these."""
        self._in_a_row = {name: self._in_a_row.get(name, 0) for name in buckets}
        self._told = {name: self._told[name] for name in buckets if name in self._told}

    def failed(self, bucket: str, error: Exception) -> None:
        """Count a failure, and tell it if the one before was none, or another."""
        self._in_a_row[bucket] = self._in_a_row.get(bucket, 0) + 1
        if self._told.get(bucket) != code(error):
            self._told[bucket] = code(error)
            log.warning("bucket %s cannot be scanned: %s", bucket, error)

    def worked(self, bucket: str) -> None:
        """Note that a scan came to its end."""
        self._in_a_row[bucket] = 0
        if self._told.pop(bucket, ""):
            log.info("bucket %s can be scanned again", bucket)
