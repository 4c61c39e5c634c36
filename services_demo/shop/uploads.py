# SPDX-License-Identifier: Apache-2.0
"""Receives an uploaded file: counted while it comes, never whole in memory."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from starlette.requests import ClientDisconnect

from services_demo.web.errors import ApiError

if TYPE_CHECKING:
    from types import TracebackType

    from fastapi import Request

_IN_MEMORY = 1_000_000
# Who is refused while still sending sees a broken connection instead of the answer, so the
# rest is read and thrown away; up to here, since nobody has to be that patient.
_DRAIN_FACTOR = 10


@dataclass(slots=True)
class Upload:
    """A received file; leaving the `with` block deletes it."""

    file: IO[bytes]
    size: int = 0
    sha256: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.file.close()


async def receive(request: Request, limit: int) -> Upload:
    """
    Read the body of *request*, at most *limit* bytes.

    Raises:
        ApiError: 413 over the limit, 400 for an empty or broken-off body.
    """
    upload = Upload(tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed by Upload
    try:
        await _read(request, limit, upload)
    except BaseException:
        upload.file.close()
        raise
    return upload


async def _read(request: Request, limit: int, upload: Upload) -> None:
    declared = _declared_length(request)
    checksum = hashlib.sha256()
    try:
        async for piece in request.stream():
            upload.size += len(piece)
            if max(upload.size, declared) <= limit:
                checksum.update(piece)
                upload.file.write(piece)
            elif upload.size > limit * _DRAIN_FACTOR:
                break
    except ClientDisconnect:
        raise ApiError(
            400,
            "upload_broken_off",
            f"body: it ended after {upload.size} bytes. Nothing was stored; send it again.",
        ) from None
    size = max(upload.size, declared)
    if size > limit:
        raise ApiError(
            413,
            "model_too_large",
            f"body: it has {size} bytes: expected at most {limit}. "
            "Reduce the number of triangles, or send binary instead of text STL.",
        )
    if not size:
        raise ApiError(400, "empty_body", "body: it is empty. Send the file itself as the body.")
    upload.sha256 = checksum.hexdigest()


def _declared_length(request: Request) -> int:
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
