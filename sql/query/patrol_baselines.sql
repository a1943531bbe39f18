-- $4: when people asked for what has been done now; 0: they had not.
INSERT INTO stream_baseline AS b (district_id, device_id, baseline)
SELECT $1, device_id, baseline FROM unnest($2::bigint[], $3::json[]) AS t (device_id, baseline) ORDER BY device_id
ON CONFLICT (district_id, device_id) DO UPDATE SET baseline = excluded.baseline,
    accept_at = (SELECT CASE WHEN ts_to_us(b.accept_at) <= a.accepted THEN NULL ELSE b.accept_at END
                 FROM unnest($2::bigint[], $4::bigint[]) AS a (device_id, accepted) WHERE a.device_id = b.device_id)
