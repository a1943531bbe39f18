-- $1 district, $2 lease token, $3 lease in µs, $4 at most so many, $5 endpoints that have enough under way.
-- An alert waits for the earlier ones of its case. In a CTE: as a plain subquery the LIMIT would not bind the UPDATE.
-- A queue's statistics are never right, so the plan must not hang on them: OFFSET 0 keeps each NOT EXISTS a look-up per
-- candidate (as a join it read all of the outbox for each of its rows), and coalesce keeps the partial indexes, which
-- look small and are not, out of it.
WITH due AS (
    SELECT o.district_id, o.id
    FROM outbox o
    WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.next_at <= now()
      AND coalesce(o.endpoint, '') <> ALL ($5::text[])
      AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.district_id = o.district_id AND b.case_id = o.case_id
                        AND b.id < o.id AND coalesce(b.dead_at, 'infinity') = 'infinity' OFFSET 0)
      AND NOT EXISTS (SELECT 1 FROM endpoint_state s WHERE s.district_id = o.district_id AND s.name = o.endpoint
                        AND s.disabled_at IS NOT NULL OFFSET 0)
    ORDER BY o.next_at
    LIMIT $4
    FOR UPDATE OF o SKIP LOCKED)
UPDATE outbox o
SET lease = $2, next_at = now() + $3::bigint * interval '1 microsecond'
FROM due
WHERE o.district_id = due.district_id AND o.id = due.id
RETURNING o.id, o.message_id, o.case_id, o.endpoint, o.event, o.alert, ts_to_us(o.created_at), o.attempts
