# SPDX-License-Identifier: Apache-2.0
"""The instruments that S3 calls are recorded with, and the labels that they have in common."""

from __future__ import annotations

from functools import lru_cache

from otel_setup.catalogue.entries import s3 as catalogue
from otel_setup.instrumentation.tally import Tally
from otel_setup.instruments import instrument

OPERATION_DURATION = instrument(catalogue.OPERATION_DURATION)
FIRST_BYTE = instrument(catalogue.FIRST_BYTE)
TRANSFER_DURATION = instrument(catalogue.TRANSFER_DURATION)
TRANSFER_SPEED = instrument(catalogue.TRANSFER_SPEED)

BUCKET = "aws.s3.bucket"
METHOD = "rpc.method"
ERROR = "error.type"
STATUS = "http.response.status_code"
DIRECTION = "aws.s3.transfer.direction"
OUTCOME = "aws.s3.transfer.outcome"

IO = Tally(catalogue.IO, BUCKET, METHOD, "network.io.direction")
RETRIES = Tally(catalogue.RETRIES, BUCKET, METHOD, ERROR)
THROTTLES = Tally(catalogue.THROTTLES, BUCKET, METHOD)
TALLIES = (IO, RETRIES, THROTTLES)

#: Combinations of labels; a program has tens, and one that has thousands makes them anew.
_REMEMBERED = 4096

Labels = dict[str, str | int]


@lru_cache(_REMEMBERED)
def operation(bucket: str, method: str) -> Labels:
    """Return the labels of *method* on *bucket*, which is empty for one that needs none."""
    return {BUCKET: bucket, METHOD: method} if bucket else {METHOD: method}


@lru_cache(_REMEMBERED)
def ended(bucket: str, method: str, status: int, error: str) -> Labels:
    """Return the labels of a call that ended; no *status* is 0, no *error* is empty."""
    labels = dict(operation(bucket, method))
    if status:
        labels[STATUS] = status
    if error:
        labels[ERROR] = error
    return labels


@lru_cache(_REMEMBERED)
def transfer(bucket: str, direction: str, outcome: str, error: str) -> Labels:
    """Return the labels of a transfer that ended; without an *outcome*, those of its speed."""
    labels: Labels = {BUCKET: bucket, DIRECTION: direction}
    if outcome:
        labels[OUTCOME] = outcome
    if error:
        labels[ERROR] = error
    return labels
