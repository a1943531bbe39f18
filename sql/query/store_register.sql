-- `unknown: register`: a registry row in the holding grid, which is made if it is missing. Returns how many were new.
-- At most $6 devices may have registered themselves. A device that somebody removed keeps its name and is not registered again; then nothing changes, nor the revision.
WITH t AS (
    SELECT adapter, address, class, adapter || '/' || address AS name
    FROM unnest($3::text[], $4::text[], $5::smallint[]) AS u (adapter, address, class)
    WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.adapter = u.adapter
                      AND d.address = u.address AND d.removed_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.name = u.adapter || '/' || u.address)
    ORDER BY adapter, address
    LIMIT (SELECT greatest($6 - count(*), 0) FROM device WHERE district_id = $1 AND auto AND removed_at IS NULL)
), rev AS (
    UPDATE district SET registry_rev = registry_rev + 1 WHERE id = $1 AND EXISTS (SELECT 1 FROM t) RETURNING registry_rev
), held AS (
    INSERT INTO grid (district_id, code, name, level, rev)
    SELECT $1, $2, $2, 9, registry_rev FROM rev
    ON CONFLICT (district_id, code) DO UPDATE SET code = excluded.code
    RETURNING id
), new AS (
    INSERT INTO device (district_id, name, class, adapter, address, grid_id, auto, rev)
    SELECT $1, t.name, t.class, t.adapter, t.address, held.id, true, rev.registry_rev
    FROM t, held, rev
    ON CONFLICT DO NOTHING
    RETURNING adapter, address
), gone AS (
    DELETE FROM unknown_device u USING new
    WHERE u.district_id = $1 AND u.adapter = new.adapter AND u.address = new.address
)
SELECT count(*) FROM new
