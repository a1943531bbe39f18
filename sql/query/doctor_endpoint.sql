-- What the database knows of endpoint $2: owed, dead, since when and why disabled, the last failure since the last success.
SELECT (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NULL AND endpoint = $2),
       (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NOT NULL AND endpoint = $2),
       s.disabled_at, s.reason,
       (SELECT max(attempts) FROM outbox WHERE district_id = $1 AND dead_at IS NULL AND endpoint = $2)
FROM (SELECT 1) one LEFT JOIN endpoint_state s ON s.district_id = $1 AND s.name = $2
