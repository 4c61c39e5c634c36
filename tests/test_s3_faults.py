# SPDX-License-Identifier: Apache-2.0
"""A broken network or storage: programs see the same errors, and telemetry says what happened."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.retries.standard import ExponentialBackoff

from otel_setup.testing import Span, Telemetry
from tests.amqp_gaps import INSTRUMENTORS, counted, instrumented
from tests.programs import free_port
from tests.s3_faults import INTERNAL, SLOW_DOWN, TOO_MANY, UNAVAILABLE, Fault
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

pytestmark = [
    pytest.mark.stack,
    # Bodies that broke leave their connections to the garbage collector, with and without us.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <s:pytest.PytestUnraisableExceptionWarning"
    ),
]

_MIB = 1 << 20
_DURATION = "aws.s3.client.operation.duration"
_TRANSFERS = "aws.s3.client.transfer.duration"
_OUTCOME = ("aws.s3.transfer.direction", "aws.s3.transfer.outcome", "error.type")
_ADDRESS = re.compile("0x[0-9a-f]+")

Act = Callable[[Any, str], Any]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client try again at once."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)


def put(client: Any, bucket: str) -> object:
    """Store 5000 bytes."""
    client.put_object(Bucket=bucket, Key="a", Body=b"x" * 5000)
    return None


def put_much(client: Any, bucket: str) -> object:
    """Store 20 MiB in one call."""
    client.put_object(Bucket=bucket, Key="a", Body=io.BytesIO(b"x" * 20 * _MIB))
    return None


def get(client: Any, bucket: str) -> object:
    """Read 5000 bytes."""
    return client.get_object(Bucket=bucket, Key="there")["Body"].read()


def get_in_pieces(client: Any, bucket: str) -> object:
    """Read 5000 bytes in pieces; those before an error are read."""
    return list(client.get_object(Bucket=bucket, Key="there")["Body"].iter_chunks(100))


def ask(client: Any, bucket: str) -> object:
    """Ask for an object, whose answer has no body."""
    return client.head_object(Bucket=bucket, Key="there")["ContentLength"]


def upload(client: Any, bucket: str) -> object:
    """Store 11 MiB in two parts."""
    client.upload_fileobj(io.BytesIO(b"x" * 11 * _MIB), bucket, "a")
    return None


def download(client: Any, bucket: str) -> object:
    """Read 11 MiB in two parts."""
    file = io.BytesIO()
    client.download_fileobj(bucket, "large", file)
    return len(file.getvalue())


def outcome(act: Callable[[], object]) -> object:
    """Return what *act* returns, or all that a program can see of its error."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return tuple(_seen(error))


def _seen(error: BaseException | None) -> Iterator[object]:
    while error is not None:
        answer = getattr(error, "response", None) or {}
        metadata = answer.get("ResponseMetadata", {})
        yield type(error)
        yield _ADDRESS.sub("0x", str(error))
        yield answer.get("Error")
        yield {name: metadata.get(name) for name in ("HTTPStatusCode", "RetryAttempts")}
        error = error.__cause__ or error.__context__


@dataclass
class World:
    """A storage behind a network, and what is in it."""

    storage: StorageServer
    network: S3Proxy
    bucket: str = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = self.storage.bucket()
        client = self.storage.client()
        client.put_object(Bucket=self.bucket, Key="there", Body=b"x" * 5000)
        client.put_object(Bucket=self.bucket, Key="large", Body=b"x" * 11 * _MIB)

    def same(self, act: Act, break_it: Callable[[S3Proxy], None], **options: Any) -> object:
        """
        Do the same without and with instrumentation over a network that is broken the same way.

        The client is one of before the instrumentation. Return what both came to, the same.
        """
        client = self.storage.client(self.network.url, **{"read_timeout": 1, **options})
        self.network.forget()
        break_it(self.network)
        bare = outcome(lambda: act(client, self.bucket))
        requests = self._requests(act)
        self.network.forget()
        break_it(self.network)
        with instrumented(INSTRUMENTORS["s3"][0]):
            ours = outcome(lambda: act(client, self.bucket))
        assert ours == bare
        assert self._requests(act) == requests
        return ours

    def _requests(self, act: Act) -> object:
        operations = sorted(each.operation for each in self.network.of())
        # How many parts are asked for before one of them failed is a matter of threads.
        return set(operations) if act in {upload, download} else operations


