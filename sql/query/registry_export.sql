SELECT name, adapter, class, address FROM device WHERE district_id = $1 AND removed_at IS NULL ORDER BY name
