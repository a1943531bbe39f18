SELECT device_id, rule_id, rule_hash, phase, since_us, seen_us, fields FROM rule_state WHERE district_id = $1
