# SPDX-License-Identifier: Apache-2.0
"""Metrics of HTTP servers; names of the stable semantic conventions (http namespace)."""

from otel_setup.catalogue.model import Histogram, UpDownCounter

#: From a JSON answer to a large 3D model.
_BYTES = (100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8)

_ENDPOINT = {
    "http.route": "template of the path, never the path itself; as many as the app has routes",
    "http.request.method": "GET, POST and so on; unknown ones are _OTHER",
    "http.response.status_code": "status of the answer; about 20 are in use",
    "url.scheme": "http or https",
    "network.protocol.version": "version of HTTP; about 3",
}

REQUEST_DURATION = Histogram(
    name="http.server.request.duration",
    unit="s",
    description="Duration of requests to the server.",
    why="Rate, errors and latency of every endpoint come from it.",
    attributes={**_ENDPOINT, "error.type": "class of the failure; absent when there was none"},
)

ACTIVE_REQUESTS = UpDownCounter(
    name="http.server.active_requests",
    unit="{request}",
    description="Requests that the server works on.",
    why="Requests that pile up show saturation before the latency does.",
    attributes={key: _ENDPOINT[key] for key in ("http.request.method", "url.scheme")},
)

REQUEST_BODY_SIZE = Histogram(
    name="http.server.request.body.size",
    unit="By",
    buckets=_BYTES,
    description="Size of what clients send.",
    why="Uploads load the system by their size, not by their number.",
    attributes=_ENDPOINT,
)

RESPONSE_BODY_SIZE = Histogram(
    name="http.server.response.body.size",
    unit="By",
    buckets=_BYTES,
    description="Size of what the server answers.",
    why="A page that grows is a page that becomes slow.",
    attributes=_ENDPOINT,
)
