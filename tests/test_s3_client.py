# SPDX-License-Identifier: Apache-2.0
"""Calls of S3 are measured, and neither the program nor what it sends is another."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from typing import Any

import botocore.awsrequest
import botocore.client
import botocore.endpoint
import botocore.httpchecksum
import pytest
import s3transfer.futures
import s3transfer.manager
import s3transfer.tasks
import wrapt
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.utils import (
    is_http_instrumentation_enabled,
    is_instrumentation_enabled,
    suppress_instrumentation,
)
from urllib3.connectionpool import HTTPConnectionPool

from otel_setup import instrumentation
from otel_setup.instrumentation.s3 import attributes, errors, measures
from otel_setup.instrumentation.s3.instrumentor import S3Instrumentor
from otel_setup.testing import Span, Telemetry
from tests.programs import free_port
from tests.s3_scripted import Answer, ScriptedS3, client, error

CLASSES = (
    botocore.client.BaseClient,
    botocore.endpoint.Endpoint,
    botocore.awsrequest.AWSConnection,
    botocore.awsrequest.AWSHTTPConnection,
    botocore.awsrequest.AWSHTTPSConnection,
    botocore.httpchecksum.AwsChunkedWrapper,
    botocore.httpchecksum.StreamingChecksumBody,
    s3transfer.futures.TransferCoordinator,
    s3transfer.manager.TransferManager,
    s3transfer.tasks.Task,
)
DURATION = "aws.s3.client.operation.duration"
KEY = "customers/ivanov.obj"


@pytest.fixture(name="instrumentor")
def _instrumentor(otel: Telemetry) -> Iterator[S3Instrumentor]:
    assert otel.spans == []
    instrumentor = S3Instrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture(name="storage")
def _storage(instrumentor: S3Instrumentor) -> Iterator[ScriptedS3]:
    assert instrumentor.is_instrumented_by_opentelemetry
    with ScriptedS3() as storage:
        yield storage


def labels(otel: Telemetry, name: str) -> list[dict[str, Any]]:
    """Return the labels of each point of the metric *name*."""
    return [dict(point.labels) for point in otel.metric(name).points]


def test_a_span_says_what_was_called_and_where(otel: Telemetry, storage: ScriptedS3) -> None:
    """As the semantic conventions have it, and with what the storage calls the request."""
    storage.client().upload_part(
        Bucket="models", Key=KEY, UploadId="U1", PartNumber=3, Body=b"x" * 1000
    )

    span = otel.span("S3.UploadPart")
    assert span.kind == "CLIENT"
    assert span.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "UploadPart",
        "aws.s3.bucket": "models",
        "aws.s3.upload_id": "U1",
        "aws.s3.part_number": 3,
        "cloud.region": "eu-west-1",
        "server.address": "127.0.0.1",
        "server.port": storage.server_address[1],
        "aws.request_id": "R1",
        "aws.extended_request_id": "H1",
        "http.response.status_code": 200,
        "http.request.body.size": 1000,
    }


def test_keys_are_shown_to_who_asks_for_them(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On spans, also that of the source of a copy; labels never have them."""
    monkeypatch.setenv(attributes.VARIABLE, "show")
    instrumentor = S3Instrumentor()
    instrumentor.instrument()
    copied = Answer(b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
    try:
        with ScriptedS3(copied) as storage:
            storage.client().copy_object(
                Bucket="models", Key="copy", CopySource={"Bucket": "from", "Key": KEY}
            )
    finally:
        instrumentor.uninstrument()

    attributes_of = otel.span("S3.CopyObject").attributes
    assert attributes_of["aws.s3.key"] == "copy"
    assert attributes_of["aws.s3.copy_source"] == f"from/{KEY}"
    assert labels(otel, DURATION) == [
        {
            "aws.s3.bucket": "models",
            "rpc.method": "CopyObject",
            "http.response.status_code": 200,
        }
    ]


@pytest.mark.parametrize("source", [{"Bucket": "from", "Key": KEY}, f"from/{KEY}", f"/from/{KEY}"])
def test_a_source_is_its_bucket(source: object) -> None:
    """Without its key, however it is given."""
    assert attributes.of_call({"CopySource": source}, {}, keys=False) == {
        "aws.s3.copy_source": "from"
    }


@pytest.mark.parametrize("bucket", ["models", "arn:aws:s3:eu-west-1:1:accesspoint/models"])
def test_a_bucket_is_a_label(bucket: str) -> None:
    """Its name, or that of a way to it."""
    assert attributes.bucket_of({"Bucket": bucket}) == bucket


@pytest.mark.parametrize("bucket", ["s3://models", "models/ivanov.obj", "a b", 7])
def test_what_is_no_bucket_is_no_label(bucket: object) -> None:
    """A program that takes a path for a bucket must not make a series of each."""
    assert attributes.bucket_of({"Bucket": bucket}) == "(invalid)"


def test_a_call_without_a_bucket_has_none(otel: Telemetry, storage: ScriptedS3) -> None:
    """Who asks for all buckets asks for no one of them."""
    storage.client().list_buckets()

    assert labels(otel, DURATION) == [
        {"rpc.method": "ListBuckets", "http.response.status_code": 200}
    ]


@pytest.mark.parametrize("method", ["head_object", "get_object"])
def test_what_is_not_there_is_no_error(otel: Telemetry, storage: ScriptedS3, method: str) -> None:
    """The question is answered: the status says how, and nothing was transferred."""
    storage.answers.append(Answer(status=404))
    with pytest.raises(ClientError):
        getattr(storage.client(), method)(Bucket="models", Key=KEY)

    (span,) = otel.spans
    assert (span.status, span.attributes["http.response.status_code"]) == ("UNSET", 404)
    assert "error.type" not in span.attributes
    assert "aws.s3.client.transfer.duration" not in otel.metrics


def test_what_has_not_changed_is_no_error(otel: Telemetry, storage: ScriptedS3) -> None:
    """Who asks whether it did is answered."""
    storage.answers.append(Answer(status=304))
    with pytest.raises(ClientError):
        storage.client().get_object(Bucket="models", Key=KEY, IfNoneMatch="e")

    assert otel.span("S3.GetObject").status == "UNSET"


@pytest.mark.parametrize(("method", "more"), [("put_object", {"Body": b"x"}), ("get_object", {})])
def test_a_missing_bucket_is_an_error(
    otel: Telemetry, storage: ScriptedS3, method: str, more: dict[str, bytes]
) -> None:
    """Nobody asks for an object in order to learn whether its bucket is there."""
    storage.answers.append(error("NoSuchBucket", 404))
    with pytest.raises(ClientError):
        getattr(storage.client(), method)(Bucket="models", Key=KEY, **more)

    (span,) = otel.spans
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "NoSuchBucket")


