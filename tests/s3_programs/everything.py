# SPDX-License-Identifier: Apache-2.0
"""A client of S3 that meets all that panels show, again and again, until it is ended."""

from __future__ import annotations

import contextlib
import io
import os
import time

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET, NOWHERE = os.environ["BUCKET"], os.environ["NOWHERE"]
FILE = bytes(200_000)
LARGE = bytes(6 * 1024 * 1024)
PARTS = TransferConfig(multipart_threshold=5 * 1024 * 1024, multipart_chunksize=5 * 1024 * 1024)

client = boto3.client(
    "s3",
    endpoint_url=os.environ["STORAGE"],
    config=Config(
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    ),
)


def body(key: str) -> object:
    """Return the body of an object, which nobody has read."""
    return client.get_object(Bucket=BUCKET, Key=key)["Body"]


while True:
    client.upload_fileobj(io.BytesIO(LARGE), BUCKET, "large", Config=PARTS)
    client.put_object(Bucket=BUCKET, Key="file", Body=FILE)
    client.download_fileobj(BUCKET, "file", io.BytesIO())
    client.get_object(Bucket=BUCKET, Key="file")["Body"].read()
    left = client.get_object(Bucket=BUCKET, Key="large")["Body"]
    left.read(1000)
    left.close()
    body("file")
    # The proxy of the test answers these with an error, the first at every other attempt only.
    client.put_object(Bucket=BUCKET, Key="throttled", Body=FILE)
    for bucket, key in ((BUCKET, "ill"), (NOWHERE, "file")):
        with contextlib.suppress(ClientError, S3UploadFailedError):
            client.put_object(Bucket=bucket, Key=key, Body=FILE)
    with contextlib.suppress(ClientError):
        client.head_object(Bucket=BUCKET, Key="missing")
    time.sleep(0.1)
