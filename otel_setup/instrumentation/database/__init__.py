# SPDX-License-Identifier: Apache-2.0
"""
Clients of databases: each statement, each wait for a connection, and both for each request.

`asking` is one statement as telemetry sees it, `statements` what its text says, `pools` the
pools of connections. `psycopg`, `psycopg_pool` and `sqlalchemy` put them in place.
"""