def test_a_code_that_is_none_is_no_label(otel: Telemetry, storage: ScriptedS3) -> None:
    """It comes from outside: the status stands for it."""
    storage.answers.append(error("/customers/ivanov?token=1", 400))
    with pytest.raises(ClientError):
        storage.client().put_object(Bucket="models", Key=KEY, Body=b"x")

    assert labels(otel, DURATION)[0]["error.type"] == "400"


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_each_failed_attempt_is_an_event_of_the_span(
    otel: Telemetry, storage: ScriptedS3, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its number, and why it failed; the call itself went well."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    storage.answers += [error("SlowDown", 503), error("InternalError", 500)]
    storage.client(retries={"total_max_attempts": 3, "mode": mode}).put_object(
        Bucket="models", Key=KEY, Body=b"x" * 1000
    )

    span = otel.span("S3.PutObject")
    assert [(event.name, dict(event.attributes)) for event in span.events] == [
        (
            "retry",
            {"attempt": 1, "error.type": "SlowDown", "http.response.status_code": 503},
        ),
        (
            "retry",
            {"attempt": 2, "error.type": "InternalError", "http.response.status_code": 500},
        ),
    ]
    assert (span.status, span.attributes["http.request.resend_count"]) == ("UNSET", 2)
    assert otel.metric("aws.s3.client.throttles").points[0].value == 1
    sent = [
        p
        for p in otel.metric("aws.s3.client.io").points
        if p.labels["network.io.direction"] == "transmit"
    ]
    assert [point.value for point in sent] == [3000]


def test_an_answer_without_a_body_may_ask_to_slow_down(
    otel: Telemetry, storage: ScriptedS3
) -> None:
    """It says so beside its status, which alone could be anything."""
    storage.answers.append(Answer(status=503, reason="Slow Down"))
    with pytest.raises(ClientError):
        storage.client().head_object(Bucket="models", Key=KEY)

    assert otel.metric("aws.s3.client.throttles").points[0].value == 1
    assert otel.span("S3.HeadObject").attributes["error.type"] == "SlowDown"


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 400), ("RequestLimitExceeded", 503), ("X", 429)]
)
def test_there_are_many_ways_to_ask_for_less(code: str, status: int) -> None:
    """Storages that are like S3 have codes of their own."""
    assert errors.is_throttle(code, status)


