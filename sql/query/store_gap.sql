INSERT INTO intake_gap (district_id, stream_id, adapter, from_at, to_at)
SELECT $1, $2, adapter, ts_from_us(from_us), ts_from_us(to_us)
FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS t (adapter, from_us, to_us)
