-- $1 district, $2 dead or pending or NULL for both, $3 case or NULL, $4 at most so many; the newest first.
SELECT json_build_object(
    'id', o.id, 'message_id', o.message_id, 'case', o.case_id, 'endpoint', o.endpoint, 'event', o.event,
    'state', CASE WHEN o.dead_at IS NOT NULL THEN 'dead' WHEN o.lease IS NOT NULL AND o.next_at > now() THEN 'sending'
             WHEN s.disabled_at IS NOT NULL THEN 'disabled' ELSE 'pending' END,
    'attempts', o.attempts, 'created_at', o.created_at, 'next_at', CASE WHEN o.dead_at IS NULL THEN o.next_at END,
    'dead_at', o.dead_at, 'dead_reason', o.dead_reason, 'text', o.alert ->> 'text')
FROM outbox o LEFT JOIN endpoint_state s ON s.district_id = o.district_id AND s.name = o.endpoint
WHERE o.district_id = $1
  AND ($2::text IS NULL OR (o.dead_at IS NOT NULL) = ($2 = 'dead'))
  AND ($3::bigint IS NULL OR o.case_id = $3)
ORDER BY o.id DESC
LIMIT $4
