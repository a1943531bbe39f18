-- Now, by grid down to level $2, each with all below it; at most $3 grids. Last: how many there are. Sums of stream_now as
-- in online_now, but step by step: a plan of that view as a whole may compare each stream with each maintenance.
WITH RECURSIVE below AS (
    SELECT id AS above_id, id, 0 AS steps FROM grid WHERE district_id = $1 AND level <= $2
    UNION ALL
    SELECT b.above_id, g.id, b.steps + 1
    FROM below b JOIN grid g ON g.district_id = $1 AND g.parent_id = b.id WHERE b.steps < 16
), own AS MATERIALIZED (
    SELECT grid_id, state, count(*) AS n FROM stream_now WHERE district_id = $1 GROUP BY grid_id, state
)
SELECT g.code, g.level, coalesce(sum(o.n) FILTER (WHERE o.state = 'online'), 0),
       coalesce(sum(o.n) FILTER (WHERE o.state = 'offline'), 0), coalesce(sum(o.n) FILTER (WHERE o.state = 'unknown'), 0),
       coalesce(sum(o.n) FILTER (WHERE o.state = 'maintenance'), 0), count(*) OVER ()
FROM below b JOIN own o ON o.grid_id = b.id JOIN grid g ON g.district_id = $1 AND g.id = b.above_id
GROUP BY g.id, g.code, g.level ORDER BY g.level, g.code LIMIT $3
