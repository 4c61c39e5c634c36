# SPDX-License-Identifier: Apache-2.0
"""What the span of a call says about it; keys of objects only where that is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

#: show: keys of objects are on spans. hide: they are nowhere.
VARIABLE = "OTEL_SETUP_S3_KEYS"

_REMEMBERED = 4096
#: As botocore has it; without the check a key or a URL in its place would become a label.
_BUCKET = re.compile(r"[A-Za-z0-9.\-_]{1,255}|arn:[A-Za-z0-9.\-_:/]{1,250}")
_INVALID = "(invalid)"
_PORTS = {"http": 80, "https": 443}

Attributes = dict[str, Any]


def shows_keys() -> bool:
    """Tell whether keys may be on spans."""
    return os.environ.get(VARIABLE, "").strip() == "show"


def bucket_of(params: Mapping[str, Any]) -> str:
    """Return the bucket that a call names, as labels have it; empty when it names none."""
    bucket = params.get("Bucket")
    if bucket is None:
        return ""
    return _bucket(bucket) if isinstance(bucket, str) else _INVALID


@lru_cache(_REMEMBERED)
def _bucket(name: str) -> str:
    return name if _BUCKET.fullmatch(name) else _INVALID


@lru_cache(_REMEMBERED)
def fixed(method: str, bucket: str, region: str, url: str) -> Attributes:
    """Return what all calls of *method* on *bucket* have in common."""
    found: Attributes = {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": method}
    if bucket:
        found["aws.s3.bucket"] = bucket
    if region:
        found["cloud.region"] = region
    endpoint = urlsplit(url)
    if endpoint.hostname:
        found["server.address"] = endpoint.hostname
        found["server.port"] = endpoint.port or _PORTS.get(endpoint.scheme, 443)
    return found


def of_call(params: Mapping[str, Any], common: Attributes, *, keys: bool) -> Attributes:
    """Return *common* and what is special about the call with *params*."""
    special: Attributes = {}
    if "UploadId" in params:
        special["aws.s3.upload_id"] = str(params["UploadId"])
    if isinstance(params.get("PartNumber"), int):
        special["aws.s3.part_number"] = params["PartNumber"]
    if "CopySource" in params:
        source = _source(params["CopySource"], keys=keys)
        if source:
            special["aws.s3.copy_source"] = source
    if keys and isinstance(params.get("Key"), str):
        special["aws.s3.key"] = params["Key"]
    return {**common, **special} if special else common


def _source(source: Any, *, keys: bool) -> str:
    if isinstance(source, Mapping):
        bucket, key = str(source.get("Bucket", "")), str(source.get("Key", ""))
    else:
        bucket, _, key = str(source).lstrip("/").partition("/")
    return f"{bucket}/{key}" if keys else bucket
