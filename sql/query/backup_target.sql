-- Where a dump is to go: what stands there already, and how old the server is.
SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')),
    current_setting('server_version_num')::integer, current_database()
