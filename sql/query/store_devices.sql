SELECT d.id, d.name, coalesce(d.title, ''), d.class, d.adapter, d.address, d.grid_id, d.interval_us,
       d.removed_at IS NOT NULL, d.rev, ts_to_us(s.recv_at)
FROM device d LEFT JOIN device_state s ON s.district_id = d.district_id AND s.device_id = d.id
WHERE d.district_id = $1 AND d.rev > $2 ORDER BY d.id
