-- One more, and none but the newest 100.
WITH old AS (
    DELETE FROM backup b USING district d
    WHERE d.name = $1 AND b.district_id = d.id
      AND b.id <= (SELECT x.id FROM backup x WHERE x.district_id = d.id ORDER BY x.id DESC OFFSET 99 LIMIT 1)
)
INSERT INTO backup (district_id, snapshot_at, folder, bytes) SELECT id, ts_from_us($2), $3, $4 FROM district WHERE name = $1
