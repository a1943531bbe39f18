-- Dead letters back into the outbox, from the start of the schedule. $2 ids, $3 endpoint, $4 case, $5 and $6 died from
-- then until then (µs): NULL is any.
WITH back AS (
    UPDATE outbox o
    SET dead_at = NULL, dead_reason = NULL, attempts = 0, lease = NULL, next_at = now()
    WHERE district_id = $1 AND dead_at IS NOT NULL AND endpoint IS NOT NULL
      AND ($2::bigint[] IS NULL OR id = ANY ($2))
      AND ($3::text IS NULL OR endpoint = $3)
      AND ($4::bigint IS NULL OR case_id = $4 OR EXISTS (SELECT 1 FROM outbox_about a WHERE a.district_id = $1
                                                           AND a.outbox_id = o.id AND a.case_id = $4))
      AND ($5::bigint IS NULL OR dead_at >= ts_from_us($5)) AND ($6::bigint IS NULL OR dead_at < ts_from_us($6))
    RETURNING district_id, id, case_id, endpoint)
SELECT json_build_object('id', b.id, 'case', b.case_id, 'endpoint', b.endpoint, 'disabled', s.disabled_at IS NOT NULL)
FROM back b LEFT JOIN endpoint_state s ON s.district_id = b.district_id AND s.name = b.endpoint
ORDER BY b.id
