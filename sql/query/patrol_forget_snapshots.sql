-- $2: how long, $3: how many bytes in all. Those of devices with an open case stay longest.
WITH ranked AS (
    SELECT s.id, s.at, c.open, sum(s.bytes) OVER (ORDER BY c.open DESC, s.at DESC) AS total
    FROM snapshot s CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM grid_case g WHERE g.district_id = s.district_id
                                        AND g.device_id = s.device_id AND g.state <> 9) AS open) c
    WHERE s.district_id = $1
)
DELETE FROM snapshot s USING ranked r
WHERE s.district_id = $1 AND s.id = r.id AND (r.total > $3 OR NOT r.open AND r.at < now() - $2 * interval '1 microsecond')
