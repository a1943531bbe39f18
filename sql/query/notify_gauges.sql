-- Owed, dead, how long the oldest that could go has been due (µs; see notify_claim for its form), and a disabled
-- endpoint for which alerts wait.
WITH RECURSIVE turn AS (
    SELECT t.* FROM (SELECT endpoint, next_at FROM outbox WHERE district_id = $1 AND dead_at IS NULL
                     ORDER BY endpoint, next_at LIMIT 1) t
    UNION ALL
    SELECT t.* FROM turn, LATERAL (SELECT endpoint, next_at FROM outbox
                                   WHERE district_id = $1 AND dead_at IS NULL AND endpoint > turn.endpoint
                                   ORDER BY endpoint, next_at LIMIT 1) t
)
SELECT (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NULL),
       (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NOT NULL),
       coalesce(ts_to_us(now()) - (
           SELECT min(ts_to_us(o.next_at))
           FROM turn, LATERAL (
               SELECT o.next_at
               FROM outbox o
               WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.endpoint = turn.endpoint AND o.next_at <= now()
                 AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.district_id = o.district_id AND b.case_id = o.case_id
                                   AND b.id < o.id AND coalesce(b.dead_at, 'infinity') = 'infinity' OFFSET 0)
               ORDER BY o.next_at
               LIMIT 1) o
           WHERE NOT EXISTS (SELECT 1 FROM endpoint_state s WHERE s.district_id = $1
                               AND s.name = turn.endpoint AND s.disabled_at IS NOT NULL OFFSET 0)), 0),
       (SELECT s.name
        FROM endpoint_state s
        WHERE s.district_id = $1 AND s.disabled_at IS NOT NULL
          AND EXISTS (SELECT 1 FROM outbox o WHERE o.district_id = s.district_id AND o.endpoint = s.name
                        AND o.dead_at IS NULL OFFSET 0)
        ORDER BY s.name
        LIMIT 1)
