INSERT INTO snapshot (district_id, id, device_id, at, bytes, jpeg)
SELECT $1, id, device_id, ts_from_us(at_us), length(jpeg), jpeg
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bytea[]) AS t (id, device_id, at_us, jpeg)
ON CONFLICT DO NOTHING
