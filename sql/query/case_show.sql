SELECT json_build_object(
    'case', c.id, 'state', s.name, 'severity', (ARRAY['low', 'normal', 'high', 'urgent'])[c.severity + 1],
    'kind', c.kind, 'title', c.title, 'rule', c.rule_id, 'fields', c.fields,
    'device', json_build_object('id', d.name, 'title', d.title, 'address', d.address, 'adapter', d.adapter),
    'grid', json_build_object('code', g.code, 'name', g.name),
    'opened_at', c.opened_at, 'first_seen', c.first_seen, 'last_seen', c.last_seen, 'event_count', c.event_count,
    'recovered_at', c.recovered_at, 'closed_at', c.closed_at,
    'history', (SELECT coalesce(json_agg(json_build_object(
            'at', e.at, 'what', e.what, 'from', f.name, 'to', t.name, 'actor', e.actor, 'reason', e.reason)
            ORDER BY e.id), '[]')
        FROM case_event e LEFT JOIN case_state f ON f.state = e.from_state LEFT JOIN case_state t ON t.state = e.to_state
        WHERE e.district_id = c.district_id AND e.case_id = c.id),
    'alerts_owed', (SELECT coalesce(json_agg(json_build_object(
            'id', o.id, 'event', o.event, 'endpoint', o.endpoint, 'attempts', o.attempts, 'next_at', o.next_at,
            'dead_at', o.dead_at, 'dead_reason', o.dead_reason) ORDER BY o.id), '[]')
        FROM outbox o WHERE o.district_id = c.district_id AND (o.case_id = c.id OR EXISTS (
            SELECT 1 FROM outbox_about a WHERE a.district_id = c.district_id AND a.outbox_id = o.id AND a.case_id = c.id))),
    'alerts_waiting', (SELECT coalesce(json_agg(json_build_object('event', w.event, 'next_at', w.due_at) ORDER BY w.id), '[]')
        FROM owed w WHERE w.district_id = c.district_id AND w.case_id = c.id),
    'affected', (SELECT coalesce(json_agg(json_build_object('device', x.name, 'rule', a.rule_id, 'from', a.from_at,
                                                            'to', a.to_at) ORDER BY a.from_at, x.name), '[]')
        FROM case_affected a JOIN device x ON x.district_id = a.district_id AND x.id = a.device_id
        WHERE a.district_id = c.district_id AND a.case_id = c.id),
    'explained_by', c.cause,
    'snapshots', (SELECT coalesce(json_agg(json_build_object('id', x.id, 'at', x.at) ORDER BY x.at), '[]')
        FROM (SELECT * FROM snapshot p WHERE p.district_id = c.district_id AND p.device_id = c.device_id
              AND p.at >= c.first_seen - interval '15 minutes' AND p.at <= coalesce(c.recovered_at, c.closed_at, now())
              ORDER BY p.at LIMIT 50) x),
    'deliveries', (SELECT coalesce(json_agg(json_build_object(
            'at', v.at, 'endpoint', v.endpoint, 'attempt', v.attempt, 'result', v.result, 'status', v.status,
            'latency_ms', v.latency_ms, 'detail', v.detail) ORDER BY v.id), '[]')
        FROM delivery v WHERE v.district_id = c.district_id AND (v.case_id = c.id OR v.cases @> ARRAY[c.id])))
FROM grid_case c
JOIN case_state s ON s.state = c.state
LEFT JOIN device d ON d.district_id = c.district_id AND d.id = c.device_id
LEFT JOIN grid g ON g.district_id = c.district_id AND g.id = c.grid_id
WHERE c.district_id = $1 AND c.id = $2
