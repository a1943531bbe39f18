-- Latest state: fields are merged; what is older than the state fills gaps only. A state that has grown past all measure
-- (a device that sends ever new fields) begins anew, and one from the future (a hub's clock was ahead) is taken over.
INSERT INTO device_state AS d (district_id, device_id, at, recv_at, fields)
SELECT $1, device_id, ts_from_us(at), ts_from_us(recv_at), fields
FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::jsonb[]) AS t (device_id, at, recv_at, fields)
ON CONFLICT (district_id, device_id) DO UPDATE SET
    fields = CASE WHEN pg_column_size(d.fields) > 262144 THEN excluded.fields
                  WHEN excluded.at >= d.at OR d.at > now() + interval '2 days' THEN d.fields || excluded.fields ELSE excluded.fields || d.fields END,
    at = CASE WHEN d.at > now() + interval '2 days' THEN excluded.at ELSE greatest(d.at, excluded.at) END,
    recv_at = CASE WHEN d.recv_at > now() + interval '2 days' THEN excluded.recv_at
                   ELSE greatest(d.recv_at, excluded.recv_at) END
