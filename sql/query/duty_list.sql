-- Who is told of alerts of each grid ($2 code or NULL) at $3 (µs), in zone $4; $5 holidays.
SELECT json_build_object('grid', g.code, 'name', g.name, 'person', r.person, 'endpoints', r.endpoints, 'mention', p.mention,
                         'quiet_until', quiet_until(p, ts_from_us($3), $4))
FROM grid g
     LEFT JOIN LATERAL recipient($1, g.id, ts_from_us($3), $4, $5::date[]) r ON true
     LEFT JOIN person p ON p.district_id = $1 AND p.name = r.person
WHERE g.district_id = $1 AND ($2::text IS NULL OR g.code = $2)
ORDER BY g.code
