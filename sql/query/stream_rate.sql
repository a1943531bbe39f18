-- Now, by grid. $2: code of a grid; NULL = all. As online_now, but step by step: a plan of that view as a whole may compare
-- each stream with each maintenance.
WITH own AS MATERIALIZED (
    SELECT grid_id, state, count(*) AS n FROM stream_now WHERE district_id = $1 GROUP BY grid_id, state
), above AS MATERIALIZED (
    SELECT grid_id, above_id FROM grid_above WHERE district_id = $1
), summed AS MATERIALIZED (
    SELECT a.above_id, sum(o.n) AS streams, coalesce(sum(o.n) FILTER (WHERE o.state = 'online'), 0) AS online,
           coalesce(sum(o.n) FILTER (WHERE o.state = 'offline'), 0) AS offline,
           coalesce(sum(o.n) FILTER (WHERE o.state = 'unknown'), 0) AS unknown,
           coalesce(sum(o.n) FILTER (WHERE o.state = 'maintenance'), 0) AS maintenance
    FROM own o JOIN above a ON a.grid_id = o.grid_id GROUP BY a.above_id
)
SELECT json_build_object('grid', g.code, 'name', g.name, 'level', g.level, 'streams', s.streams, 'online', s.online,
           'offline', s.offline, 'unknown', s.unknown, 'maintenance', s.maintenance,
           'online_pct', round(100.0 * s.online / nullif(s.online + s.offline, 0), 2))
FROM summed s JOIN grid g ON g.district_id = $1 AND g.id = s.above_id
WHERE $2::text IS NULL OR g.code = $2::text ORDER BY g.level, g.code
