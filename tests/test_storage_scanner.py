# SPDX-License-Identifier: Apache-2.0
"""What the scanner says of a storage is what lies in it, on a real versitygw."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_setup.storage import Amount, Scanner, ScanSettings, Stopped, publish
from tests.conftest import Telemetry
from tests.storage_server import StorageServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

#: As much as an S3 part has at least; versitygw takes smaller ones.
PART = 5 * 1024 * 1024
FAST = 1000.0


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageServer]:
    with StorageServer(tmp_path_factory.mktemp("storage")) as started:
        yield started


@pytest.fixture(autouse=True)
def _credentials(server: StorageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)


def scanner_of(server: StorageServer, *buckets: str, **more: Any) -> Scanner:
    """Return a fast scanner of *buckets*; *more* are settings and arguments of Scanner."""
    own = {name: more.pop(name) for name in ("page", "stop", "client") if name in more}
    settings = {"endpoint": server.url, "buckets": buckets, "pages_per_second": FAST, **more}
    return Scanner(ScanSettings(**settings), **own)


def on_disk(server: StorageServer, bucket: str) -> Amount:
    """Return what lies in the folder of *bucket*, without what versitygw keeps for itself."""
    folder = server.objects / bucket
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".sgwtmp")
    ]
    return Amount(sum(path.stat().st_size for path in files), len(files))


def left_on_disk(server: StorageServer, bucket: str) -> int:
    """Return the bytes of the parts that versitygw keeps of unfinished uploads."""
    folder = server.objects / bucket / ".sgwtmp" / "multipart"
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def total(scanner: Scanner, bucket: str) -> Amount:
    """Return what *scanner* found in all classes of *bucket*."""
    return sum(scanner.results[bucket].sizes.values(), Amount())


class Work:
    """Random work on a bucket, and what must be there after it."""

    def __init__(self, server: StorageServer, bucket: str, seed: int) -> None:
        self._client = server.client()
        self._bucket = bucket
        self._random = random.Random(seed)  # noqa: S311 - the same work in each run
        self.objects: dict[str, int] = {}
        self.unfinished: list[tuple[str, str, int]] = []

    def do(self, steps: int) -> None:
        """Write, overwrite, delete, and upload in parts with any of the three ends."""
        deeds: list[Callable[[], None]] = [
            self._write, self._write, self._overwrite, self._delete,
            self._complete, self._abort, self._leave, self._leave,
        ]  # fmt: skip
        for _ in range(steps):
            self._random.choice(deeds)()

    def _key(self) -> str:
        folder = self._random.choice(
            ["models/", "models/sub folder/", "tmp/", "", "модели/", "a+%"]
        )
        return f"{folder}{self._random.randrange(10_000)}.stl"

    def _write(self) -> None:
        self._put(self._key())

    def _overwrite(self) -> None:
        if self.objects:
            self._put(self._random.choice(sorted(self.objects)))

    def _put(self, key: str) -> None:
        size = self._random.choice([0, 1, 1000, 70_000])
        self._client.put_object(Bucket=self._bucket, Key=key, Body=bytes(size))
        self.objects[key] = size

    def _delete(self) -> None:
        if self.objects:
            key = self._random.choice(sorted(self.objects))
            self._client.delete_object(Bucket=self._bucket, Key=key)
            del self.objects[key]

    def _upload(self) -> tuple[str, str, list[dict[str, Any]], int]:
        # Few keys, so that one has several uploads.
        key = f"models/large {self._random.randrange(12)}.stl"
        upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        known = {"Bucket": self._bucket, "Key": key, "UploadId": upload}
        sizes = [PART] * self._random.randrange(2) + [self._random.randrange(1, 1000)]
        parts = [
            {
                "PartNumber": number,
                "ETag": self._client.upload_part(**known, PartNumber=number, Body=bytes(size))[
                    "ETag"
                ],
            }
            for number, size in enumerate(sizes, start=1)
        ]
        return key, upload, parts, sum(sizes)

    def _complete(self) -> None:
        key, upload, parts, size = self._upload()
        self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        self.objects[key] = size

    def _abort(self) -> None:
        key, upload, _, _ = self._upload()
        self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)

    def _leave(self) -> None:
        key, upload, _, size = self._upload()
        self.unfinished.append((key, upload, size))


@pytest.mark.parametrize("page", [1000, 25])
def test_sizes_are_those_of_the_storage(server: StorageServer, page: int) -> None:
    """After writes, overwrites, deletes, completed, aborted and forgotten uploads; twice."""
    bucket = server.bucket()
    work = Work(server, bucket, seed=page)
    classes = {"models/": "models", "models/sub folder/": "nested", "tmp/": "drafts"}
    scanner = scanner_of(server, bucket, page=page, classes=classes)

    for _ in range(2):
        work.do(150)
        scanner.scan()

        result = scanner.results[bucket]
        expected = dict.fromkeys(("models", "nested", "drafts", "other"), Amount())
        for key, size in work.objects.items():
            expected[scanner.settings.classify()(key)] += Amount(size, 1)
        assert result.sizes == expected
        assert total(scanner, bucket) == on_disk(server, bucket)
        left = sum(size for _, _, size in work.unfinished)
        assert result.unfinished == Amount(left, len(work.unfinished))
        assert left == left_on_disk(server, bucket)
        assert len(work.unfinished) > 25


def test_an_empty_bucket_is_known_to_be_empty(server: StorageServer) -> None:
    """All classes are there, with nothing in them."""
    bucket = server.bucket()
    scanner = scanner_of(server, bucket, classes={"models/": "models"})

    scanner.scan()

    assert scanner.results[bucket].sizes == {"models": Amount(), "other": Amount()}
    assert scanner.results[bucket].unfinished == Amount()


def test_a_storage_that_does_not_list_uploads_has_its_sizes(
    server: StorageServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Versitygw refuses its own marker between uploads of one key: said once, sizes are known."""
    bucket = server.bucket()
    client = server.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"12345")
    for _ in range(3):
        client.create_multipart_upload(Bucket=bucket, Key="a")
    scanner = scanner_of(server, bucket, page=2)

    for _ in range(2):
        scanner.scan()

    assert scanner.results[bucket].sizes == {"other": Amount(5, 1)}
    assert scanner.results[bucket].unfinished is None
    assert scanner.failures == {bucket: 0}
    assert [line.split(":")[0] for line in caplog.messages] == [
        f"unfinished uploads of bucket {bucket} are not known"
    ]


