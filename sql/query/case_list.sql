-- $2 open only, $3 grid code (with all below it) or NULL, $4 limit; newest first.
WITH RECURSIVE below AS (
    SELECT id FROM grid WHERE district_id = $1 AND code = $3
    UNION ALL
    SELECT g.id FROM grid g JOIN below b ON g.district_id = $1 AND g.parent_id = b.id
)
SELECT json_build_object(
    'case', c.id, 'state', s.name, 'severity', (ARRAY['low', 'normal', 'high', 'urgent'])[c.severity + 1],
    'kind', c.kind, 'title', c.title, 'device', d.name, 'rule', c.rule_id, 'grid', g.code,
    'opened_at', c.opened_at, 'last_seen', c.last_seen, 'event_count', c.event_count,
    'recovered_at', c.recovered_at, 'closed_at', c.closed_at)
FROM grid_case c
JOIN case_state s ON s.state = c.state
LEFT JOIN device d ON d.district_id = c.district_id AND d.id = c.device_id
LEFT JOIN grid g ON g.district_id = c.district_id AND g.id = c.grid_id
WHERE c.district_id = $1 AND (NOT $2::boolean OR c.state <> 9)
  AND ($3::text IS NULL OR c.grid_id IN (SELECT id FROM below))
ORDER BY c.id DESC LIMIT $4
