# SPDX-License-Identifier: Apache-2.0
"""What a request to an S3 storage is: its operation, its object, and the bytes of its payload."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

#: Without a bucket, with a bucket, and with a key: method → operation.
_OPERATIONS: tuple[dict[str, str], ...] = (
    {"GET": "ListBuckets"},
    {"GET": "ListObjects", "PUT": "CreateBucket", "DELETE": "DeleteBucket", "HEAD": "HeadBucket"},
    {"GET": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject", "HEAD": "HeadObject"},
)
#: A parameter of the address makes it another operation: with a key or not, method, parameter.
_BY_PARAMETER = {
    (False, "GET", "list-type"): "ListObjectsV2",
    (False, "GET", "uploads"): "ListMultipartUploads",
    (False, "POST", "delete"): "DeleteObjects",
    (True, "POST", "uploads"): "CreateMultipartUpload",
    (True, "POST", "uploadId"): "CompleteMultipartUpload",
    (True, "DELETE", "uploadId"): "AbortMultipartUpload",
    (True, "GET", "uploadId"): "ListParts",
    (True, "PUT", "partNumber"): "UploadPart",
}
_BY_COPYING = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}


def asked(method: str, path: str, headers: Mapping[str, str]) -> tuple[str, str, str]:
    """Return operation, bucket and key of a request with a bucket in its path."""
    address = urllib.parse.urlsplit(path)
    bucket, _, key = urllib.parse.unquote(address.path.lstrip("/")).partition("/")
    operation = _OPERATIONS[bool(bucket) + bool(key)].get(method, method)
    for name in urllib.parse.parse_qs(address.query, keep_blank_values=True):
        operation = _BY_PARAMETER.get((bool(key), method, name), operation)
    if headers.get("x-amz-copy-source"):
        operation = _BY_COPYING.get(operation, operation)
    return operation, bucket, key


class Plain:
    """Counts the payload of a body that has no frames."""

    def __init__(self) -> None:
        self.payload = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the body."""
        self.payload += len(piece)


class AwsChunked:
    """Counts the payload of a body in frames of ``aws-chunked``: size and data, then a trailer."""

    def __init__(self) -> None:
        self.payload = 0
        self._line = b""
        self._left = 0
        self._ended = False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the body."""
        view = memoryview(piece)
        while view and not self._ended:
            if self._left:
                taken = min(self._left, len(view))
                self._left -= taken
                self.payload += taken
                view = view[taken:]
                continue
            self._line += bytes(view[:1])
            view = view[1:]
            if self._line.endswith(b"\n"):
                self._size(self._line.strip())
                self._line = b""

    def _size(self, line: bytes) -> None:
        # What ends the data of a frame is an empty line.
        if line:
            self._left = int(line.partition(b";")[0], 16)
            self._ended = not self._left


def counter(headers: Mapping[str, str]) -> Plain | AwsChunked:
    """Return what counts the payload of a request with *headers*."""
    framed = "aws-chunked" in headers.get("content-encoding", "")
    return AwsChunked() if framed else Plain()
