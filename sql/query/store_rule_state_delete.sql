DELETE FROM rule_state s USING unnest($2::bigint[], $3::text[]) AS t (device_id, rule_id)
WHERE s.district_id = $1 AND s.device_id = t.device_id AND s.rule_id = t.rule_id
