-- As store_rule_states.sql, of cameras whose streams are in these shares and that say nothing by themselves.
SELECT r.device_id, r.rule_id, r.rule_hash, r.phase, r.since_us, r.seen_us, r.fields, r.fires, r.fires_since_us
FROM rule_state r
     JOIN stream t ON t.district_id = r.district_id AND t.device_id = r.device_id
     JOIN device d ON d.district_id = r.district_id AND d.id = r.device_id
WHERE r.district_id = $1 AND t.share = ANY ($2::smallint[]) AND d.adapter = 'probe'
