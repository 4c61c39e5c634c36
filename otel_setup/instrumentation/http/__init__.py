# SPDX-License-Identifier: Apache-2.0
"""
HTTP servers: one thin layer for ASGI and WSGI, in the place of upstream's five packages.

Upstream's measure to the wrong end (a stream of Flask, an exception), miss apps that were
imported before them, and cost several times as much. `exchange` is one request as telemetry
sees it, `asgi` and `wsgi` drive it, and `fastapi`, `starlette` and `flask` put them in place.
"""
