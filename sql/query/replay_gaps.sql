-- When nothing could arrive, in the order in which it was over.
SELECT coalesce(adapter, ''), adapter IS NULL, ts_to_us(from_at), ts_to_us(to_at) FROM intake_gap
WHERE district_id = $1 AND to_at >= ts_from_us($2) AND from_at < ts_from_us($3) ORDER BY to_at, from_at
