INSERT INTO rule_shadow AS s (district_id, rule_id, day, opened, folded, recovered)
SELECT $1, rule_id, date '1970-01-01' + day, sum(opened), sum(folded), sum(recovered)
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
     AS t (rule_id, day, opened, folded, recovered)
GROUP BY rule_id, day ORDER BY rule_id, day
ON CONFLICT (district_id, rule_id, day) DO UPDATE SET
    opened = s.opened + excluded.opened, folded = s.folded + excluded.folded,
    recovered = s.recovered + excluded.recovered
