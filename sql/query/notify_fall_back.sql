-- What waits for one of the endpoints $2, which fail, goes to the person's next endpoint after a minute; what waits for one
-- that is disabled, at once. Not what is being sent: that attempt's result moves it. With only disabled ones left it stays, for
-- the one that is enabled first. Without its lease, so that no late result of the one before counts for the next. The order
-- names the index (see notify_claim): what waits for other endpoints is not read.
WITH off AS MATERIALIZED (
    SELECT name FROM endpoint_state WHERE district_id = $1 AND disabled_at IS NOT NULL
), away AS (
    SELECT name, true AS disabled FROM off UNION ALL SELECT unnest($2::text[]), false
), moves AS (
    SELECT o.id
    FROM away, LATERAL (
        SELECT o.id
        FROM outbox o
        WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.endpoint = away.name
          AND CASE WHEN away.disabled THEN o.lease IS NULL OR o.next_at <= now() ELSE o.next_at < now() - interval '1 minute' END
          AND NOT o.fallback <@ ARRAY(SELECT name FROM off)
        ORDER BY o.next_at
        FOR UPDATE OF o SKIP LOCKED) o
)
UPDATE outbox o
SET endpoint = o.fallback[1], fallback = o.fallback[2:], attempts = 0, lease = NULL, next_at = now()
WHERE o.district_id = $1 AND o.id = ANY (ARRAY(SELECT id FROM moves))