def test_a_bucket_that_is_gone_is_told_and_the_others_are_scanned(
    server: StorageServer, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for all of its failures; its sizes go, the time of its last scan stays."""
    buckets = sorted(server.bucket() for _ in range(2))
    gone, there = buckets
    client = server.client()
    client.put_object(Bucket=there, Key="a", Body=b"12")
    scanner = scanner_of(server, *buckets)
    publish(scanner)
    scanner.scan()
    known = telemetry.values("storage.scan.completed.time")
    client.delete_bucket(Bucket=gone)
    client.put_object(Bucket=there, Key="b", Body=b"345")

    for _ in range(3):
        scanner.scan()

    def of(bucket: str, **more: str) -> frozenset[tuple[str, object]]:
        return frozenset({("aws.s3.bucket", bucket), *more.items()})

    other = {"storage.prefix.class": "other"}
    assert telemetry.values("storage.bucket.size") == {of(there, **other): 5}
    assert telemetry.values("storage.bucket.objects") == {of(there, **other): 2}
    assert telemetry.values("storage.bucket.unfinished.size") == {of(there): 0}
    assert telemetry.values("storage.scan.failures") == {of(gone): 3, of(there): 0}
    after = telemetry.values("storage.scan.completed.time")
    assert after[of(gone)] == known[of(gone)]
    assert after[of(there)] > known[of(there)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith(f"bucket {gone} cannot be scanned: ")
    assert counts(telemetry) == {
        (gone, ""): 1, (gone, "NoSuchBucket"): 3, (there, ""): 4,
    }  # fmt: skip


def counts(telemetry: Telemetry) -> dict[tuple[str, str], int]:
    """Return how many scans there were, by bucket and error."""
    metric = telemetry.metric("storage.scan.duration")
    points: Any = metric.data.data_points if metric else ()
    return {
        (
            str(point.attributes["aws.s3.bucket"]),
            str(point.attributes.get("error.type", "")),
        ): point.count
        for point in points
    }


def test_a_deleted_bucket_disappears_when_all_are_scanned(
    server: StorageServer, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody asked for it by name, so nothing of it is left, and it is no failure."""
    bucket = server.bucket()
    scanner = scanner_of(server)
    publish(scanner)
    scanner.scan()
    assert bucket in scanner.results
    server.client().delete_bucket(Bucket=bucket)

    scanner.scan()

    assert bucket not in scanner.results
    assert bucket not in scanner.failures
    assert set(scanner.failures.values()) == {0}
    assert bucket not in str(telemetry.values("storage.scan.completed.time"))
    assert [each for each in caplog.messages if bucket in each] == []


def test_a_denied_storage_is_told_although_no_bucket_is_known(
    server: StorageServer, monkeypatch: pytest.MonkeyPatch, telemetry: Telemetry
) -> None:
    """Who may not even ask which buckets there are fails for all of them."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    scanner = scanner_of(server)

    scanner.scan()

    assert scanner.failures == {"*": 1}
    assert counts(telemetry) == {("*", "SignatureDoesNotMatch"): 1}


def test_a_storage_that_is_back_is_told(
    server: StorageServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Failures end with the first scan that works; the last sizes stay meanwhile."""
    bucket = server.bucket()
    server.client().put_object(Bucket=bucket, Key="a", Body=b"12")
    client = server.client(retries={"total_max_attempts": 1})
    scanner = scanner_of(server, bucket, client=client)
    scanner.scan()
    caplog.set_level("INFO", "otel_setup")
    server.stop()
    try:
        scanner.scan()
        away = (scanner.failures[bucket], total(scanner, bucket))
    finally:
        server.start()

    scanner.scan()

    assert away == (1, Amount(2, 1))
    assert scanner.failures == {bucket: 0}
    assert caplog.messages[-1] == f"bucket {bucket} can be scanned again"


def test_a_scan_that_was_stopped_goes_on_where_it_was(
    server: StorageServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next scanner asks for the pages that are left, and the sums are whole."""
    bucket = server.bucket()
    client = server.client()
    for number in range(50):
        client.put_object(Bucket=bucket, Key=f"models/{number:03}", Body=bytes(number))
    expected = on_disk(server, bucket)
    stop, asked = threading.Event(), []

    class Client:
        """Stops the scanner while it asks for the third page."""

        def list_objects_v2(self, **request: Any) -> Any:
            asked.append(request)
            if len(asked) == 3:
                stop.set()
            return client.list_objects_v2(**request)

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

    more = {"page": 10, "client": Client(), "state_file": tmp_path / "state.json"}
    with pytest.raises(Stopped):
        scanner_of(server, bucket, stop=stop, **more).scan()
    caplog.set_level("INFO", "otel_setup")
    scanner = scanner_of(server, bucket, **more)

    scanner.scan()

    assert total(scanner, bucket) == expected
    assert [request.get("StartAfter") for request in asked] == [
        *(None,) * 3, "models/029", None,
    ]  # fmt: skip
    assert caplog.messages == [f"the interrupted scan of bucket {bucket} goes on where it was"]
