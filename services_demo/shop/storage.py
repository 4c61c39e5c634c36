# SPDX-License-Identifier: Apache-2.0
"""The S3 bucket that holds the 3D models."""

from __future__ import annotations

import contextlib
import logging
from typing import IO, TYPE_CHECKING

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services_demo.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024


class Storage:
    """One bucket, made if it is missing. Safe to use from several threads."""

    def __init__(self, endpoint_url: str, bucket: str) -> None:
        self._bucket = bucket
        self._bucket_exists = False
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            config=Config(
                connect_timeout=3,
                read_timeout=20,
                retries={"total_max_attempts": 3, "mode": "standard"},
                s3={"addressing_style": "path"},
                # Not every storage server knows the trailing checksums that are sent otherwise.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put(self, key: str, file: IO[bytes]) -> None:
        """Store *file* from its start, in parts if it is large."""
        with _plainly("storing the model"):
            self.ensure_bucket()
            file.seek(0)
            try:
                self._client.upload_fileobj(file, self._bucket, key)
            except S3UploadFailedError:
                self._bucket_exists = False  # somebody may have deleted it: look again next time
                raise

    def get(self, key: str) -> bytes:
        """Return the whole object."""
        with _plainly("reading the model"):
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def stream(self, key: str) -> Iterator[bytes]:
        """Return the object piece by piece; that it exists is known before the first piece."""
        with _plainly("reading the model"):
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]

        def pieces() -> Iterator[bytes]:
            with contextlib.closing(body):
                yield from body.iter_chunks(_CHUNK)

        return pieces()

    def ensure_bucket(self) -> None:
        """Make the bucket if it is missing."""
        if self._bucket_exists:
            return
        try:
            self._client.create_bucket(Bucket=self._bucket)
        except ClientError as error:
            # Also what another worker says that was quicker.
            if error.response["Error"]["Code"] not in {
                "BucketAlreadyOwnedByYou",
                "BucketAlreadyExists",
            }:
                raise
        self._bucket_exists = True


@contextlib.contextmanager
def _plainly(doing: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        log.error("storage unavailable, %s: %s", doing, error)  # noqa: TRY400 - one line says it
        raise ApiError(
            503,
            "storage_unavailable",
            "The storage of 3D models does not answer. Nothing was stored; try again in a few "
            "seconds.",
        ) from None
