INSERT INTO device_memory AS m (district_id, device_id, stream_id, data)
SELECT $1, device_id, $2, data FROM unnest($3::bigint[], $4::bytea[]) AS t (device_id, data)
ON CONFLICT (district_id, device_id) DO UPDATE SET stream_id = excluded.stream_id, data = excluded.data
