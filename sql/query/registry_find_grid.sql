SELECT 1 FROM grid WHERE district_id = $1 AND code = $2
