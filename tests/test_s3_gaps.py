# SPDX-License-Identifier: Apache-2.0
"""What upstream's instrumentation of botocore does not say of S3, on a real storage; ours does."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from opentelemetry import trace

from otel_setup.testing import Span, Telemetry
from tests.amqp_gaps import counted, gap, of_kind
from tests.programs import free_port
from tests.s3_faults import SLOW_DOWN, UNAVAILABLE, Fault
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("instrumentation")]

TRACER = trace.get_tracer("the application")
DURATION = "aws.s3.client.operation.duration"
KEY = "customers/ivanov/passport.obj"
_MIB = 1 << 20


def calls(otel: Telemetry, method: str) -> list[Span]:
    """Return the CLIENT spans of calls of *method*."""
    return [span for span in of_kind(otel, "CLIENT") if span.attributes.get("rpc.method") == method]


def texts(otel: Telemetry) -> list[str]:
    """Return all values of labels, attributes and events."""
    labels = [
        value
        for metric in otel.metrics.values()
        for point in metric.points
        for value in point.labels.values()
    ]
    spans = [value for span in otel.spans for value in (span.name, *span.attributes.values())]
    events = [
        value for span in otel.spans for event in span.events for value in event.attributes.values()
    ]
    return [str(value) for value in (*labels, *spans, *events)]


@gap("s3", "no metrics at all, and the span ends with the head of the answer")
def test_a_download_is_measured_to_its_last_byte(
    otel: Telemetry, storage: StorageServer, network: S3Proxy
) -> None:
    """Bytes both ways are counted by bucket; a body that takes 300 ms is in the duration."""
    bucket, client = storage.bucket(), storage.client(network.url)
    network.fault(Fault(pause=0.3, pause_after=500), "GetObject")

    client.put_object(Bucket=bucket, Key=KEY, Body=b"x" * 1000)
    with client.get_object(Bucket=bucket, Key=KEY)["Body"] as body:
        with TRACER.start_as_current_span("work"):
            pass
        assert len(body.read()) == 1000

    assert counted(
        otel, "aws.s3.client.io", "aws.s3.bucket", "rpc.method", "network.io.direction"
    ) == {
        (bucket, "PutObject", "transmit"): 1000,
        (bucket, "GetObject", "receive"): 1000,
    }
    assert otel.metric(DURATION).point({"rpc.method": "GetObject"}).sum >= 0.3
    assert (
        otel.metric("aws.s3.client.time_to_first_byte").point({"rpc.method": "GetObject"}).sum > 0
    )
    (download,) = calls(otel, "GetObject")
    assert download.end > otel.span("work").end


@gap("s3", "neither bucket nor anything else of S3 is on the span")
def test_the_bucket_is_known_and_the_key_is_not(
    otel: Telemetry, storage: StorageServer, network: S3Proxy
) -> None:
    """Spans and metrics have the bucket; the object's key is in none of them."""
    bucket, client = storage.bucket(), storage.client(network.url)

    client.put_object(Bucket=bucket, Key=KEY, Body=b"x")
    client.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": KEY})
    client.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    client.delete_object(Bucket=bucket, Key=KEY)
    with pytest.raises(ClientError):
        client.get_object(Bucket=bucket, Key=KEY)

    assert [each.key for each in network.of()].count(KEY) == 4
    spans = of_kind(otel, "CLIENT")[-5:]
    assert [span.attributes.get("aws.s3.bucket") for span in spans] == [bucket] * 5
    assert [text for text in texts(otel) if "ivanov" in text] == []
    assert set(otel.metric(DURATION).by("aws.s3.bucket")) == {bucket}


def _upload_fileobj(client: Any, bucket: str) -> None:
    client.upload_fileobj(io.BytesIO(b"x" * 11 * _MIB), bucket, KEY)


def _download_fileobj(client: Any, bucket: str) -> None:
    client.download_fileobj(bucket, KEY, io.BytesIO())


