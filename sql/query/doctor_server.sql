-- What of the server matters to a hub: its clock (µs), connections taken and to be had by such as us, settings.
SELECT ts_us, taken, most, settings FROM (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS ts_us,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS taken,
           current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS most,
           json_build_object('version', current_setting('server_version'), 'fsync', current_setting('fsync'),
                             'full_page_writes', current_setting('full_page_writes'),
                             'synchronous_commit', current_setting('synchronous_commit'),
                             'wal_level', current_setting('wal_level'),
                             'autovacuum', current_setting('autovacuum'),
                             'max_wal_size', current_setting('max_wal_size'),
                             'recovery', pg_is_in_recovery()::text,
                             'read_only', current_setting('transaction_read_only'),
                             'size', pg_size_pretty(pg_database_size(current_database()))) AS settings) x
