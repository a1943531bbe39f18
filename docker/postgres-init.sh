#!/bin/bash
# Run once by the postgres image, on an empty volume: the database and its three roles. What they may do is the business of
# `gridhub migrate --hub-role gridhub_hub --report-role gridhub_report`.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -X -q --username "$POSTGRES_USER" --dbname postgres \
	-v owner="$(</keys/owner)" -v hub="$(</keys/hub)" -v report="$(</keys/report)" <<'SQL'
CREATE ROLE gridhub_owner LOGIN PASSWORD :'owner';
CREATE ROLE gridhub_hub LOGIN PASSWORD :'hub';
CREATE ROLE gridhub_report LOGIN PASSWORD :'report' CONNECTION LIMIT 10;
ALTER ROLE gridhub_report SET default_transaction_read_only = on;
ALTER ROLE gridhub_report SET statement_timeout = '5min';
-- A long snapshot keeps dead rows of device_state from being reused.
ALTER ROLE gridhub_report SET idle_in_transaction_session_timeout = '1min';
CREATE DATABASE gridhub OWNER gridhub_owner;
REVOKE ALL ON DATABASE gridhub FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE gridhub TO gridhub_hub;
GRANT CONNECT ON DATABASE gridhub TO gridhub_report;
\connect gridhub
ALTER SCHEMA public OWNER TO gridhub_owner;
SQL
