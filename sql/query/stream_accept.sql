-- The hub that looks at it sees that the registry has moved.
WITH this AS (
    SELECT t.district_id, t.device_id FROM stream t JOIN device d ON d.district_id = t.district_id AND d.id = t.device_id
    WHERE t.district_id = $1 AND d.name = $2 AND d.removed_at IS NULL
), asked AS (
    INSERT INTO stream_baseline AS b (district_id, device_id, baseline, accept_at)
    SELECT district_id, device_id, '{}', clock_timestamp() FROM this
    ON CONFLICT (district_id, device_id) DO UPDATE SET accept_at = excluded.accept_at
    RETURNING 1
), moved AS (
    UPDATE district SET registry_rev = registry_rev + 1 WHERE id = $1 AND EXISTS (SELECT 1 FROM this)
)
SELECT json_build_object('accepted', $2::text) FROM asked
