INSERT INTO stream_span (district_id, device_id, from_at, state, cause)
SELECT $1, device_id, ts_from_us(from_us), state, cause
FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::text[]) AS t (device_id, from_us, state, cause)
ON CONFLICT DO NOTHING
