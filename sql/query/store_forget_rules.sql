-- Gaps as old as the oldest readings ($2, microseconds); counts of shadow rules and silences after 400 days; what groups of
-- alerts knew long ago; what is held or remembered of removed devices.
WITH gaps AS (
    DELETE FROM intake_gap WHERE district_id = $1 AND to_at < now() - $2::bigint * interval '1 microsecond'
), shadows AS (
    DELETE FROM rule_shadow WHERE district_id = $1 AND day < current_date - 400
), silences AS (
    DELETE FROM silence WHERE district_id = $1 AND to_at < now() - interval '400 days'
), groups AS (
    DELETE FROM alert_group WHERE district_id = $1 AND last_at < now() - interval '30 days'
), held AS (
    DELETE FROM held_case h USING device d
    WHERE h.district_id = $1 AND d.district_id = $1 AND d.id = h.device_id AND d.removed_at IS NOT NULL
), affected AS (
    UPDATE case_affected f SET to_at = d.removed_at FROM device d
    WHERE f.district_id = $1 AND f.to_at IS NULL AND d.district_id = $1 AND d.id = f.device_id AND d.removed_at IS NOT NULL
)
DELETE FROM device_memory m USING device d
WHERE m.district_id = $1 AND d.district_id = $1 AND d.id = m.device_id AND d.removed_at IS NOT NULL