@pytest.mark.parametrize(("code", "status"), [("503", 503), ("InternalError", 500), ("", 200)])
def test_not_every_failure_asks_for_less(code: str, status: int) -> None:
    """An overloaded storage says so; a broken one does not."""
    assert not errors.is_throttle(code, status)


def test_a_storage_that_is_not_there_is_told(otel: Telemetry, instrumentor: S3Instrumentor) -> None:
    """By the class of the exception, which the program sees as ever."""
    assert instrumentor.is_instrumented_by_opentelemetry
    absent = client(
        f"http://127.0.0.1:{free_port()}", retries={"total_max_attempts": 2, "mode": "standard"}
    )
    with pytest.raises(EndpointConnectionError, match=KEY):
        absent.head_object(Bucket="models", Key=KEY)

    span = otel.span("S3.HeadObject")
    assert (span.status, span.status_text) == ("ERROR", "EndpointConnectionError")
    assert [dict(event.attributes) for event in span.events] == [
        {"attempt": 1, "error.type": "EndpointConnectionError"}
    ]
    assert KEY not in str(span)


def test_a_call_that_never_leaves_the_program_is_told(otel: Telemetry, storage: ScriptedS3) -> None:
    """It has no status, and no attempt."""
    with pytest.raises(ParamValidationError):
        storage.client().put_object(Bucket="models", Key=KEY, Nonsense=1)

    assert labels(otel, DURATION) == [
        {
            "aws.s3.bucket": "models",
            "rpc.method": "PutObject",
            "error.type": "ParamValidationError",
        }
    ]
    assert storage.asked == []


def test_a_presigned_url_is_no_call(otel: Telemetry, storage: ScriptedS3) -> None:
    """Making one asks nobody."""
    url = storage.client().generate_presigned_url(
        "get_object", Params={"Bucket": "models", "Key": KEY}
    )

    assert "Signature" in url
    assert otel.spans == []
    assert [name for name in otel.metrics if name.startswith("aws.s3")] == []


def test_nothing_is_added_to_a_request(otel: Telemetry, storage: ScriptedS3) -> None:
    """A header that is not signed may make the storage refuse it."""
    with trace.get_tracer("shop").start_as_current_span("order"):
        storage.client().put_object(Bucket="models", Key=KEY, Body=b"x")

    (headers,) = storage.asked
    assert {"traceparent", "tracestate", "baggage"} & {name.lower() for name in headers} == set()
    assert otel.span("S3.PutObject").parent_id == otel.span("order").span_id


def test_a_client_that_was_made_before_is_measured(otel: Telemetry) -> None:
    """As one is that a module makes when it is imported."""
    with ScriptedS3() as storage:
        early = storage.client()
        instrumentor = S3Instrumentor()
        instrumentor.instrument()
        try:
            early.head_object(Bucket="models", Key=KEY)
        finally:
            instrumentor.uninstrument()
        early.head_object(Bucket="models", Key=KEY)

    assert [span.name for span in otel.spans] == ["S3.HeadObject"]


