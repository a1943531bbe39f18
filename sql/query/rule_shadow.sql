-- $2, $3: first and last day or NULL, $4 rule or NULL.
SELECT json_build_object('rule', rule_id, 'day', day, 'opened', opened, 'folded', folded, 'recovered', recovered)
FROM rule_shadow
WHERE district_id = $1 AND ($2::date IS NULL OR day >= $2::date) AND ($3::date IS NULL OR day <= $3::date)
  AND ($4::text IS NULL OR rule_id = $4)
ORDER BY day, rule_id