@pytest.fixture
def world(storage: StorageServer, network: S3Proxy) -> World:
    """A storage that has objects, behind a network."""
    return World(storage, network)


def client_spans(otel: Telemetry) -> list[Span]:
    """Return the spans of calls."""
    return [span for span in otel.spans if span.kind == "CLIENT"]


def counted_or_none(otel: Telemetry, name: str, *labels: str) -> dict[Any, float]:
    """Return what was counted, and nothing when the metric was never recorded."""
    return counted(otel, name, *labels) if name in otel.metrics else {}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault, and what telemetry says about it."""

    name: str
    act: Act
    fault: Fault
    times: int = 1
    #: Of the call: its status and its error.
    status: int | None = 200
    error: str | None = None
    #: Error of the failed attempts → how many attempts followed them.
    retries: dict[str, int] = field(default_factory=dict)
    throttles: int = 0
    #: Of the transfer; empty for calls that are none.
    outcome: str = "completed"
    #: Whether client and network count the same bytes: not those that were under way when the
    #: connection broke or the client went away.
    exact: bool = True


_CASES = (
    Case(
        name="slow down once", act=put, fault=SLOW_DOWN,
        retries={"SlowDown": 1}, throttles=1,
    ),
    Case(
        name="slow down for ever", act=put, fault=SLOW_DOWN, times=3, status=503,
        error="SlowDown", retries={"SlowDown": 2}, throttles=3, outcome="failed",
    ),
    Case(
        name="slow down before the body", act=put,
        fault=Fault(status=503, code="SlowDown", early=True),
        retries={"SlowDown": 1}, throttles=1,
    ),
    Case(
        name="unavailable once", act=put, fault=UNAVAILABLE, retries={"503": 1},
    ),
    Case(
        name="unavailable for ever", act=get, fault=UNAVAILABLE, times=3, status=503,
        error="503", retries={"503": 2}, outcome="failed",
    ),
    Case(
        name="too many requests once", act=put, fault=TOO_MANY,
        retries={"TooManyRequests": 1}, throttles=1,
    ),
    Case(
        name="internal error once", act=get, fault=INTERNAL,
        retries={"InternalError": 1},
    ),
    Case(
        name="no answer once", act=put, fault=Fault(reset=True),
        retries={"ConnectionClosedError": 1},
    ),
    Case(
        name="never an answer", act=get, fault=Fault(reset=True), times=3, status=None,
        error="ConnectionClosedError", retries={"ConnectionClosedError": 2}, outcome="failed",
    ),
    Case(
        name="no answer to a question", act=ask, fault=Fault(reset=True),
        retries={"ConnectionClosedError": 1}, outcome="",
    ),
    Case(
        name="reset while it sends", act=put_much, fault=Fault(reset_up_after=_MIB),
        retries={"ConnectionClosedError": 1}, exact=False,
    ),
    Case(
        name="silence once", act=get, fault=Fault(waits=2),
        retries={"ReadTimeoutError": 1}, exact=False,
    ),
    Case(
        name="truncated", act=get_in_pieces, fault=Fault(cut_after=1000),
        error="IncompleteReadError", outcome="failed",
    ),
    Case(
        name="truncated, read at once", act=get, fault=Fault(cut_after=1000),
        error="ResponseStreamingError", outcome="failed",
    ),
    Case(
        name="reset while it reads", act=get_in_pieces,
        fault=Fault(cut_after=4000, cut_by_reset=True),
        error="ResponseStreamingError", outcome="failed", exact=False,
    ),
    Case(
        name="stuck while it reads", act=get_in_pieces, fault=Fault(pause=2, pause_after=1000),
        error="ReadTimeoutError", outcome="failed", exact=False,
    ),
    Case(
        name="corrupted", act=get, fault=Fault(corrupt_at=77),
        error="FlexibleChecksumError", outcome="failed",
    ),
    Case(
        name="slow", act=get, fault=Fault(pause=0.3, pause_after=1000),
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name) for each in _CASES])
def test_a_fault_is_told_and_changes_nothing(otel: Telemetry, world: World, case: Case) -> None:
    """What the program gets is as without instrumentation; call, retries and transfer are told."""
    seen = world.same(case.act, lambda network: network.fault(case.fault, times=case.times))

    if case.error:
        assert isinstance(seen, tuple)
        assert case.error in {seen[0].__name__, (seen[2] or {}).get("Code")}
    assert list(counted(otel, _DURATION, "http.response.status_code", "error.type")) == [
        (case.status, case.error)
    ]
    assert counted_or_none(otel, "aws.s3.client.retries", "error.type") == case.retries
    assert sum(case.retries.values()) == len(world.network.of()) - 1
    assert sum(counted_or_none(otel, "aws.s3.client.throttles", "rpc.method").values()) == (
        case.throttles
    )
    if case.outcome:
        assert [key[1:] for key in counted(otel, _TRANSFERS, *_OUTCOME)] == [
            (case.outcome, case.error)
        ]
    if case.exact:
        moved = counted_or_none(otel, "aws.s3.client.io", "network.io.direction")
        exchanges = world.network.of()
        assert moved.get("transmit", 0) == sum(each.up for each in exchanges)
        assert moved.get("receive", 0) == sum(each.down for each in exchanges)
    assert counted_or_none(otel, "aws.s3.client.active_transfers", "aws.s3.bucket") == {}
    (span,) = client_spans(otel)
    assert span.status == ("ERROR" if case.error else "UNSET")
    assert span.attributes.get("error.type") == case.error
    assert span.attributes.get("http.response.status_code") == case.status
    assert otel.metric(_DURATION).points[0].sum >= case.fault.pause * (case.error is None)


def test_waiting_for_the_answer_and_reading_it_are_told_apart(
    otel: Telemetry, world: World
) -> None:
    """The time to the first byte has the storage's thinking in it, not the slow body."""
    world.same(get, lambda network: network.fault(Fault(waits=0.5)), read_timeout=30)
    thinking = otel.metric("aws.s3.client.time_to_first_byte").points[0].sum
    slow = Fault(pause=0.9, pause_after=1000)
    world.same(get, lambda network: network.fault(slow), read_timeout=30)
    both = otel.metric("aws.s3.client.time_to_first_byte").points[0].sum

    assert thinking >= 0.5
    assert both - thinking < 0.9
    assert otel.metric(_DURATION).points[0].sum >= 1.4


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_retries_are_counted_in_each_mode(otel: Telemetry, world: World, mode: str) -> None:
    """However the client decides to try again, each attempt after the first is a retry."""
    world.same(
        put,
        lambda network: network.fault(INTERNAL, times=2),
        retries={"total_max_attempts": 3, "mode": mode},
    )

    assert counted(otel, "aws.s3.client.retries", "rpc.method", "error.type") == {
        ("PutObject", "InternalError"): 2
    }


