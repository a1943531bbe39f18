SELECT device_id, rule_id, rule_hash, phase, since_us, seen_us, fields, fires, fires_since_us
FROM rule_state WHERE district_id = $1
