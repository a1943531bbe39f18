SELECT id, name, coalesce(title, ''), class, adapter, address, grid_id, interval_us, removed_at IS NOT NULL, rev
FROM device WHERE district_id = $1 AND rev > $2 ORDER BY id
