SELECT json_strip_nulls(json_build_object('code', g.code, 'name', g.name, 'level', g.level,
           'kind', CASE WHEN g.dedicated THEN 'dedicated' ELSE 'comprehensive' END, 'parent', p.code, 'leader', g.leader,
           'deputy', g.deputy, 'endpoint', g.endpoint))
FROM grid g LEFT JOIN grid p ON p.district_id = g.district_id AND p.id = g.parent_id
WHERE g.district_id = $1
ORDER BY g.level, g.code
