-- $2 device, $3 grid, $4 kind, $5 rule: NULL is any; $6 maintenance, $7 from and $8 to (µs), $9 who, $10 why. No row:
-- there is no such device or grid.
WITH found AS (
    SELECT (SELECT id FROM device WHERE district_id = $1 AND name = $2 AND removed_at IS NULL) AS device_id,
           (SELECT id FROM grid WHERE district_id = $1 AND code = $3) AS grid_id
), made AS (
    INSERT INTO silence (district_id, maintenance, device_id, grid_id, kind, rule_id, from_at, to_at, who, why)
    SELECT $1, $6, device_id, grid_id, $4, $5, ts_from_us($7), ts_from_us($8), $9, $10 FROM found
    WHERE ($2::text IS NULL OR device_id IS NOT NULL) AND ($3::text IS NULL OR grid_id IS NOT NULL)
    RETURNING id, from_at, to_at
)
SELECT json_build_object('id', id, 'from', from_at, 'to', to_at) FROM made
