# SPDX-License-Identifier: Apache-2.0
"""
What telemetry counts of S3 calls is what the storage and the network before it saw, exactly.

Threads put, get, copy, list and delete objects of 0 B to 200 MB at random, whole, in parts, in
ranges, and not to the end, over a network on which one request in twenty fails. `S3_OPERATIONS`
says how many operations there are, and `S3_SEED` makes them others. The rules:

1. Bytes are those of bodies, objects and XML, those of failed attempts included, without the
   frames in which they go.
2. A body that the program left counts with what the program read of it: what was under way when
   it went away was received by nobody. Such objects have a bucket of their own here.
3. What s3transfer asks for again since its body broke off is a call of its own, and a retry.
4. Connections are not reset while the client sends: how much it had sent then, it cannot know.

What is measured as speed is compared with the clock of a network of a known rate.
"""

from __future__ import annotations

import gc
import io
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.retries.standard import ExponentialBackoff

from otel_setup.testing import Telemetry
from tests.amqp_gaps import INSTRUMENTORS, counted, instrumented
from tests.broker import until
from tests.s3_faults import INTERNAL, NONE, SLOW_DOWN, UNAVAILABLE, Exchange, Fault
from tests.s3_operations import LARGEST, MIB, PARTLY, Worker, content
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

OPERATIONS = int(os.environ.get("S3_OPERATIONS", "400"))
SEED = int(os.environ.get("S3_SEED", "0"))
_WORKERS = 4
_SECONDS = 60 + OPERATIONS // 5

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(_SECONDS + 60),
    # Bodies that are left behind leave their connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <s:pytest.PytestUnraisableExceptionWarning"
    ),
]

_EARLY = Fault(status=503, code="SlowDown", early=True)
_FAULTS = (
    SLOW_DOWN,
    UNAVAILABLE,
    INTERNAL,
    Fault(reset=True),
    _EARLY,
)
_ERRORS = 300
_TOLERANCE = 0.05
_BREAKS_OFF = Fault(cut_after=500)


