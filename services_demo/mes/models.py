# SPDX-License-Identifier: Apache-2.0
"""Fetches a model from the storage and measures it; only the pricing processes import this."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import boto3
import trimesh
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services_demo.mes.pricing import CannotPrice, ModelUnavailable, Shape


def fetch(endpoint_url: str, bucket: str, key: str) -> bytes:
    """
    Return the file of a model.

    Raises:
        CannotPrice: it is gone.
        ModelUnavailable: the storage does not answer.
    """
    try:
        body = _client(endpoint_url).get_object(Bucket=bucket, Key=key)["Body"]
        content: bytes = body.read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in {"NoSuchKey", "404"}:
            raise CannotPrice("The file of the model is gone. Upload it again.") from None
        raise ModelUnavailable(f"the storage answered {code}") from None
    except (BotoCoreError, OSError) as error:
        raise ModelUnavailable(f"the storage does not answer: {type(error).__name__}") from None
    return content


def measure(content: bytes, model_format: str) -> Shape:
    """
    Return the shape of the model in *content*.

    Raises:
        CannotPrice: there is none.
    """
    try:
        mesh = trimesh.load_mesh(io.BytesIO(content), file_type=model_format)
        return Shape(
            volume_mm3=abs(float(mesh.volume)),
            surface_mm2=float(mesh.area),
            triangles=len(mesh.faces),
            watertight=bool(mesh.is_watertight),
        )
    except Exception as error:  # noqa: BLE001 - the parsers raise whatever a bad file makes them
        raise CannotPrice(f"The model cannot be read ({type(error).__name__}).") from None


@cache
def _client(endpoint_url: str) -> Any:
    config = Config(
        connect_timeout=3,
        read_timeout=20,
        retries={"total_max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path"},
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=endpoint_url, config=config)