def test_everything_is_put_back(otel: Telemetry) -> None:
    """Each class is what it was."""
    assert otel.spans == []
    before = [dict(vars(each)) for each in CLASSES]
    instrumentor = S3Instrumentor()
    instrumentor.instrument()
    patched = [dict(vars(each)) for each in CLASSES]
    instrumentor.uninstrument()

    assert [dict(vars(each)) for each in CLASSES] == before
    assert all(ours != theirs for ours, theirs in zip(patched, before, strict=True))


def test_suppressed_calls_are_not_measured(otel: Telemetry, storage: ScriptedS3) -> None:
    """Nor are the bodies that they answer."""
    storage.answers.append(Answer(b"x" * 10))
    with suppress_instrumentation():
        body = storage.client().get_object(Bucket="models", Key=KEY)["Body"]
    assert body.read() == b"x" * 10

    assert otel.spans == []


def test_answers_of_a_test_are_calls(otel: Telemetry, storage: ScriptedS3) -> None:
    """The Stubber of botocore answers without a request."""
    stubbed = storage.client()
    answer = {"Body": StreamingBody(io.BytesIO(b"xyz"), 3), "ContentLength": 3}
    with Stubber(stubbed) as stubber:
        stubber.add_response("get_object", answer)
        assert stubbed.get_object(Bucket="models", Key=KEY)["Body"].read() == b"xyz"

    assert otel.span("S3.GetObject").status == "UNSET"
    assert otel.metric("aws.s3.client.active_transfers").points[0].value == 0


def test_a_stream_of_events_is_a_call(otel: Telemetry, storage: ScriptedS3) -> None:
    """It ends when the events begin, which are read as ever."""
    answer = storage.client().select_object_content(
        Bucket="models",
        Key=KEY,
        Expression="select 1",
        ExpressionType="SQL",
        InputSerialization={"CSV": {}},
        OutputSerialization={"CSV": {}},
    )

    assert otel.span("S3.SelectObjectContent").status == "UNSET"
    assert list(answer["Payload"]) == []
    answer["Payload"].close()


class Reading(io.BytesIO):
    """A file of the program that notes what may be traced while it is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.enabled: set[bool] = set()

    def read(self, size: int | None = -1) -> bytes:
        """Read, and note."""
        self.enabled.add(is_instrumentation_enabled() and is_http_instrumentation_enabled())
        return super().read(size)


def test_the_http_client_below_makes_no_span_of_its_own(
    otel: Telemetry, storage: ScriptedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what the program does while its file is read is its own."""
    seen = []

    def urlopen(wrapped: Any, _pool: Any, args: Any, kwargs: Any) -> Any:
        seen.append(is_http_instrumentation_enabled())
        return wrapped(*args, **kwargs)

    monkeypatch.setattr(
        HTTPConnectionPool,
        "urlopen",
        wrapt.FunctionWrapper(HTTPConnectionPool.urlopen, urlopen),
    )
    file = Reading(b"x" * 100_000)
    storage.client().put_object(Bucket="models", Key=KEY, Body=file)

    assert seen == [False]
    assert file.enabled == {True}
    assert otel.span("S3.PutObject").attributes["http.request.body.size"] == 100_000


def test_a_file_that_asks_for_another_object_is_read(otel: Telemetry, storage: ScriptedS3) -> None:
    """Both calls are measured, each with its own bytes."""
    inner = storage.client()

    class Asking(Reading):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            if trace.get_current_span().is_recording() and content:
                inner.put_object(Bucket="inner", Key="a", Body=b"y" * 10)
            return content

    storage.client(request_checksum_calculation="when_required").put_object(
        Bucket="models", Key=KEY, Body=Asking(b"x" * 1000)
    )

    sizes = {
        point.labels["aws.s3.bucket"]: point.value
        for point in otel.metric("aws.s3.client.io").points
    }
    assert sizes["models"] == 1000
    assert sizes["inner"] % 10 == 0