class Weather:
    """Breaks one request in twenty."""

    def __init__(self) -> None:
        self._random = random.Random(SEED)  # noqa: S311 - no secret
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Return what happens to the request."""
        with self._lock:
            if self._random.randrange(20):
                return None
            # A body that breaks off of an object that is left anyway would be left earlier.
            if exchange.operation == "GetObject" and exchange.key not in PARTLY:
                return self._random.choice((*_FAULTS, _BREAKS_OFF))
            return self._random.choice(_FAULTS)


@dataclass
class Run:
    """What the random operations left: at the programs, the network and the storage."""

    workers: list[Worker]
    exchanges: list[Exchange]
    storage: StorageServer
    #: The bucket whose objects are read whole, and the one whose are not.
    whole: str
    partly: str

    def calls(self) -> dict[str, list[Exchange]]:
        """Return the attempts of each call, in their order."""
        found: dict[str, list[Exchange]] = {}
        for each in sorted(self.exchanges, key=lambda each: each.began):
            found.setdefault(each.call, []).append(each)
        return found

    def per_operation(self, values: Iterable[tuple[str, int]]) -> dict[str, int]:
        """Return the sums of values by operation, without those that are 0."""
        found: Counter[str] = Counter()
        for operation, value in values:
            found[operation] += value
        return {operation: value for operation, value in found.items() if value}

    def moved(self) -> dict[tuple[str, str, str], int]:
        """Return the bytes of bodies by bucket, operation and direction."""
        found: Counter[tuple[str, str, str]] = Counter()
        for each in self.exchanges:
            found[each.bucket, each.operation, "transmit"] += each.up
            if each.bucket == self.whole or each.status >= _ERRORS:
                found[each.bucket, each.operation, "receive"] += each.down
        read = sum(worker.read for worker in self.workers)
        found[self.partly, "GetObject", "receive"] += read
        return {key: value for key, value in found.items() if value}

    def show(self) -> None:
        """Print the figures, which pytest shows of a test that fails, and with ``-s``."""
        took = max(each.ended for each in self.exchanges) - min(e.began for e in self.exchanges)
        faults = sum(each.fault is not NONE for each in self.exchanges)
        print(  # noqa: T201
            f"\n{OPERATIONS} operations: {len(self.calls())} calls, {len(self.exchanges)} requests,"
            f" {faults} of them broken, {sum(self.moved().values()):,} bytes in {took:.1f} s"
        )


@pytest.fixture
def run(
    otel: Telemetry,  # noqa: ARG001 - the operations are recorded there
    storage: StorageServer,
    network: S3Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """Random operations that are done."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    whole, partly = storage.bucket(), storage.bucket()
    for key, size in PARTLY.items():
        storage.client().put_object(Bucket=partly, Key=key, Body=b"x" * size)
    network.rules.append(Weather())
    with instrumented(INSTRUMENTORS["s3"][0]):
        client = storage.client(network.url, max_pool_connections=_WORKERS * 8)
        numbers = range(SEED * _WORKERS, (SEED + 1) * _WORKERS)
        workers = [Worker(client, whole, partly, number) for number in numbers]
        with ThreadPoolExecutor(_WORKERS) as pool:
            first = {workers[0]: (0, LARGEST)}
            for done in [
                pool.submit(each.run, OPERATIONS // _WORKERS, *first.get(each, ()))
                for each in workers
            ]:
                done.result(_SECONDS)
        gc.collect()
    run = Run(workers, network.of(), storage, whole, partly)
    run.show()
    yield run
    content.cache_clear()
    empty(storage, whole)


def empty(storage: StorageServer, bucket: str) -> None:
    """Delete all objects of *bucket*."""
    client = storage.client()
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", ())
    for each in listed:
        client.delete_object(Bucket=bucket, Key=each["Key"])


def error_of(exchange: Exchange) -> str:
    """Return what a client can know of why an attempt failed."""
    if exchange.cut:
        return "IncompleteReadError"
    if not exchange.status:
        return "ConnectionClosedError"
    code = exchange.fault.code
    # An answer to HEAD has no body, but asks to slow down beside its status.
    known = code and (exchange.operation != "HeadObject" or code == "SlowDown")
    return code if known else str(exchange.status)


def test_all_counts_are_equal(otel: Telemetry, run: Run) -> None:
    """Calls, attempts, retries, bytes and transfers: the same for client, network and storage."""
    calls = run.calls()
    asked = [each for each in run.exchanges if not each.fault.status and not each.fault.reset]

    # The network and the storage agree.
    served = Counter(
        # Its log knows no other good status.
        (each.operation, 200 if each.status < _ERRORS else each.status)
        for each in asked
        if each.bucket == run.whole
    )
    until(lambda: run.storage.requests(run.whole).total() > served.total(), "its log is written")
    assert run.storage.requests(run.whole) - Counter([("CreateBucket", 200)]) == served
    listed = run.storage.client().list_objects_v2(Bucket=run.whole).get("Contents", ())
    known = {key: size for worker in run.workers for key, size in worker.objects.items()}
    assert {each["Key"]: each["Size"] for each in listed} == known

    # So does the client.
    duration = "aws.s3.client.operation.duration"
    assert counted(otel, duration, "rpc.method", "http.response.status_code") == Counter(
        (attempts[-1].operation, attempts[-1].status or None) for attempts in calls.values()
    )
    tried_again = [each for attempts in calls.values() for each in attempts[:-1]]
    tried_again += [each for each in run.exchanges if each.cut and each.by_transfer]
    assert counted(otel, "aws.s3.client.retries", "rpc.method", "error.type") == Counter(
        (each.operation, error_of(each)) for each in tried_again
    )
    assert counted(otel, "aws.s3.client.throttles", "rpc.method") == run.per_operation(
        (each.operation, each.fault.code == "SlowDown") for each in run.exchanges
    )
    assert counted(otel, "aws.s3.client.time_to_first_byte", "rpc.method") == run.per_operation(
        (each.operation, each.status > 0) for each in run.exchanges
    )
    assert (
        counted(otel, "aws.s3.client.io", "aws.s3.bucket", "rpc.method", "network.io.direction")
        == run.moved()
    )

    # And the programs.
    assert counted(
        otel,
        "aws.s3.client.transfer.duration",
        "aws.s3.transfer.direction",
        "aws.s3.transfer.outcome",
    ) == sum((worker.transfers for worker in run.workers), Counter())
    assert counted(otel, "aws.s3.client.active_transfers", "aws.s3.bucket") == {}
    spans = [span for span in otel.spans if span.kind == "CLIENT"]
    assert Counter((span.attributes["rpc.method"], len(span.events)) for span in spans) == Counter(
        (attempts[0].operation, len(attempts) - 1) for attempts in calls.values()
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(NONE, id="at once"),
        pytest.param(SLOW_DOWN, id="again after an error"),
        pytest.param(_EARLY, id="again after an error before the body"),
        pytest.param(Fault(reset=True), id="again after a reset"),
    ],
)
def test_frames_are_not_counted(
    otel: Telemetry, storage: StorageServer, tmp_path: Path, fault: Fault
) -> None:
    """Over TLS bodies go in frames with a checksum: the payload counts, as often as it is sent."""
    bucket = storage.bucket()
    with S3Proxy(storage.port, tmp_path) as network, instrumented(INSTRUMENTORS["s3"][0]):
        network.fault(fault, "PutObject", skip=1)
        network.fault(fault, "UploadPart")
        client = storage.client(network.url, verify=network.certificate)
        for body in (b"", b"x" * 100_000, io.BytesIO(b"x" * 3_000_000)):
            client.put_object(Bucket=bucket, Key="put", Body=body)
        client.upload_fileobj(io.BytesIO(b"x" * 9 * MIB), bucket, "uploaded")

        for operation in ("PutObject", "UploadPart"):
            sent = sum(each.up for each in network.of(operation))
            assert sent >= 3_100_000
            labels = {"rpc.method": operation, "network.io.direction": "transmit"}
            assert otel.metric("aws.s3.client.io").value(labels) == sent
    empty(storage, bucket)


