-- Alerts that have been due for the whole schedule ($2 µs) at an endpoint that is disabled, or at one of $3, which fail:
-- their alerts are not tried one by one.
WITH away AS (
    SELECT name, max(why) AS why
    FROM (SELECT name, 'the endpoint is disabled: ' || coalesce(reason, '') AS why FROM endpoint_state
          WHERE district_id = $1 AND disabled_at IS NOT NULL
          UNION ALL SELECT unnest($3::text[]), NULL) a
    GROUP BY name
)
UPDATE outbox o
SET dead_at = now(), dead_reason = coalesce(away.why, 'given up: the receiver failed all the time')
FROM away
WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.endpoint = away.name
  AND o.next_at < now() - $2::bigint * interval '1 microsecond'