@pytest.mark.parametrize("ours_first", [True, False])
def test_upstream_leaves_s3_to_ours(otel: Telemetry, ours_first: bool) -> None:
    """In whichever order they are applied; it keeps all other services."""
    both = [S3Instrumentor(), BotocoreInstrumentor()]
    for each in both if ours_first else reversed(both):
        each.instrument()
    try:
        with ScriptedS3(Answer(), Answer(b"{}")) as storage:
            storage.client().head_object(Bucket="models", Key=KEY)
            storage.client("sqs").list_queues()
    finally:
        for each in reversed(both) if ours_first else both:
            each.uninstrument()

    assert [(span.name, span.scope.partition(".")[0]) for span in otel.spans] == [
        ("S3.HeadObject", "otel_setup"),
        ("SQS.ListQueues", "opentelemetry"),
    ]


def test_upstream_has_s3_again(otel: Telemetry) -> None:
    """When ours is gone."""
    ours, upstream = S3Instrumentor(), BotocoreInstrumentor()
    upstream.instrument()
    ours.instrument()
    ours.uninstrument()
    try:
        with ScriptedS3() as storage:
            storage.client().head_object(Bucket="models", Key=KEY)
    finally:
        upstream.uninstrument()

    (span,) = otel.spans
    assert span.scope.startswith("opentelemetry.instrumentation.botocore")


def test_a_call_inside_of_a_call_to_s3_is_none_of_it(otel: Telemetry, storage: ScriptedS3) -> None:
    """Credentials may be asked for at another service first: those bytes are not S3's."""
    other = storage.client("sqs")
    storage.answers += [Answer(b"{}"), Answer()]
    outer = storage.client()
    outer.meta.events.register("before-sign.s3", lambda **_: other.list_queues())
    outer.put_object(Bucket="models", Key=KEY, Body=b"x" * 100)

    assert otel.span("S3.PutObject").attributes["http.request.body.size"] == 100
    (first,) = otel.metric("aws.s3.client.time_to_first_byte").points
    assert first.value == 1


def test_threads_do_not_mix_their_calls(otel: Telemetry, storage: ScriptedS3) -> None:
    """Each has its bytes and its trace, with one client for all."""
    shared = storage.client(max_pool_connections=8)

    def put(number: int) -> None:
        with trace.get_tracer("shop").start_as_current_span(f"order {number}"):
            for _ in range(20):
                shared.put_object(Bucket=f"bucket-{number}", Key=KEY, Body=b"x" * number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert {
        point.labels["aws.s3.bucket"]: point.value
        for point in otel.metric("aws.s3.client.io").points
    } == {f"bucket-{number}": 20 * number for number in range(1, 9)}
    orders: dict[str, Span] = {s.span_id: s for s in otel.spans if s.name.startswith("order")}
    for span in otel.spans:
        if span.name == "S3.PutObject":
            number = orders[span.parent_id].name.partition(" ")[2]
            assert span.attributes["aws.s3.bucket"] == f"bucket-{number}"


def test_a_forked_child_begins_anew(otel: Telemetry, storage: ScriptedS3) -> None:
    """What its parent counted, its parent reports."""
    storage.client().put_object(Bucket="models", Key=KEY, Body=b"x" * 10)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        os.write(writer, str(measures.IO.read()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    assert told == b"[]"

    assert [point.value for point in otel.metric("aws.s3.client.io").points] == [10]


def test_who_names_upstreams_wants_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who names ours wants upstream's, which never stands back: it has other services."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "botocore")
    assert instrumentation.stands_back("otel_setup_s3")
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "otel_setup_s3")
    assert not instrumentation.stands_back("botocore")
    monkeypatch.delenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    assert not instrumentation.stands_back("botocore")
    assert not instrumentation.stands_back("otel_setup_s3")
