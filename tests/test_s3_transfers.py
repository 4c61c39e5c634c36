# SPDX-License-Identifier: Apache-2.0
"""What s3transfer moves is one transfer, however it is asked for and in however many parts."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from opentelemetry import trace
from s3transfer.exceptions import CancelledError
from s3transfer.manager import TransferManager
from s3transfer.subscribers import BaseSubscriber

from otel_setup.instrumentation.s3.instrumentor import S3Instrumentor
from otel_setup.testing import Span, Telemetry
from tests.s3_faults import INTERNAL, Fault
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

TRANSFERS = "aws.s3.client.transfer.duration"
MIB = 1 << 20
LARGE = 11 * MIB
TRACER = trace.get_tracer("the application")

Act = Callable[[Any, str, Path], Any]


@pytest.fixture(autouse=True)
def _instrumented(otel: Telemetry) -> Iterator[S3Instrumentor]:
    assert otel.spans == []
    instrumentor = S3Instrumentor()
    instrumentor.instrument()
    yield instrumentor
    instrumentor.uninstrument()


@pytest.fixture(name="bucket")
def _bucket(storage: StorageServer, otel: Telemetry) -> str:
    """A bucket with a large object and a small one; how they came there is not recorded."""
    assert otel.spans == []
    instrumentor = S3Instrumentor()
    instrumentor.uninstrument()
    bucket = storage.bucket()
    for key, size in (("large", LARGE), ("small", 1000)):
        storage.client().put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    instrumentor.instrument()
    return bucket


def upload_file(client: Any, bucket: str, folder: Path) -> None:
    """Upload a large file."""
    (folder / "model.obj").write_bytes(b"x" * LARGE)
    client.upload_file(str(folder / "model.obj"), bucket, "a")


def upload_fileobj(client: Any, bucket: str, _folder: Path) -> None:
    """Upload what is in memory."""
    client.upload_fileobj(io.BytesIO(b"x" * LARGE), bucket, "a")


def upload_without_threads(client: Any, bucket: str, _folder: Path) -> None:
    """Upload in the program's own thread."""
    client.upload_fileobj(
        io.BytesIO(b"x" * LARGE), bucket, "a", Config=TransferConfig(use_threads=False)
    )


def upload_by_a_manager(client: Any, bucket: str, _folder: Path) -> None:
    """Upload below boto3."""
    with TransferManager(client) as manager:
        manager.upload(io.BytesIO(b"x" * LARGE), bucket, "a").result()


def download_file(client: Any, bucket: str, folder: Path) -> None:
    """Download into a file."""
    client.download_file(bucket, "large", str(folder / "model.obj"))
    assert (folder / "model.obj").stat().st_size == LARGE


def download_fileobj(client: Any, bucket: str, _folder: Path) -> None:
    """Download into memory."""
    file = io.BytesIO()
    client.download_fileobj(bucket, "large", file)
    assert len(file.getvalue()) == LARGE


def download_without_threads(client: Any, bucket: str, _folder: Path) -> None:
    """Download in the program's own thread."""
    client.download_fileobj(bucket, "large", io.BytesIO(), Config=TransferConfig(use_threads=False))


def calls(otel: Telemetry, *methods: str) -> list[Span]:
    """Return the spans of calls of *methods*."""
    return [span for span in otel.spans if span.attributes.get("rpc.method") in methods]


def outcomes(otel: Telemetry) -> dict[tuple[str, str, str | None], float]:
    """Return how often transfers ended, by direction, outcome and error."""
    if TRANSFERS not in otel.metrics:
        return {}
    return {
        (
            point.labels["aws.s3.transfer.direction"],
            point.labels["aws.s3.transfer.outcome"],
            point.labels.get("error.type"),
        ): point.value
        for point in otel.metric(TRANSFERS).points
    }


