UPDATE device SET removed_at = now(), rev = $2 WHERE district_id = $1 AND name = $3 AND removed_at IS NULL
