# SPDX-License-Identifier: Apache-2.0
"""A body is measured to its last byte, in whichever way it is read, and stays what it was."""

from __future__ import annotations

import base64
import gc
import os
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import (
    FlexibleChecksumError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from botocore.httpchecksum import StreamingChecksumBody
from botocore.response import StreamingBody
from opentelemetry import trace
from urllib3.response import HTTPResponse

from otel_setup.instrumentation.s3 import body as bodies
from otel_setup.instrumentation.s3 import measures
from otel_setup.instrumentation.s3.instrumentor import S3Instrumentor
from otel_setup.testing import Telemetry
from tests.s3_scripted import Answer, ScriptedS3

LINES = b"".join(b"line %d\n" % number for number in range(1000))
TRANSFERS = "aws.s3.client.transfer.duration"
MIB = 1 << 20


@pytest.fixture(name="storage")
def _storage(otel: Telemetry) -> Iterator[ScriptedS3]:
    assert otel.spans == []
    instrumentor = S3Instrumentor()
    instrumentor.instrument()
    with ScriptedS3() as storage:
        yield storage
    instrumentor.uninstrument()


def get(storage: ScriptedS3, answer: Answer, **options: Any) -> Any:
    """Return the body of an object that is answered with *answer*."""
    storage.answers.append(answer)
    return storage.client(**options).get_object(Bucket="models", Key="a")["Body"]


def outcomes(otel: Telemetry) -> list[tuple[str, str | None]]:
    """Return how transfers ended, and the error of each."""
    if TRANSFERS not in otel.metrics:
        return []
    return [
        (p.labels["aws.s3.transfer.outcome"], p.labels.get("error.type"))
        for p in otel.metric(TRANSFERS).points
        for _ in range(int(p.value))
    ]


def received(otel: Telemetry) -> float:
    """Return the bytes that came."""
    return sum(
        point.value
        for point in otel.metric("aws.s3.client.io").points
        if point.labels["network.io.direction"] == "receive"
    )


def _into(body: Any) -> bytes:
    buffer, found = bytearray(100), b""
    while count := body.readinto(buffer):
        found += bytes(buffer[:count])
    return found


def _raw(body: Any) -> bytes:
    with body as raw:
        assert isinstance(raw, HTTPResponse)
        return raw.read()  # type: ignore[no-any-return]


def _exactly(body: Any) -> bytes:
    return b"".join(body.read(len(LINES) // 10) for _ in range(10))


WAYS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "read in pieces": lambda body: b"".join(iter(lambda: body.read(100), b"")),
    "read to the last byte": _exactly,
    "readinto": _into,
    "chunks": lambda body: b"".join(body.iter_chunks(100)),
    "lines": lambda body: b"\n".join(body.iter_lines()) + b"\n",
    "for": b"".join,
    "next": lambda body: b"".join(iter(lambda: next(body, b""), b"")),
    "readlines": lambda body: b"".join(body.readlines()),
    "with": _raw,
    "stream below": lambda body: b"".join(body._raw_stream.stream(100)),
    "read1 below": lambda body: b"".join(iter(lambda: body._raw_stream.read1(100), b"")),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("way", WAYS)
def test_a_body_may_be_read_in_any_way(
    otel: Telemetry, storage: ScriptedS3, way: str, chunked: bool
) -> None:
    """Its bytes are counted once, and the transfer completes with the last of them."""
    body = get(storage, Answer(LINES, chunked=chunked))
    assert outcomes(otel) == []
    assert otel.spans == []

    assert WAYS[way](body) == LINES
    if chunked and way == "read to the last byte":
        assert body.read(1) == b""  # where there is no length, one has to look for the end

    assert outcomes(otel) == [("completed", None)]
    assert received(otel) == len(LINES)
    assert otel.span("S3.GetObject").attributes["http.response.body.size"] == len(LINES)
    body.close()
    assert outcomes(otel) == [("completed", None)]


def test_a_body_stays_what_it_is(storage: ScriptedS3) -> None:
    """Its class and that of the stream below, its position, and its timeout."""
    body = get(storage, Answer(LINES))

    assert type(body) is StreamingBody
    assert isinstance(body._raw_stream, HTTPResponse)
    assert type(body._raw_stream).__qualname__ == "HTTPResponse"
    assert body.readable()
    body.set_socket_timeout(7)
    assert body._raw_stream._fp.fp.raw._sock.gettimeout() == 7
    assert len(body.read(10)) == body.tell() == 10
    body.close()
    assert body._raw_stream.closed


def test_a_body_that_is_forgotten_is_freed_at_once(storage: ScriptedS3) -> None:
    """With its connection: what watches it does not keep it."""
    body = get(storage, Answer(LINES))
    stream = weakref.ref(body._raw_stream)
    gc.disable()
    try:
        del body
        assert stream() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [
        (lambda body: body.close(), "unread"),
        (lambda _body: None, "unread"),
        (lambda body: (body.read(10), body.close()), "abandoned"),
        (lambda body: body.read(10), "abandoned"),
        (lambda body: body._raw_stream.close(), "unread"),
    ],
    ids=["closed", "forgotten", "read and closed", "read and forgotten", "closed below"],
)
def test_a_body_that_nobody_reads_to_its_end_is_told(
    otel: Telemetry, storage: ScriptedS3, leave: Callable[[Any], Any], outcome: str
) -> None:
    """It is no error, and no speed."""
    body = get(storage, Answer(b"x" * 100_000))
    assert otel.metric("aws.s3.client.active_transfers").points[0].value == 1
    leave(body)
    del body

    assert outcomes(otel) == [(outcome, None)]
    assert otel.metric("aws.s3.client.active_transfers").points[0].value == 0
    assert "aws.s3.client.transfer.speed" not in otel.metrics
    span = otel.span("S3.GetObject")
    assert (span.status, span.attributes["aws.s3.transfer.outcome"]) == ("UNSET", outcome)


class Cycle:
    """What only the collector frees, with *body* in it."""

    def __init__(self, body: Any) -> None:
        self.body, self.me = body, self


# That is what the socket of a body says which nobody closed.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_body_that_the_collector_finds_is_told_later(
    otel: Telemetry, storage: ScriptedS3
) -> None:
    """The collector may run while a lock of the SDK is held; the next export has it."""
    gc.collect()
    Cycle(get(storage, Answer(LINES)))
    gc.collect()
    assert len(bodies._left) == 1
    assert otel.spans == []

    assert outcomes(otel) == [("unread", None)]
    assert len(bodies._left) == 0
    assert otel.span("S3.GetObject").attributes["aws.s3.transfer.outcome"] == "unread"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_lock_that_is_held_while_a_body_is_collected_is_no_deadlock(
    otel: Telemetry, storage: ScriptedS3
) -> None:
    """As when memory is allocated in the middle of a measurement."""
    Cycle(get(storage, Answer(LINES)))
    done = threading.Event()

    def collect() -> None:
        with measures.IO._adding:
            gc.collect()
        done.set()

    threading.Thread(target=collect, daemon=True).start()
    assert done.wait(20)
    assert outcomes(otel) == [("unread", None)]


def test_a_body_of_a_parent_is_not_measured_by_its_child(
    otel: Telemetry, storage: ScriptedS3
) -> None:
    """A forked child has it too, and lets it go."""
    body = get(storage, Answer(LINES))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        body.close()
        os.write(writer, str(len(otel.spans)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 100)
    os.close(reader)
    os.close(writer)

    assert told == b"0"
    assert body.read() == LINES
    assert outcomes(otel) == [("completed", None)]


def test_an_empty_object_is_complete_at_once(otel: Telemetry, storage: ScriptedS3) -> None:
    """There is nothing to wait for."""
    assert get(storage, Answer(b"")).read() == b""

    assert outcomes(otel) == [("completed", None)]
    assert "http.response.body.size" not in otel.span("S3.GetObject").attributes


def test_a_long_body_is_counted_while_it_comes(otel: Telemetry, storage: ScriptedS3) -> None:
    """A download of an hour would be a peak at its end otherwise."""
    body = get(storage, Answer(b"x" * 3 * MIB))
    body.read(2 * MIB)

    assert received(otel) == 2 * MIB
    body.read()
    assert received(otel) == 3 * MIB


def test_a_speed_is_that_of_bytes_by_all_the_time(otel: Telemetry, storage: ScriptedS3) -> None:
    """Of what is too small to tell there is none."""
    get(storage, Answer(b"x" * (64 * 1024 - 1))).read()
    assert "aws.s3.client.transfer.speed" not in otel.metrics

    get(storage, Answer(b"x" * MIB)).read()
    (speed,) = otel.metric("aws.s3.client.transfer.speed").points
    assert dict(speed.labels) == {
        "aws.s3.bucket": "models",
        "aws.s3.transfer.direction": "download",
    }
    assert speed.value == 1
    assert speed.sum > 0


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda body: list(body.iter_chunks(100)), IncompleteReadError),
        (lambda body: body.read(), ResponseStreamingError),
        (_into, IncompleteReadError),
    ],
    ids=["pieces", "at once", "readinto"],
)
def test_a_body_that_ends_too_early_failed(
    otel: Telemetry,
    storage: ScriptedS3,
    read: Callable[[Any], Any],
    error: type[Exception],
) -> None:
    """By the error that the program sees; what came is counted."""
    body = get(storage, Answer(b"x" * 1000, length=5000))
    with pytest.raises(error):
        read(body)

    assert outcomes(otel) == [("failed", error.__name__)]
    assert received(otel) == 1000
    span = otel.span("S3.GetObject")
    assert (span.status, span.attributes["error.type"]) == ("ERROR", error.__name__)
    (duration,) = otel.metric("aws.s3.client.operation.duration").points
    assert duration.labels["error.type"] == error.__name__