@gap("s3", "each part is a trace of its own, and nothing stands for the whole")
@pytest.mark.parametrize(
    ("transfer", "name", "part", "direction"),
    [
        pytest.param(_upload_fileobj, "S3 upload", "UploadPart", "upload", id="upload"),
        pytest.param(_download_fileobj, "S3 download", "GetObject", "download", id="download"),
    ],
)
def test_parts_have_one_parent_in_the_callers_trace(  # noqa: PLR0913, PLR0917 - one per part of the fact
    otel: Telemetry,
    storage: StorageServer,
    network: S3Proxy,
    transfer: Callable[[Any, str], None],
    name: str,
    part: str,
    direction: str,
) -> None:
    """All calls of a transfer in parts lie under one span, which lies in its caller's."""
    bucket = storage.bucket()
    _upload_fileobj(storage.client(), bucket)
    before = len(otel.spans)

    with TRACER.start_as_current_span("work"):
        transfer(storage.client(network.url), bucket)

    spans = otel.spans[before:]
    work = otel.span("work")
    parts = [span for span in spans if span.kind == "CLIENT"]
    assert len(parts) == len(network.of())
    assert {span.trace_id for span in parts} == {work.trace_id}
    (parent,) = [span for span in spans if span.name == name]
    assert (parent.kind, parent.parent_id) == ("INTERNAL", work.span_id)
    assert {span.parent_id for span in parts} == {parent.span_id}
    assert len(network.of(part)) == 2
    assert counted(
        otel,
        "aws.s3.client.transfer.duration",
        "aws.s3.transfer.direction",
        "aws.s3.transfer.outcome",
    ) == Counter([("upload", "completed"), (direction, "completed")])


@gap("s3", "retries are a number on the span, without their reasons, and in no metric")
def test_retries_are_counted_by_their_reason(
    otel: Telemetry, storage: StorageServer, network: S3Proxy
) -> None:
    """Two failed attempts before a good one are two retries with their reasons; all is well."""
    bucket, client = storage.bucket(), storage.client(network.url)
    network.fault(SLOW_DOWN, "PutObject")
    network.fault(UNAVAILABLE, "PutObject", skip=1)

    client.put_object(Bucket=bucket, Key=KEY, Body=b"x" * 1000)

    assert [each.status for each in network.of("PutObject")] == [503, 503, 200]
    assert counted(otel, "aws.s3.client.retries", "rpc.method", "error.type") == {
        ("PutObject", "SlowDown"): 1,
        ("PutObject", "503"): 1,
    }
    assert counted(otel, "aws.s3.client.throttles", "rpc.method") == {"PutObject": 1}
    assert counted(otel, "aws.s3.client.io", "rpc.method", "network.io.direction") == {
        ("PutObject", "transmit"): 3000,
        ("PutObject", "receive"): sum(each.down for each in network.of()),
    }
    (span,) = calls(otel, "PutObject")
    assert (span.status, "error.type" in span.attributes, len(span.events)) == ("UNSET", False, 2)


@gap("s3", "no error.type and no retries when nobody answers")
def test_a_dead_endpoint_is_an_error_with_retries(otel: Telemetry, storage: StorageServer) -> None:
    """Where nobody listens, the error has its type, and each attempt after the first counts."""
    client = storage.client(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(EndpointConnectionError):
        client.head_object(Bucket="models", Key=KEY)

    (span,) = calls(otel, "HeadObject")
    assert (span.status, span.attributes.get("error.type")) == ("ERROR", "EndpointConnectionError")
    assert counted(otel, DURATION, "error.type") == {"EndpointConnectionError": 1}
    assert counted(otel, "aws.s3.client.retries", "error.type") == {"EndpointConnectionError": 2}


@gap("s3", "a question whether an object exists is an error when it does not")
def test_a_missing_object_is_no_error(otel: Telemetry, storage: StorageServer) -> None:
    """The 404 of a question for an object is its status, not an error."""
    bucket, client = storage.bucket(), storage.client()

    with pytest.raises(ClientError):
        client.head_object(Bucket=bucket, Key=KEY)
    with pytest.raises(ClientError):
        client.get_object(Bucket=bucket, Key=KEY)

    spans = of_kind(otel, "CLIENT")[-2:]
    assert [(span.status, span.events) for span in spans] == [("UNSET", ())] * 2
    assert [span.attributes.get("http.response.status_code") for span in spans] == [404] * 2
    assert counted(otel, DURATION, "http.response.status_code", "error.type") == {
        (404, None): 2
    } | {(200, None): 1}


@gap("s3", "the code of the error is nowhere")
def test_errors_are_known_by_their_code(otel: Telemetry, storage: StorageServer) -> None:
    """What the storage says is wrong is the type of the error."""
    with pytest.raises(ClientError):
        storage.client().put_object(Bucket="never-made", Key=KEY, Body=b"x")

    (span,) = calls(otel, "PutObject")
    assert (span.status, span.attributes.get("error.type")) == ("ERROR", "NoSuchBucket")
    assert counted(otel, DURATION, "rpc.method", "error.type") == {("PutObject", "NoSuchBucket"): 1}
