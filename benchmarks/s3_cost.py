# SPDX-License-Identifier: Apache-2.0
"""
Processor time that telemetry adds to one call of S3, side by side.

Each variant is a client process of its own against the same storage, and puts, gets and reads,
and asks for small objects. What is read is the process's own account of its processor time, with
the SDK's spans, metrics and exemplars in it, and without exports: `benchmarks.http_cost` has
those. Variants take turns in short rounds.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import boto3

from benchmarks import side_by_side

#: What instruments the client, in each variant.
VARIANTS: Mapping[str, str] = {
    "bare": "",
    "otel_setup": "otel_setup.instrumentation.s3.instrumentor:S3Instrumentor",
    "upstream": "opentelemetry.instrumentation.botocore:BotocoreInstrumentor",
}
_SIZE = 200


def _round(client: Any, bucket: str, calls: int) -> tuple[float, ...]:
    """Return the processor time of putting, getting and asking once, in microseconds."""
    spent = []
    content = b"x" * _SIZE

    def get() -> None:
        with client.get_object(Bucket=bucket, Key="bench")["Body"] as body:
            body.read()

    for call in (
        lambda: client.put_object(Bucket=bucket, Key="bench", Body=content),
        get,
        lambda: client.head_object(Bucket=bucket, Key="bench"),
    ):
        start = time.process_time()
        for _ in range(calls):
            call()
        spent.append((time.process_time() - start) / calls * 1e6)
    return tuple(spent)


def _client(variant: str, url: str) -> None:
    """Answer each number of calls on standard input with what one of each kind cost."""
    side_by_side.instrument(VARIANTS[variant])
    client = boto3.client("s3", endpoint_url=url)
    bucket = f"bench-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket)
    try:
        for line in sys.stdin:
            side_by_side.answer(*_round(client, bucket, int(line)))
    finally:
        client.delete_object(Bucket=bucket, Key="bench")
        client.delete_bucket(Bucket=bucket)


def main() -> None:
    """Measure and print the medians, what each variant adds to bare, and the ratio to it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--url",
        required=True,
        help="the storage, http://host:port; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY open it",
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--client", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        _client(chosen.client, chosen.url)
        return
    found = side_by_side.measure(
        "benchmarks.s3_cost", VARIANTS, chosen.url, chosen.rounds, chosen.calls
    )
    medians = side_by_side.medians(found)
    print(f"{'':12}{'put µs':>8}{'get µs':>8}{'head µs':>8}{'added to each':>22}{'of bare':>9}")  # noqa: T201
    bare = medians["bare"]
    for name, kinds in medians.items():
        added = "".join(f"{kind - base:+7.0f}" for kind, base in zip(kinds, bare, strict=True))
        print(  # noqa: T201
            f"{name:12}{''.join(f'{kind:8.0f}' for kind in kinds)}{added:>22}"
            f"{sum(kinds) / sum(bare):9.2f}"
        )


if __name__ == "__main__":
    main()