def test_a_body_that_does_not_come_failed(otel: Telemetry, storage: ScriptedS3) -> None:
    """When the program's patience ends."""
    body = get(storage, Answer(b"x" * 1000, length=5000, stays=True), read_timeout=0.2)
    body.read(1000)
    with pytest.raises(ReadTimeoutError):
        body.read(100)

    assert outcomes(otel) == [("failed", "ReadTimeoutError")]
    assert received(otel) == 1000
    assert otel.metric("aws.s3.client.operation.duration").points[0].sum >= 0.2


def test_a_body_that_lies_about_has_no_long_duration(otel: Telemetry, storage: ScriptedS3) -> None:
    """It lasts until the last byte that somebody read, however late it is closed."""
    began = time.perf_counter()
    body = get(storage, Answer(LINES))
    body.read(10)
    read = time.perf_counter() - began
    time.sleep(1.2)
    body.close()

    span = otel.span("S3.GetObject")
    (duration,) = otel.metric("aws.s3.client.operation.duration").points
    assert duration.sum <= read
    assert span.end - span.start == pytest.approx(duration.sum, abs=1e-3)


def checksum(content: bytes) -> dict[str, str]:
    """Return the header with the checksum of *content*."""
    return {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(content).to_bytes(4)).decode()}


@pytest.mark.parametrize("way", ["read", "read in pieces", "readinto", "chunks"])
def test_a_body_with_a_wrong_checksum_failed(
    otel: Telemetry, storage: ScriptedS3, way: str
) -> None:
    """Although all of its bytes came."""
    body = get(storage, Answer(LINES, headers=checksum(b"other")))
    assert type(body) is StreamingChecksumBody
    with pytest.raises(FlexibleChecksumError):
        WAYS[way](body)

    assert outcomes(otel) == [("failed", "FlexibleChecksumError")]
    assert received(otel) == len(LINES)


