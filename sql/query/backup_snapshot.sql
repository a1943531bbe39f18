-- What the dump will have in it: how far each spool is in, above all.
SELECT pg_export_snapshot(), current_setting('server_version_num')::integer,
    (SELECT max(version) FROM schema_version),
    (SELECT coalesce(json_agg(json_build_object('district', d.name, 'spool', c.stream_id, 'last_seq', c.last_seq)), '[]')
     FROM ingest_cursor c JOIN district d ON d.id = c.district_id)
