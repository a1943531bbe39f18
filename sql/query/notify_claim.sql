-- $1 district, $2 lease token, $3 lease in µs, $4 at most so many, $5 {"endpoint": how many it takes now} of those that
-- take less than $6, $7 the endpoint that had its turn last. The endpoints take turns in the order of their names, so
-- that what waits for one is never read to find what another is owed: `turn` hops from one to the next over the index
-- outbox_turn, only as far as the LIMIT asks. What happens to be lost of it in a crash is sent again under the same id
-- when the lease has run out, so nobody waits for the disk.
-- An alert waits for the earlier ones of its case. A queue's statistics are never right, so the plan must not hang on
-- them: OFFSET 0 keeps each NOT EXISTS a look-up per candidate (as a join it read all of the outbox for each of its
-- rows), and coalesce keeps the partial indexes, which look small and are not, out of it.
WITH RECURSIVE turn AS (
    SELECT t.* FROM (SELECT endpoint, next_at FROM outbox WHERE district_id = $1 AND dead_at IS NULL AND endpoint > $7
                     ORDER BY endpoint, next_at LIMIT 1) t
    UNION ALL
    SELECT t.* FROM turn, LATERAL (SELECT endpoint, next_at FROM outbox
                                   WHERE district_id = $1 AND dead_at IS NULL AND endpoint > turn.endpoint
                                   ORDER BY endpoint, next_at LIMIT 1) t
), due AS (
    SELECT o.id, turn.endpoint
    FROM turn, LATERAL (
        SELECT o.id
        FROM outbox o
        WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.endpoint = turn.endpoint AND o.next_at <= now()
          AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.district_id = o.district_id AND b.case_id = o.case_id
                            AND b.id < o.id AND coalesce(b.dead_at, 'infinity') = 'infinity' OFFSET 0)
        ORDER BY o.next_at
        LIMIT coalesce(($5::jsonb ->> turn.endpoint)::bigint, $6)
        FOR UPDATE OF o SKIP LOCKED) o
    WHERE turn.next_at <= now() AND coalesce(($5::jsonb ->> turn.endpoint)::bigint, $6) > 0
      AND NOT EXISTS (SELECT 1 FROM endpoint_state s WHERE s.district_id = $1 AND s.name = turn.endpoint
                        AND s.disabled_at IS NOT NULL OFFSET 0)
    LIMIT $4
), taken AS (
    UPDATE outbox o
    SET lease = $2, next_at = now() + $3::bigint * interval '1 microsecond'
    WHERE o.district_id = $1 AND o.id = ANY (ARRAY(SELECT id FROM due))
    RETURNING o.id, o.message_id, o.case_id, o.endpoint, o.event, o.alert, ts_to_us(o.created_at), o.attempts,
              (SELECT p.mention FROM person p WHERE p.district_id = o.district_id AND p.name = o.person)
)
SELECT t.*, (SELECT max(endpoint) FROM due) FROM taken t, (SELECT set_config('synchronous_commit', 'off', true)) c