@pytest.mark.parametrize("act", [put, get, ask, upload, download])
def test_a_refused_connection_is_told(otel: Telemetry, world: World, act: Act) -> None:
    """Where nobody listens the program's error is the same, and telemetry has its class."""
    url = f"http://127.0.0.1:{free_port()}"
    client = world.storage.client(url)
    bare = outcome(lambda: act(client, world.bucket))
    with instrumented(INSTRUMENTORS["s3"][0]):
        ours = outcome(lambda: act(client, world.bucket))

    assert ours == bare
    assert list(counted(otel, _DURATION, "http.response.status_code", "error.type")) == [
        (None, "EndpointConnectionError")
    ]
    assert counted(otel, "aws.s3.client.retries", "error.type") == {"EndpointConnectionError": 2}
    (span,) = client_spans(otel)
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "EndpointConnectionError")
    if act is not ask:
        assert [key[1:] for key in counted(otel, _TRANSFERS, *_OUTCOME)] == [
            ("failed", "EndpointConnectionError")
        ]


def test_a_part_that_fails_once_is_no_failed_transfer(otel: Telemetry, world: World) -> None:
    """A transfer that got over a failed part is a completed one."""
    world.same(upload, lambda network: network.fault(SLOW_DOWN, "UploadPart"))

    assert counted(otel, _TRANSFERS, *_OUTCOME) == {("upload", "completed", None): 1}
    assert counted(otel, "aws.s3.client.retries", "rpc.method", "error.type") == {
        ("UploadPart", "SlowDown"): 1
    }


