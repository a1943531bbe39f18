-- Returns how many were there before and have changed.
WITH changed AS (
    SELECT g.id, g.rev = $2 AS is_new, i.name, i.level, coalesce(i.dedicated, false) AS dedicated, p.id AS parent_id, i.leader,
           i.deputy, i.endpoint
    FROM import_grid i
    JOIN grid g ON g.district_id = $1 AND g.code = i.code
    LEFT JOIN grid p ON p.district_id = $1 AND p.code = i.parent
    WHERE (g.name, g.level, g.dedicated, g.parent_id, g.leader, g.deputy, g.endpoint) IS DISTINCT FROM
          (i.name, i.level, coalesce(i.dedicated, false), p.id, i.leader, i.deputy, i.endpoint)
), up AS (
    UPDATE grid g SET name = c.name, level = c.level, dedicated = c.dedicated, parent_id = c.parent_id, leader = c.leader,
                      deputy = c.deputy, endpoint = c.endpoint, rev = $2
    FROM changed c WHERE g.district_id = $1 AND g.id = c.id
)
SELECT count(*) FILTER (WHERE NOT is_new) FROM changed
