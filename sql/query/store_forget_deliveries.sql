-- Attempts to deliver that are older than $2 (microseconds), 10,000 at a time so that no lock is held for long.
WITH old AS (
    SELECT id FROM delivery WHERE district_id = $1 AND at < now() - $2::bigint * interval '1 microsecond' LIMIT 10000
)
DELETE FROM delivery d USING old WHERE d.district_id = $1 AND d.id = old.id