@pytest.mark.parametrize(
    ("act", "direction"),
    [
        (upload_file, "upload"),
        (upload_fileobj, "upload"),
        (upload_without_threads, "upload"),
        (upload_by_a_manager, "upload"),
        (download_file, "download"),
        (download_fileobj, "download"),
        (download_without_threads, "download"),
    ],
)
def test_a_transfer_in_parts_is_one(  # noqa: PLR0913, PLR0917 - one per part of the fact
    otel: Telemetry, storage: StorageServer, bucket: str, tmp_path: Path, act: Act, direction: str
) -> None:
    """With one span in the caller's trace, and all its calls under it."""
    with TRACER.start_as_current_span("order"):
        act(storage.client(), bucket, tmp_path)

    order, whole = otel.span("order"), otel.span(f"S3 {direction}")
    assert (whole.kind, whole.parent_id) == ("INTERNAL", order.span_id)
    assert whole.attributes == {
        "aws.s3.bucket": bucket,
        "aws.s3.transfer.parts": 2,
        "aws.s3.transfer.size": LARGE,
    }
    clients = [span for span in otel.spans if span.kind == "CLIENT"]
    assert len(clients) >= 3
    assert {span.parent_id for span in clients} == {whole.span_id}
    assert {span.trace_id for span in otel.spans} == {order.trace_id}
    assert outcomes(otel) == {(direction, "completed", None): 1}
    assert otel.metric("aws.s3.client.active_transfers").points[0].value == 0


def test_a_small_transfer_is_one(otel: Telemetry, storage: StorageServer, bucket: str) -> None:
    """Although one call does it: it is not counted for both."""
    storage.client().upload_fileobj(io.BytesIO(b"x" * 1000), bucket, "a")
    storage.client().download_fileobj(bucket, "small", io.BytesIO())

    assert otel.span("S3.PutObject").parent_id == otel.span("S3 upload").span_id
    assert otel.span("S3 download").attributes["aws.s3.transfer.parts"] == 1
    assert outcomes(otel) == {
        ("upload", "completed", None): 1,
        ("download", "completed", None): 1,
    }


def test_buckets_and_objects_of_a_resource_transfer(
    otel: Telemetry, storage: StorageServer, bucket: str, tmp_path: Path
) -> None:
    """They have methods of their own."""
    file = tmp_path / "model.obj"
    file.write_bytes(b"x" * 1000)
    of_bucket = storage.resource().Bucket(bucket)
    of_bucket.upload_file(str(file), "a")
    of_bucket.Object("a").download_file(str(tmp_path / "copy.obj"))
    of_bucket.Object("a").upload_fileobj(io.BytesIO(b"y"))

    assert outcomes(otel) == {
        ("upload", "completed", None): 2,
        ("download", "completed", None): 1,
    }


@pytest.mark.parametrize("key", ["small", "large"])
def test_a_copy_moves_nothing_of_ours(
    otel: Telemetry, storage: StorageServer, bucket: str, key: str
) -> None:
    """It has a span with its calls, and is neither an upload nor a download."""
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=6 * MIB)
    storage.client().copy({"Bucket": bucket, "Key": key}, bucket, "copy", Config=config)

    whole = otel.span("S3 copy")
    assert whole.attributes["aws.s3.transfer.parts"] == (1 if key == "small" else 2)
    assert {span.parent_id for span in calls(otel, "CopyObject", "UploadPartCopy")} == {
        whole.span_id
    }
    assert outcomes(otel) == {}


def test_an_upload_that_fails_is_aborted_under_its_span(
    otel: Telemetry, storage: StorageServer, network: S3Proxy, bucket: str
) -> None:
    """It has the code of the call that failed."""
    network.fault(Fault(status=403, code="AccessDenied"), "UploadPart", times=9)
    with pytest.raises(Exception, match="AccessDenied"):
        upload_fileobj(storage.client(network.url), bucket, Path())

    whole = otel.span("S3 upload")
    assert (whole.status, whole.attributes["error.type"]) == ("ERROR", "AccessDenied")
    assert [span.parent_id for span in calls(otel, "AbortMultipartUpload")] == [whole.span_id]
    assert outcomes(otel) == {("upload", "failed", "AccessDenied"): 1}


