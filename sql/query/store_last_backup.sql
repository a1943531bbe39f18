SELECT coalesce(max(ts_to_us(snapshot_at)), 0) FROM backup WHERE district_id = $1
