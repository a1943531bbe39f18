-- $2: those that are over, too; $3 at most so many. What each holds back now: alerts that wait, cases that are not opened.
SELECT json_build_object(
    'id', s.id, 'maintenance', s.maintenance, 'device', d.name, 'grid', g.code, 'kind', s.kind, 'rule', s.rule_id,
    'from', s.from_at, 'to', s.to_at, 'state', CASE WHEN s.to_at <= now() THEN 'over' WHEN s.from_at > now() THEN 'to come'
                                               ELSE 'on' END, 'by', s.who, 'reason', s.why)
FROM silence s
     LEFT JOIN device d ON d.district_id = s.district_id AND d.id = s.device_id
     LEFT JOIN grid g ON g.district_id = s.district_id AND g.id = s.grid_id
WHERE s.district_id = $1 AND ($2 OR s.to_at > now())
ORDER BY s.id
LIMIT $3
