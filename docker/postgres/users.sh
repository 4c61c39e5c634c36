#!/bin/sh
# A user and a database per service, and the user with which the Collector looks on.
# The image runs it once, when the data folder is empty. The native stack does the same in
# services_demo/stack/prepare.py.
set -eu

for name in shop mes crm otel_monitor; do
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
    --dbname postgres --set name="$name" --set secret="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'secret';
SQL
done

for name in shop mes crm; do
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
    --dbname postgres --set name="$name" <<'SQL'
CREATE DATABASE :"name" OWNER :"name";
SQL
done

# All statistics and no table; a fault of the monitoring leaves connections to services.
# One database with the extension is enough: its view has the statements of all.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
  --dbname postgres <<'SQL'
GRANT pg_read_all_stats TO otel_monitor;
ALTER ROLE otel_monitor CONNECTION LIMIT 10;
CREATE EXTENSION pg_stat_statements;
SQL
