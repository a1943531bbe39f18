-- $1 district, $2 dead or pending or NULL for both, $3 case or NULL, $4 at most so many; the newest first. What is owed
-- and waits to be put into a message is pending, too.
SELECT line FROM (
    (SELECT json_build_object(
        'id', o.id, 'message_id', o.message_id, 'case', o.case_id,
        'cases', CASE WHEN o.case_id IS NULL THEN (SELECT json_agg(a.case_id ORDER BY a.case_id) FROM outbox_about a
                                                   WHERE a.district_id = o.district_id AND a.outbox_id = o.id) END,
        'endpoint', o.endpoint, 'person', o.person, 'event', o.event,
        'state', CASE WHEN o.dead_at IS NOT NULL THEN 'dead' WHEN o.lease IS NOT NULL AND o.next_at > now() THEN 'sending'
                 WHEN s.disabled_at IS NOT NULL THEN 'disabled' ELSE 'pending' END,
        'attempts', o.attempts, 'created_at', o.created_at, 'next_at', CASE WHEN o.dead_at IS NULL THEN o.next_at END,
        'dead_at', o.dead_at, 'dead_reason', o.dead_reason, 'text', o.alert ->> 'text') AS line, o.created_at, o.id
     FROM outbox o LEFT JOIN endpoint_state s ON s.district_id = o.district_id AND s.name = o.endpoint
     WHERE o.district_id = $1
       AND ($2::text IS NULL OR (o.dead_at IS NOT NULL) = ($2 = 'dead'))
       AND ($3::bigint IS NULL OR o.case_id = $3 OR EXISTS (SELECT 1 FROM outbox_about a WHERE a.district_id = $1
                                                              AND a.outbox_id = o.id AND a.case_id = $3))
     ORDER BY o.id DESC
     LIMIT $4)
    UNION ALL
    (SELECT json_build_object('case', w.case_id, 'event', w.event, 'state', 'waiting', 'created_at', w.created_at,
                              'next_at', w.due_at, 'text', w.alert ->> 'text'), w.created_at, w.id
     FROM owed w
     WHERE w.district_id = $1 AND $2 IS DISTINCT FROM 'dead' AND ($3::bigint IS NULL OR w.case_id = $3)
     ORDER BY w.id DESC
     LIMIT $4)) x
ORDER BY created_at DESC, id DESC
LIMIT $4
