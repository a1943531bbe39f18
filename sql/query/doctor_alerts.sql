-- Alerts: owed, dead, dead for want of an endpoint, how long the oldest that is owed has been so (µs); grids that name an
-- endpoint which is not in the list $2; grids with devices of whose
-- alerts nobody is told.
SELECT (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NULL),
       (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NOT NULL),
       (SELECT count(*) FROM outbox WHERE district_id = $1 AND dead_at IS NOT NULL AND endpoint IS NULL),
       coalesce((SELECT ts_to_us(now()) - ts_to_us(min(created_at)) FROM outbox
                 WHERE district_id = $1 AND dead_at IS NULL), 0),
       (SELECT string_agg(DISTINCT endpoint, ', ') FROM (
            SELECT endpoint FROM grid WHERE district_id = $1
            UNION ALL SELECT unnest(endpoints) FROM person WHERE district_id = $1) named
        WHERE endpoint IS NOT NULL AND endpoint <> ALL ($2::text[])),
       (WITH RECURSIVE reached AS (
            SELECT id FROM grid g WHERE district_id = $1 AND (endpoint IS NOT NULL OR EXISTS (
                SELECT 1 FROM duty d WHERE d.district_id = $1 AND d.grid_id = g.id))
            UNION
            SELECT g.id FROM grid g JOIN reached r ON g.district_id = $1 AND g.parent_id = r.id)
        SELECT count(*) FROM grid g WHERE district_id = $1 AND id NOT IN (SELECT id FROM reached)
          AND EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.grid_id = g.id AND d.removed_at IS NULL))
