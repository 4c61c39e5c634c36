# SPDX-License-Identifier: Apache-2.0
"""A program that uses S3 in all ways at random, and keeps its own account of what it did."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError

MIB = 1 << 20
LARGEST = 200_000_000
#: One in so many sizes is up to the largest, the others up to `_USUAL`.
_LARGE = 50
_USUAL = 8 * MIB
#: Objects that are read in part only.
PARTLY = {"small": 1000, "middle": 300_000, "large": 5_000_000}
#: So many bytes of objects a worker has at most.
_ROOM = 400_000_000
_PARTS = TransferConfig(multipart_threshold=MIB, multipart_chunksize=5 * MIB, max_concurrency=3)


@functools.cache
def content() -> bytes:
    """Return as many bytes as the largest object has."""
    return random.Random(1).randbytes(MIB) * (LARGEST // MIB + 1)  # noqa: S311 - no secret


class Worker:
    """One thread's objects: those in the bucket *whole* are read whole or not at all."""

    def __init__(self, client: Any, whole: str, partly: str, number: int) -> None:
        self._client, self._whole, self._partly = client, whole, partly
        self._prefix = f"worker-{number}/"
        self._random = random.Random(number)  # noqa: S311 - no secret
        #: Key → bytes of all that is in the storage.
        self.objects: dict[str, int] = {}
        #: How many transfers ended how, by direction and outcome.
        self.transfers: Counter[tuple[str, str]] = Counter()
        #: Bytes that were read of objects that are read in part.
        self.read = 0
        ways = {
            self.put: 20, self.get: 10, self.get_in_pieces: 10, self.get_exactly: 5,
            self.get_range: 6, self.leave_unread: 4, self.abandon: 8, self.head: 5,
            self.miss: 6, self.list: 3, self.copy: 4, self.delete: 5, self.delete_two: 2,
            self.upload: 8, self.download: 8, self.give_up_parts: 3,
        }  # fmt: skip
        self._ways, self._weights = list(ways), list(ways.values())

    def run(self, operations: int, *sizes: int) -> None:
        """Do so many *operations*; the first ones store objects of *sizes*."""
        for size in sizes:
            self._put(self._key(), size)
        for _ in range(operations - len(sizes)):
            (way,) = self._random.choices(self._ways, self._weights)
            way()
            while sum(self.objects.values()) > _ROOM:
                self.delete()

    # To the storage.

    def put(self) -> None:
        """Store an object in one call."""
        self._put(self._key(), self._size())

    def _put(self, key: str, size: int) -> None:
        stored = content()[:size]
        body = stored if self._random.random() < 0.5 else io.BytesIO(stored)
        with self._transfer("upload"):
            self._client.put_object(Bucket=self._whole, Key=key, Body=body)
            self.objects[key] = size

    def upload(self) -> None:
        """Store an object in parts if it is large, which every other one is here."""
        key, size = self._key(), self._size() + self._random.randrange(2) * 4 * MIB
        with self._transfer("upload"):
            self._client.upload_fileobj(
                io.BytesIO(content()[:size]), self._whole, key, Config=_PARTS
            )
            self.objects[key] = size

    def give_up_parts(self) -> None:
        """Store a part of an object by hand, and give it up."""
        where = {"Bucket": self._whole, "Key": self._key()}
        with self._fails_at_times():
            where["UploadId"] = self._client.create_multipart_upload(**where)["UploadId"]
            try:
                with self._transfer("upload"):
                    body = content()[: self._size()]
                    self._client.upload_part(**where, PartNumber=1, Body=body)
            finally:
                self._client.abort_multipart_upload(**where)

    # From it.

    def get(self) -> None:
        """Read an object at once."""
        with self._object() as (key, size), self._transfer("download"):
            assert len(self._get(key).read()) == size

    def get_in_pieces(self) -> None:
        """Read an object piece by piece."""
        with self._object() as (key, size), self._transfer("download"):
            pieces = self._get(key).iter_chunks(self._random.choice((70_000, MIB)))
            assert sum(map(len, pieces)) == size

    def get_exactly(self) -> None:
        """Read as many bytes as there are, and ask for no more."""
        with self._object() as (key, size):
            if size:
                with self._transfer("download"), self._get(key) as body:
                    left = size
                    while left:
                        piece = body.read(min(MIB, left))
                        if not piece:  # the stream below says no more than that it broke off
                            raise IncompleteReadError(actual_bytes=0, expected_bytes=left)
                        left -= len(piece)

    def get_range(self) -> None:
        """Read some bytes from the middle of an object."""
        with self._object() as (key, size):
            if size:
                first = self._random.randrange(size)
                last = self._random.randrange(first, size)
                with self._transfer("download"):
                    body = self._get(key, Range=f"bytes={first}-{last}")
                    assert len(body.read()) == last - first + 1

    def download(self) -> None:
        """Read an object in parts if it is large."""
        with self._object() as (key, size), self._transfer("download"):
            file = io.BytesIO()
            self._client.download_fileobj(self._whole, key, file, Config=_PARTS)
            assert len(file.getvalue()) == size

    # In part.

    def leave_unread(self) -> None:
        """Get an object and read nothing of it."""
        with self._transfer("download", "unread"):
            body = self._client.get_object(Bucket=self._partly, Key=self._partial())["Body"]
            if self._random.random() < 0.5:
                body.close()

    def abandon(self) -> None:
        """Read the beginning of an object."""
        key = self._partial()
        with self._transfer("download", "abandoned"):
            body = self._client.get_object(Bucket=self._partly, Key=key)["Body"]
            wanted = self._random.randrange(1, PARTLY[key])
            self.read += len(body.read(wanted))
            if self._random.random() < 0.5:
                body.close()

    # Without a body.

    def head(self) -> None:
        """Ask for an object that there is."""
        with self._object() as (key, size), self._fails_at_times():
            found = self._client.head_object(Bucket=self._whole, Key=key)
            assert found["ContentLength"] == size

    def miss(self) -> None:
        """Ask for an object that there is not."""
        ask = self._random.choice((self._client.head_object, self._client.get_object))
        with self._fails_at_times():
            ask(Bucket=self._whole, Key="missing")

    def list(self) -> None:
        """List the own objects."""
        with self._fails_at_times():
            found = self._client.list_objects_v2(Bucket=self._whole, Prefix=self._prefix)
            assert {each["Key"]: each["Size"] for each in found.get("Contents", ())} == self.objects

    def copy(self) -> None:
        """Copy an object within the storage."""
        with self._object() as (key, size), self._fails_at_times():
            target = self._key()
            source = {"Bucket": self._whole, "Key": key}
            self._client.copy_object(Bucket=self._whole, Key=target, CopySource=source)
            self.objects[target] = size

    def delete(self) -> None:
        """Delete an object."""
        with self._object() as (key, _size), self._fails_at_times():
            self._client.delete_object(Bucket=self._whole, Key=key)
            del self.objects[key]

    def delete_two(self) -> None:
        """Delete two objects by one call."""
        keys = list(self.objects)[:2]
        with self._fails_at_times():
            listed = [{"Key": key} for key in keys or ["missing"]]
            self._client.delete_objects(Bucket=self._whole, Delete={"Objects": listed})
            for key in keys:
                del self.objects[key]

    # Its account.

    @contextlib.contextmanager
    def _transfer(self, direction: str, outcome: str = "completed") -> Iterator[None]:
        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError):
            outcome = "failed"
        self.transfers[direction, outcome] += 1

    @contextlib.contextmanager
    def _fails_at_times(self) -> Iterator[None]:
        with contextlib.suppress(Boto3Error, BotoCoreError, ClientError):
            yield

    @contextlib.contextmanager
    def _object(self) -> Iterator[tuple[str, int]]:
        """Yield an object that there is, making one if need be."""
        while not self.objects:
            self._put(self._key(), self._size())
        yield self._random.choice(list(self.objects.items()))

    def _get(self, key: str, **options: str) -> Any:
        return self._client.get_object(Bucket=self._whole, Key=key, **options)["Body"]

    def _key(self) -> str:
        return f"{self._prefix}{self._random.randrange(100)}"

    def _partial(self) -> str:
        return self._random.choice(list(PARTLY))

    def _size(self) -> int:
        if self._random.random() < 0.04:
            return 0
        large = self._random.randrange(_LARGE) == 0
        low, high = (_USUAL, LARGEST) if large else (1, _USUAL)
        return round(math.exp(self._random.uniform(math.log(low), math.log(high))))