def test_a_transfer_that_is_cancelled_failed(
    otel: Telemetry, storage: StorageServer, network: S3Proxy, bucket: str
) -> None:
    """By the will of the program."""
    network.fault(Fault(waits=1), "UploadPart", times=9)
    began = threading.Event()

    class Began(BaseSubscriber):  # type: ignore[misc]
        def on_progress(self, **_kwargs: Any) -> None:
            began.set()

    with TransferManager(storage.client(network.url)) as manager:
        future = manager.upload(io.BytesIO(b"x" * LARGE), bucket, "a", subscribers=[Began()])
        assert began.wait(30)
        future.cancel()
        with pytest.raises(CancelledError):
            future.result()

    assert outcomes(otel) == {("upload", "failed", "CancelledError"): 1}
    assert otel.span("S3 upload").attributes["error.type"] == "CancelledError"


def test_an_object_that_is_not_there_is_no_failed_download(
    otel: Telemetry, storage: StorageServer, bucket: str
) -> None:
    """As with a call that asks for it."""
    with pytest.raises(ClientError):
        storage.client().download_fileobj(bucket, "absent", io.BytesIO())

    assert otel.span("S3 download").status == "UNSET"
    assert outcomes(otel) == {}
    assert otel.metric("aws.s3.client.active_transfers").points[0].value == 0


def test_a_part_that_broke_is_asked_for_again(
    otel: Telemetry, storage: StorageServer, network: S3Proxy, bucket: str
) -> None:
    """That is a retry that botocore knows nothing of; its bytes are moved twice, and count once."""
    network.fault(Fault(cut_after=1000), "GetObject")
    file = io.BytesIO()
    storage.client(network.url).download_fileobj(bucket, "large", file)

    assert len(file.getvalue()) == LARGE
    (retries,) = otel.metric("aws.s3.client.retries").points
    assert (retries.value, retries.labels["error.type"]) == (1, "IncompleteReadError")
    moved = otel.metric("aws.s3.client.io").points
    assert sum(p.value for p in moved if p.labels["rpc.method"] == "GetObject") == LARGE + 1000
    assert otel.span("S3 download").attributes["aws.s3.transfer.size"] == LARGE
    assert outcomes(otel) == {("download", "completed", None): 1}


def test_a_part_that_is_sent_again_is_one(
    otel: Telemetry, storage: StorageServer, network: S3Proxy, bucket: str
) -> None:
    """The transfer has it once, the network twice."""
    network.fault(INTERNAL, "UploadPart")
    upload_fileobj(storage.client(network.url), bucket, Path())

    whole = otel.span("S3 upload").attributes
    assert (whole["aws.s3.transfer.parts"], whole["aws.s3.transfer.size"]) == (2, LARGE)
    assert otel.metric("aws.s3.client.retries").points[0].value == 1


def test_callbacks_of_the_program_are_its_own(
    otel: Telemetry, storage: StorageServer, bucket: str
) -> None:
    """They are traced under the transfer; an object that they ask for is no part of it."""
    other = storage.client()
    sizes: list[int] = []

    def progress(size: int) -> None:
        sizes.append(size)
        with TRACER.start_as_current_span("progress"):
            other.get_object(Bucket=bucket, Key="small")["Body"].read()

    with TRACER.start_as_current_span("order"):
        storage.client().download_fileobj(bucket, "large", io.BytesIO(), Callback=progress)

    assert sum(sizes) == LARGE
    assert outcomes(otel) == {("download", "completed", None): 1 + len(sizes)}
    assert otel.span("S3 download").attributes["aws.s3.transfer.size"] == LARGE
    assert {span.trace_id for span in otel.spans} == {otel.span("order").trace_id}
    steps = {span.span_id for span in otel.spans if span.name == "progress"}
    assert len([span for span in calls(otel, "GetObject") if span.parent_id in steps]) == len(sizes)


