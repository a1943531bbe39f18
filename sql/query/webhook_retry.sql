-- Dead letters back into the outbox, from the start of the schedule. $2 ids, $3 endpoint, $4 case: NULL is any.
WITH back AS (
    UPDATE outbox
    SET dead_at = NULL, dead_reason = NULL, attempts = 0, lease = NULL, next_at = now()
    WHERE district_id = $1 AND dead_at IS NOT NULL AND endpoint IS NOT NULL
      AND ($2::bigint[] IS NULL OR id = ANY ($2))
      AND ($3::text IS NULL OR endpoint = $3)
      AND ($4::bigint IS NULL OR case_id = $4)
    RETURNING district_id, id, case_id, endpoint)
SELECT json_build_object('id', b.id, 'case', b.case_id, 'endpoint', b.endpoint, 'disabled', s.disabled_at IS NOT NULL)
FROM back b LEFT JOIN endpoint_state s ON s.district_id = b.district_id AND s.name = b.endpoint
ORDER BY b.id
