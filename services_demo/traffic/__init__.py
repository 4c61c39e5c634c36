# SPDX-License-Identifier: Apache-2.0
"""
Real load on the company: customers, operators and sales who use the three APIs over HTTP.

Importing this package loads neither locust nor gevent, so `shapes` and `order` can be used beside
threads and asyncio.
"""