def test_a_part_that_fails_for_ever_fails_the_transfer(otel: Telemetry, world: World) -> None:
    """The transfer has the error of the part; what was stored of it is removed."""
    world.same(upload, lambda network: network.fault(INTERNAL, "UploadPart", times=99))

    assert counted(otel, _TRANSFERS, *_OUTCOME) == {("upload", "failed", "InternalError"): 1}
    span = otel.span("S3 upload")
    assert (span.status, span.attributes["error.type"]) == ("ERROR", "InternalError")
    assert counted(otel, _DURATION, "rpc.method")["AbortMultipartUpload"] == 1


def test_a_part_that_breaks_off_is_read_again(otel: Telemetry, world: World) -> None:
    """The transfer completes; the part that broke off is a call of its own with its error."""
    world.same(download, lambda network: network.fault(Fault(cut_after=5000), "GetObject"))

    assert counted(otel, _TRANSFERS, *_OUTCOME) == {("download", "completed", None): 1}
    assert counted(otel, _DURATION, "rpc.method", "error.type") == {
        ("HeadObject", None): 1,
        ("GetObject", None): 2,
        ("GetObject", "IncompleteReadError"): 1,
    }
    assert otel.span("S3 download").status == "UNSET"


def test_a_download_that_breaks_off_for_ever_fails(otel: Telemetry, world: World) -> None:
    """When all tries broke off, the transfer failed by that."""
    world.same(download, lambda network: network.fault(Fault(cut_after=9), "GetObject", times=99))

    ((direction, how, _error),) = counted(otel, _TRANSFERS, *_OUTCOME)
    assert (direction, how) == ("download", "failed")
    assert otel.span("S3 download").status == "ERROR"


def test_a_source_that_cannot_be_read_is_the_programs_error(
    otel: Telemetry, world: World, tmp_path: Path
) -> None:
    """An upload of a file that is not there fails as it does without instrumentation."""

    def act(client: Any, bucket: str) -> None:
        client.upload_file(str(tmp_path / "missing"), bucket, "a")

    world.same(act, lambda _network: None)

    assert counted(otel, _TRANSFERS, *_OUTCOME) == {("upload", "failed", "FileNotFoundError"): 1}


def test_a_wrong_argument_is_the_programs_error(otel: Telemetry, world: World) -> None:
    """What never leaves the program is an error by its class, without an attempt."""

    def act(client: Any, bucket: str) -> None:
        client.put_object(Bucket=bucket, Key=7)

    world.same(act, lambda _network: None)

    assert counted(otel, _DURATION, "error.type") == {"ParamValidationError": 1}
    assert counted_or_none(otel, "aws.s3.client.time_to_first_byte", "rpc.method") == {}
