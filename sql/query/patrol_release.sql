-- At the end: others need not wait until the leases have run out.
WITH gone AS (DELETE FROM probe_hub WHERE district_id = $1 AND hub = $2)
UPDATE probe_share SET holder = NULL, expires_at = now() WHERE district_id = $1 AND holder = $2
