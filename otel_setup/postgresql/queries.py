# SPDX-License-Identifier: Apache-2.0
"""What the reader asks of a server; the role needs ``pg_read_all_stats`` and no table."""

from __future__ import annotations

#: Only clients: a worker of the server is no connection of anybody.
SESSIONS = """
SELECT a.datname,
       CASE
         WHEN a.wait_event_type = 'Lock' THEN 'waiting'
         WHEN a.state = 'idle' THEN 'idle'
         WHEN a.state LIKE 'idle in transaction%' THEN 'idle_in_transaction'
         ELSE 'active'
       END AS doing,
       count(*),
       coalesce(max(extract(epoch FROM clock_timestamp() - coalesce(w.since, a.query_start)))
                FILTER (WHERE a.wait_event_type = 'Lock'), 0)::float8,
       coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::float8
FROM pg_stat_activity AS a
LEFT JOIN (
  SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid
) AS w ON w.pid = a.pid
WHERE a.backend_type = 'client backend' AND a.datname IS NOT NULL AND a.pid <> pg_backend_pid()
GROUP BY 1, 2
"""

#: Without what every transaction holds of itself. A lock on a row waits in no database of its own.
LOCKS = """
SELECT a.datname, l.mode, CASE WHEN l.granted THEN 'true' ELSE 'false' END, count(*)
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE a.datname IS NOT NULL AND a.pid <> pg_backend_pid()
  AND l.locktype <> 'virtualxid' AND NOT (l.locktype = 'transactionid' AND l.granted)
GROUP BY 1, 2, 3
"""

DATABASES = """
SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1 LIMIT 20
"""

#: Without their texts, which lie in a file. What watches the server is none of its work.
STATEMENTS = """
SELECT d.datname, s.queryid, sum(s.total_exec_time)::float8 / 1000, sum(s.calls)::int8
FROM pg_stat_statements(false) AS s
JOIN pg_database AS d ON d.oid = s.dbid
WHERE s.queryid IS NOT NULL
  AND s.userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
GROUP BY 1, 2
ORDER BY 3 DESC
LIMIT %s
"""

TEXTS = """
SELECT DISTINCT ON (s.queryid) s.queryid, left(s.query, 4000)
FROM pg_stat_statements AS s
WHERE s.queryid = ANY(%s)
"""
