-- Parents follow in import_grid_update, when all are there.
INSERT INTO grid (district_id, code, name, level, dedicated, leader, deputy, endpoint, rev)
SELECT $1, i.code, i.name, i.level, coalesce(i.dedicated, false), i.leader, i.deputy, i.endpoint, $2
FROM import_grid i
WHERE NOT EXISTS (SELECT 1 FROM grid g WHERE g.district_id = $1 AND g.code = i.code)
ORDER BY i.row
