INSERT INTO rule_state AS s (district_id, device_id, rule_id, rule_hash, phase, since_us, seen_us, fields, fires,
                             fires_since_us)
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bigint[], $8::json[],
                         $9::integer[], $10::bigint[])
ON CONFLICT (district_id, device_id, rule_id) DO UPDATE SET
    rule_hash = excluded.rule_hash, phase = excluded.phase, since_us = excluded.since_us,
    seen_us = excluded.seen_us, fields = excluded.fields, fires = excluded.fires,
    fires_since_us = excluded.fires_since_us
