-- What came, and what was turned away: the last record in (µs), hubs seen in the last hour, devices, refused and
-- unknown in the last day.
SELECT (SELECT ts_to_us(max(last_recv)) FROM ingest_cursor WHERE district_id = $1),
       (SELECT count(*) FROM device WHERE district_id = $1 AND removed_at IS NULL),
       (SELECT count(*) FROM rejected_message WHERE district_id = $1 AND at > now() - interval '1 day'),
       (SELECT reason || ', ' || topic FROM rejected_message WHERE district_id = $1 ORDER BY id DESC LIMIT 1),
       (SELECT count(*) FROM unknown_device WHERE district_id = $1 AND last_seen > now() - interval '1 day'),
       (SELECT adapter || ' ' || address FROM unknown_device WHERE district_id = $1 ORDER BY last_seen DESC LIMIT 1)
