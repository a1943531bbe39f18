-- Gaps as old as the oldest readings ($2, microseconds), counts of shadow rules after 400 days, memories of removed devices.
WITH gaps AS (
    DELETE FROM intake_gap WHERE district_id = $1 AND to_at < now() - $2::bigint * interval '1 microsecond'
), shadows AS (
    DELETE FROM rule_shadow WHERE district_id = $1 AND day < current_date - 400
)
DELETE FROM device_memory m USING device d
WHERE m.district_id = $1 AND d.district_id = $1 AND d.id = m.device_id AND d.removed_at IS NOT NULL
