# SPDX-License-Identifier: Apache-2.0
"""The storage of the tests, and the network before it, do and say what tests rely on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    FlexibleChecksumError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.s3_faults import INTERNAL, SLOW_DOWN, UNAVAILABLE, Fault
from tests.s3_proxy import S3Proxy
from tests.storage_server import StorageServer

pytestmark = pytest.mark.stack

_MIB = 1 << 20


def seen(network: S3Proxy) -> list[tuple[str, int, int, int]]:
    """Return operation, status and bytes of all requests, in the order of their beginnings."""
    exchanges = sorted(network.of(), key=lambda each: each.began)
    return [(each.operation, each.status, each.up, each.down) for each in exchanges]


def test_objects_outlive_a_restart(tmp_path: Path) -> None:
    """What was stored is there again after the storage was stopped and started."""
    with StorageServer(tmp_path) as storage:
        bucket = storage.bucket()
        storage.client().put_object(Bucket=bucket, Key="kept", Body=b"a")

        storage.stop()
        storage.start()

        assert storage.client().get_object(Bucket=bucket, Key="kept")["Body"].read() == b"a"
        assert (storage.objects / bucket / "kept").read_bytes() == b"a"


def test_the_network_counts_what_passes(storage: StorageServer, network: S3Proxy) -> None:
    """Each request is known by its operation, status and bytes; a call by all its requests."""
    bucket, client = storage.bucket(), storage.client(network.url)

    client.put_object(Bucket=bucket, Key="a b/ü", Body=b"x" * 1000)
    assert client.get_object(Bucket=bucket, Key="a b/ü", Range="bytes=1-10")["Body"].read()
    client.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a b/ü"})
    with pytest.raises(ClientError):
        client.head_object(Bucket=bucket, Key="missing")

    assert [
        (each.operation, each.bucket, each.key, each.status, each.up) for each in network.of()
    ] == [
        ("PutObject", bucket, "a b/ü", 200, 1000),
        ("GetObject", bucket, "a b/ü", 206, 0),
        ("CopyObject", bucket, "c", 200, 0),
        ("HeadObject", bucket, "missing", 404, 0),
    ]
    assert network.of("GetObject")[0].down == 10
    assert len({each.call for each in network.of()}) == 4
    assert len({each.connection for each in network.of()}) == 1


def test_frames_are_no_payload(storage: StorageServer, tmp_path: Path) -> None:
    """Over TLS bodies go in frames with a checksum at their end; their payload is counted."""
    bucket = storage.bucket()
    with S3Proxy(storage.port, tmp_path) as network:
        client = storage.client(network.url, verify=network.certificate)
        client.put_object(Bucket=bucket, Key="a", Body=b"x" * 1000)
        client.put_object(Bucket=bucket, Key="a", Body=b"")
        client.upload_fileobj(io.BytesIO(b"x" * 9 * _MIB), bucket, "b")

        assert [each.up for each in network.of("PutObject")] == [1000, 0]
        assert sorted(each.up for each in network.of("UploadPart")) == [_MIB, 8 * _MIB]


@pytest.mark.parametrize(
    ("fault", "first"),
    [
        pytest.param(SLOW_DOWN, ("PutObject", 503, 5000, 127), id="slow down"),
        pytest.param(UNAVAILABLE, ("PutObject", 503, 5000, 0), id="no body"),
        pytest.param(INTERNAL, ("PutObject", 500, 5000, 132), id="internal"),
        pytest.param(Fault(status=503, early=True), ("PutObject", 503, 0, 0), id="before the body"),
        pytest.param(Fault(reset=True), ("PutObject", 0, 5000, 0), id="reset"),
    ],
)
def test_a_request_is_broken_once(
    storage: StorageServer, network: S3Proxy, fault: Fault, first: tuple[str, int, int, int]
) -> None:
    """A fault happens to the request that was asked for; the client's next attempt passes."""
    bucket, client = storage.bucket(), storage.client(network.url)
    network.fault(fault, "PutObject", skip=1)

    for _ in range(2):
        client.put_object(Bucket=bucket, Key="a", Body=b"x" * 5000)

    whole = ("PutObject", 200, 5000, 0)
    assert seen(network) == [whole, first, whole]
    assert len({each.call for each in network.of()}) == 2


@pytest.mark.parametrize(
    ("fault", "error", "down"),
    [
        pytest.param(Fault(cut_after=700), ResponseStreamingError, 700, id="truncated"),
        pytest.param(Fault(corrupt_at=7), FlexibleChecksumError, 5000, id="corrupted"),
        pytest.param(Fault(cut_after=9, cut_by_reset=True), ResponseStreamingError, 9, id="reset"),
        pytest.param(Fault(pause=3, pause_after=99), ReadTimeoutError, 99, id="stuck"),
    ],
)
def test_an_answer_is_broken_half_way(
    storage: StorageServer, network: S3Proxy, fault: Fault, error: type[Exception], down: int
) -> None:
    """The answer begins well, and the client learns from its body that something is wrong."""
    bucket = storage.bucket()
    client = storage.client(network.url, read_timeout=1)
    client.put_object(Bucket=bucket, Key="a", Body=b"x" * 5000)
    network.fault(fault, "GetObject")

    body = client.get_object(Bucket=bucket, Key="a")["Body"]
    with pytest.raises(error):
        body.read()
    body.close()

    (exchange,) = network.of("GetObject")
    assert exchange.status == 200
    # What was stuck goes on, as far as a connection takes it that nobody reads any more.
    assert down <= exchange.down <= (5000 if fault.pause else down)


def test_an_upload_is_reset_half_way(storage: StorageServer, network: S3Proxy) -> None:
    """The connection ends while the client sends; without another attempt that is the end."""
    bucket = storage.bucket()
    client = storage.client(network.url, retries={"total_max_attempts": 1})
    network.fault(Fault(reset_up_after=_MIB), "PutObject")

    with pytest.raises(ConnectionClosedError):
        client.put_object(Bucket=bucket, Key="a", Body=io.BytesIO(b"x" * 50 * _MIB))

    (exchange,) = network.of("PutObject")
    assert _MIB <= exchange.up < 50 * _MIB
    assert exchange.status == 0


def test_a_rate_is_kept(storage: StorageServer, network: S3Proxy) -> None:
    """Bodies of both directions take at least as long as the rate says."""
    bucket, client = storage.bucket(), storage.client(network.url)
    network.usual = Fault(rate=4 * _MIB)

    client.put_object(Bucket=bucket, Key="a", Body=b"x" * _MIB)
    assert len(client.get_object(Bucket=bucket, Key="a")["Body"].read()) == _MIB

    took: dict[str, Any] = {each.operation: each.ended - each.began for each in network.of()}
    assert min(took.values()) >= 0.24