def test_deleting_through_a_manager_stays_in_the_trace(
    otel: Telemetry, storage: StorageServer, bucket: str
) -> None:
    """It is one call, and no transfer."""
    with TRACER.start_as_current_span("order"), TransferManager(storage.client()) as manager:
        manager.delete(bucket, "small").result()

    assert otel.span("S3.DeleteObject").parent_id == otel.span("order").span_id
    assert outcomes(otel) == {}


def test_many_transfers_at_once_do_not_mix(
    otel: Telemetry, storage: StorageServer, bucket: str
) -> None:
    """Each has its own parts, with one manager for all."""
    with TransferManager(storage.client(max_pool_connections=20)) as manager:
        futures = [
            manager.upload(io.BytesIO(b"x" * (9 * MIB + number)), bucket, f"a-{number}")
            for number in range(6)
        ]
        for each in futures:
            each.result()

    wholes = [span for span in otel.spans if span.name == "S3 upload"]
    assert sorted(span.attributes["aws.s3.transfer.size"] for span in wholes) == [
        9 * MIB + number for number in range(6)
    ]
    for whole in wholes:
        parts = [s for s in calls(otel, "UploadPart") if s.parent_id == whole.span_id]
        assert len({s.attributes["aws.s3.upload_id"] for s in parts}) == 1
        assert len(parts) == 2


def test_whoever_waits_finds_a_transfer_measured(
    otel: Telemetry, storage: StorageServer, bucket: str
) -> None:
    """Not a moment later, in another thread."""
    client = storage.client()
    for number in range(1, 30):
        client.upload_fileobj(io.BytesIO(b"x"), bucket, "a")
        assert outcomes(otel) == {("upload", "completed", None): number}


@pytest.mark.parametrize("fault", [None, INTERNAL, Fault(status=503, code="SlowDown", early=True)])
def test_frames_of_a_body_are_not_counted(
    otel: Telemetry, storage: StorageServer, bucket: str, tmp_path: Path, fault: Fault | None
) -> None:
    """Over TLS botocore sends bodies in frames, with the checksum behind them."""
    with S3Proxy(storage.port, tmp_path) as network:
        if fault is not None:
            network.fault(fault, "PutObject", skip=1)
        client = storage.client(network.url, verify=network.certificate)
        for body in (b"x" * 3 * MIB, io.BytesIO(b"y" * (2 * MIB + 5)), b""):
            client.put_object(Bucket=bucket, Key="a", Body=body)
        client.upload_fileobj(io.BytesIO(b"x" * LARGE), bucket, "a")
        network.settle()
        seen = {
            method: sum(each.up for each in network.of(method))
            for method in ("PutObject", "UploadPart")
        }

    sent = {
        point.labels["rpc.method"]: point.value
        for point in otel.metric("aws.s3.client.io").points
        if point.labels["network.io.direction"] == "transmit"
    }
    assert sent["PutObject"] == seen["PutObject"]
    assert sent["UploadPart"] == seen["UploadPart"] == LARGE
    assert outcomes(otel) == {("upload", "completed", None): 4}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_what_was_sent_before_a_connection_broke_counts(
    otel: Telemetry, storage: StorageServer, bucket: str, tmp_path: Path, secure: bool
) -> None:
    """Also of a body that is one large block, of which the program does not know it."""
    with S3Proxy(storage.port, tmp_path if secure else None) as network:
        network.fault(Fault(reset_up_after=MIB), "PutObject")
        storage.client(network.url, verify=network.certificate).put_object(
            Bucket=bucket, Key="a", Body=b"x" * 40 * MIB
        )

    (sent,) = (
        point.value
        for point in otel.metric("aws.s3.client.io").points
        if point.labels["network.io.direction"] == "transmit"
    )
    assert 41 * MIB <= sent < 79 * MIB
    assert otel.span("S3.PutObject").attributes["http.request.body.size"] == 40 * MIB