_SIZE = 4 * MIB
_LARGE = 10 * MIB
_PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


def _put(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="put", Body=b"x" * _SIZE)


def _put_file(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="put", Body=io.BytesIO(b"x" * _SIZE))


def _upload(client: Any, bucket: str) -> None:
    client.upload_fileobj(io.BytesIO(b"x" * _LARGE), bucket, "uploaded", Config=_PARTS)


def _get(client: Any, bucket: str) -> None:
    client.get_object(Bucket=bucket, Key="there")["Body"].read()


def _get_in_pieces(client: Any, bucket: str) -> None:
    for _ in client.get_object(Bucket=bucket, Key="there")["Body"].iter_chunks(100_000):
        pass


def _download(client: Any, bucket: str) -> None:
    client.download_fileobj(bucket, "large", io.BytesIO(), Config=_PARTS)


@pytest.mark.parametrize(
    ("transfer", "direction", "size"),
    [
        pytest.param(_put, "upload", _SIZE, id="put"),
        pytest.param(_put_file, "upload", _SIZE, id="put of a file"),
        pytest.param(_upload, "upload", _LARGE, id="upload in parts"),
        pytest.param(_get, "download", _SIZE, id="get"),
        pytest.param(_get_in_pieces, "download", _SIZE, id="get in pieces"),
        pytest.param(_download, "download", _LARGE, id="download in parts"),
    ],
)
def test_speed_is_that_of_the_whole_transfer(  # noqa: PLR0913, PLR0917 - one per part of the fact
    otel: Telemetry,
    storage: StorageServer,
    network: S3Proxy,
    transfer: Callable[[Any, str], None],
    direction: str,
    size: int,
) -> None:
    """Bytes by time: within 5 % of what the network measured, which has a rate, and the caller."""
    bucket = storage.bucket()
    storage.client().put_object(Bucket=bucket, Key="there", Body=b"x" * _SIZE)
    storage.client().put_object(Bucket=bucket, Key="large", Body=b"x" * _LARGE)
    client = storage.client(network.url)
    client.head_bucket(Bucket=bucket)
    known, off = 0.0, [1.0]
    # A busy machine may keep a program from its clock, but not again and again.
    for transfers in (1, 2, 3):
        network.forget()
        network.usual = Fault(rate=1.5 * MIB)
        with instrumented(INSTRUMENTORS["s3"][0]):
            began = time.perf_counter()
            transfer(client, bucket)
            took = time.perf_counter() - began
        speed = otel.metric("aws.s3.client.transfer.speed").point(
            {
                "aws.s3.bucket": bucket,
                "aws.s3.transfer.direction": direction,
            }
        )
        assert speed.value == transfers
        measured, known = speed.sum - known, speed.sum
        exchanges = network.of()
        passed = max(each.ended for each in exchanges) - min(each.began for each in exchanges)
        off = [abs(measured * seconds / size - 1) for seconds in (passed, took)]
        print(f"\n{off[0]:.2%} off the network, {off[1]:.2%} off the caller")  # noqa: T201
        if max(off) < _TOLERANCE:
            break
    assert max(off) < _TOLERANCE
    empty(storage, bucket)
