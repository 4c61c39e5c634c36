# SPDX-License-Identifier: Apache-2.0
"""
A storage that makes up its listing: as many objects as one likes, none of which exists.

The size of object number n is n. What is under test is who lists it.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

#: The longest that an access key may be: nobody looks at it.
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": "us-east-1",
}

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def key(number: int) -> str:
    """Return the name of object *number*; names are in the order of numbers."""
    return f"models/{number:09}.stl"


class MadeUpStorage:
    """The bucket ``large`` with *objects* objects, on a free port; a context manager."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        #: Whether it begins at the first key whatever it is asked for.
        self.forgets_where = False
        #: The queries of the listings, in the order of their arrival.
        self.queries: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        storage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                body = storage.answer(self.path).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        return Handler

    def answer(self, path: str) -> str:
        """Return the page that *path* asks for."""
        query = {
            name: values[0]
            for name, values in parse_qs(urlsplit(path).query, keep_blank_values=True).items()
        }
        if "uploads" in query:
            return f'{_HEAD}<ListMultipartUploadsResult xmlns="{_NAMESPACE}"/>'
        self.queries.append(query)
        behind = query.get("continuation-token") or query.get("start-after", "")
        first = int(behind[7:16]) + 1 if behind and not self.forgets_where else 0
        last = min(first + int(query["max-keys"]), self.objects)
        entries = "".join(
            f"<Contents><Key>{key(number)}</Key><Size>{number}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(first, last)
        )
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{key(last - 1)}"
            "</NextContinuationToken>"
            if last < self.objects
            else "<IsTruncated>false</IsTruncated>"
        )
        return f'{_HEAD}<ListBucketResult xmlns="{_NAMESPACE}">{more}{entries}</ListBucketResult>'
