-- Alerts that have been due for the whole schedule ($2 µs) at an endpoint that is disabled.
UPDATE outbox o
SET dead_at = now(), dead_reason = 'the endpoint is disabled: ' || coalesce(s.reason, '')
FROM endpoint_state s
WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.next_at < now() - $2::bigint * interval '1 microsecond'
  AND s.district_id = o.district_id AND s.name = o.endpoint AND s.disabled_at IS NOT NULL
