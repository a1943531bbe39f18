-- Alerts that have been due for the whole schedule ($2 µs) at an endpoint that is disabled, or at one of $3, which fail:
-- their alerts are not tried one by one.
UPDATE outbox o
SET dead_at = now(), dead_reason = CASE WHEN s.disabled_at IS NULL THEN 'given up: the receiver failed all the time'
                                        ELSE 'the endpoint is disabled: ' || coalesce(s.reason, '') END
FROM outbox w LEFT JOIN endpoint_state s ON s.district_id = w.district_id AND s.name = w.endpoint
WHERE w.district_id = $1 AND w.dead_at IS NULL AND w.next_at < now() - $2::bigint * interval '1 microsecond'
  AND (s.disabled_at IS NOT NULL OR w.endpoint = ANY ($3::text[]))
  AND o.district_id = w.district_id AND o.id = w.id
