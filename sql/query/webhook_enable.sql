DELETE FROM endpoint_state WHERE district_id = $1 AND name = $2 AND disabled_at IS NOT NULL
