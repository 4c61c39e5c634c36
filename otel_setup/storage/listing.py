# SPDX-License-Identifier: Apache-2.0
"""The pages of a storage's listings, one request each, asked for no faster than is allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_setup.storage.settings import ScanSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: As many entries as S3 puts on one page.
PAGE = 1000

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 5, 60, 5


class Stopped(Exception):
    """Somebody wants the scanner to end; what is counted so far is kept."""


class BrokenListing(Exception):
    """The storage lists in a way that would never end, or count twice."""


class Pace:
    """Waits before each request, so that there are at most *per_second* of them."""

    def __init__(self, per_second: float, stop: threading.Event) -> None:
        self._pause = 1 / per_second
        self._stop = stop
        self._next = 0.0

    def wait(self) -> None:
        """
        Return when the next request may be made.

        Raises:
            Stopped: the scanner is to end.
        """
        delay = self._next - time.monotonic()
        if (delay > 0 and self._stop.wait(delay)) or self._stop.is_set():
            raise Stopped
        self._next = time.monotonic() + self._pause


@dataclass(frozen=True, slots=True)
class Uploads:
    """Uploads in parts of one key that were neither completed nor aborted."""

    key: str
    ids: tuple[str, ...]
    #: Whether no more of this key follow.
    last: bool = True


class Listing:
    """
    What a *client* of S3 lists.

    *asked* is called with the bucket's name for each page; it waits, counts, or raises.
    """

    def __init__(self, client: S3Client, asked: Callable[[str], None], page: int = PAGE) -> None:
        self._client = client
        self._asked = asked
        self._page = page

    def buckets(self) -> list[str]:
        """Return the names of all buckets."""
        return [each["Name"] for each in self._client.list_buckets().get("Buckets", ())]

    def objects(self, bucket: str, after: str = "") -> Iterator[list[tuple[str, int]]]:
        """
        Yield keys and sizes of the objects behind the key *after*, page by page.

        Raises:
            BrokenListing: the storage gives the same page again and again, or begins elsewhere.
        """
        request: dict[str, Any] = {"Bucket": bucket, "MaxKeys": self._page}
        if after:
            request["StartAfter"] = after
        while True:
            self._asked(bucket)
            answer = self._client.list_objects_v2(**request)
            page = [(each["Key"], each["Size"]) for each in answer.get("Contents", ())]
            if after and page and page[0][0] <= after:
                raise BrokenListing("asked for what follows a key, it begins before that key")
            # Only once: not every storage sorts what comes later.
            after = ""
            yield page
            if not answer.get("IsTruncated"):
                return
            token = answer.get("NextContinuationToken")
            if not token or token == request.get("ContinuationToken"):
                raise BrokenListing("there is more, and the token for it is missing or old")
            request.pop("StartAfter", None)
            request["ContinuationToken"] = token

    def uploads(self, bucket: str, after: str = "") -> Iterator[Uploads]:
        """
        Yield the unfinished uploads of each key behind the key *after*.

        Raises:
            BrokenListing: the storage gives the same page again and again.
        """
        marker = {"KeyMarker": after} if after else {}
        while True:
            request: dict[str, Any] = {"Bucket": bucket, "MaxUploads": self._page, **marker}
            self._asked(bucket)
            answer = self._client.list_multipart_uploads(**request)
            found: dict[str, list[str]] = {}
            for each in answer.get("Uploads", ()):
                found.setdefault(each["Key"], []).append(each["UploadId"])
            keys = list(found)
            if not answer.get("IsTruncated"):
                yield from (Uploads(key, tuple(found[key])) for key in keys)
                return
            # The last key is asked for again, whole: not every storage goes on inside a key.
            inside = len(keys) == 1
            for key in keys if inside else keys[:-1]:
                yield Uploads(key, tuple(found[key]), last=not inside)
            following = _markers(answer) if inside else {"KeyMarker": keys[-2]} if keys else {}
            if following in ({}, marker):
                raise BrokenListing("there are more uploads, and the marker for them is missing")
            marker = following

    def parts(self, bucket: str, key: str, upload: str) -> int:
        """
        Return the bytes of the parts of the upload *upload* of *key*.

        Raises:
            BrokenListing: the storage gives the same page again and again.
        """
        size, marker = 0, 0
        while True:
            self._asked(bucket)
            answer = self._client.list_parts(
                Bucket=bucket,
                Key=key,
                UploadId=upload,
                MaxParts=self._page,
                PartNumberMarker=marker,
            )
            size += sum(each["Size"] for each in answer.get("Parts", ()))
            if not answer.get("IsTruncated"):
                return size
            following = int(answer.get("NextPartNumberMarker", 0))
            if following <= marker:
                raise BrokenListing("there are more parts, and the marker for them is missing")
            marker = following


def _markers(answer: Any) -> dict[str, str]:
    """Return where the storage says that it goes on."""
    names = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
    return {name: answer[said] for name, said in names.items() if answer.get(said)}


def connect(settings: ScanSettings) -> S3Client:
    """
    Return a client of the storage, with the credentials that botocore finds.

    Raises:
        ModuleNotFoundError: botocore is not installed; it comes with boto3.
    """
    import botocore.session  # noqa: PLC0415 - a program that does not scan need not have it
    from botocore.config import Config  # noqa: PLC0415

    session = botocore.session.get_session()
    # Nobody reads the times, and to parse them takes four fifths of the CPU of a page.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    region = session.get_config_variable("region")
    client: Any = session.create_client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=region or ("us-east-1" if settings.endpoint else None),
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
            max_pool_connections=1,
        ),
    )
    found: S3Client = client
    return found