@pytest.mark.parametrize("way", ["read", "read in pieces", "read to the last byte", "with"])
def test_a_body_with_a_right_checksum_completed(
    otel: Telemetry, storage: ScriptedS3, way: str
) -> None:
    """Also when nobody looks at it: then it is complete when it is let go."""
    body = get(storage, Answer(LINES, headers=checksum(LINES)))
    assert WAYS[way](body) == LINES
    body.close()

    assert outcomes(otel) == [("completed", None)]


def test_a_range_of_an_object_is_a_transfer(otel: Telemetry, storage: ScriptedS3) -> None:
    """It is whole when all of the range came."""
    answer = Answer(b"x" * 10, 206, {"content-range": "bytes 0-9/5000"})
    assert get(storage, answer).read() == b"x" * 10

    assert outcomes(otel) == [("completed", None)]
    assert otel.span("S3.GetObject").attributes["http.response.status_code"] == 206


def test_a_failed_download_is_no_body(otel: Telemetry, storage: ScriptedS3) -> None:
    """The storage had something else to say, which is counted too."""
    storage.answers.append(Answer(b"<Error><Code>AccessDenied</Code></Error>", 403))
    with pytest.raises(Exception, match="AccessDenied"):
        storage.client().get_object(Bucket="models", Key="a")

    assert outcomes(otel) == [("failed", "AccessDenied")]
    assert received(otel) == 40


def test_the_span_of_a_body_is_no_parent_of_what_follows(
    otel: Telemetry, storage: ScriptedS3
) -> None:
    """It lasts until the last byte, but what the program does meanwhile is its own."""
    body = get(storage, Answer(LINES))
    with trace.get_tracer("shop").start_as_current_span("work"):
        body.read()

    assert otel.span("work").parent_id == ""
    assert otel.span("S3.GetObject").end > otel.span("S3.GetObject").start
