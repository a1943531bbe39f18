-- $1 district, $2 case or NULL, $3 at most so many; the newest first.
SELECT json_build_object(
    'id', d.outbox_id, 'message_id', d.message_id, 'case', d.case_id, 'cases', d.cases, 'endpoint', d.endpoint, 'at', d.at,
    'attempt', d.attempt, 'result', d.result, 'status', d.status, 'latency_ms', d.latency_ms, 'detail', d.detail,
    'answer', d.answer)
FROM delivery d
WHERE d.district_id = $1 AND ($2::bigint IS NULL OR d.case_id = $2 OR d.cases @> ARRAY[$2])
ORDER BY d.id DESC
LIMIT $3
