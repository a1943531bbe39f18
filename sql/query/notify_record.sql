-- What became of attempts, all in one step: $2.. are arrays, one place an attempt. Only while the lease still holds. Nobody
-- waits for the disk: what a crash of the database takes back is sent again under the same id. ANY ($2), beside the join,
-- leaves no plan but to look up just these rows.
WITH r AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::integer[], $7::integer[], $8::text[],
                         $9::text[], $10::boolean[])
        AS r(id, lease, result, wait_us, status, latency_ms, detail, answer, disable)),
gone AS (
    DELETE FROM outbox o USING r
    WHERE o.district_id = $1 AND o.id = ANY ($2::bigint[]) AND o.id = r.id AND o.lease = r.lease AND r.result = 'accepted'
    RETURNING o.id, o.message_id, o.case_id, o.endpoint, o.attempts + 1 AS attempt),
forgotten AS (
    DELETE FROM outbox_about c USING gone WHERE c.district_id = $1 AND c.outbox_id = ANY ($2::bigint[]) AND c.outbox_id = gone.id),
-- A message that fails for good, or three times, goes to the person's next endpoint.
failed AS (
    SELECT r.*, o.message_id, o.case_id, o.endpoint, o.attempts + 1 AS attempt,
           cardinality(o.fallback) > 0 AND (r.result = 'dead' OR o.attempts >= 2) AS next
    FROM r JOIN outbox o ON o.district_id = $1 AND o.id = ANY ($2::bigint[]) AND o.id = r.id AND o.lease = r.lease
                        AND r.result <> 'accepted'),
kept AS (
    UPDATE outbox o
    SET attempts = CASE WHEN f.next THEN 0 ELSE f.attempt END, lease = NULL,
        next_at = CASE WHEN f.next THEN now() ELSE now() + f.wait_us * interval '1 microsecond' END,
        dead_at = CASE WHEN f.result = 'dead' AND NOT f.next THEN now() END,
        dead_reason = CASE WHEN f.result = 'dead' AND NOT f.next THEN f.detail END,
        endpoint = CASE WHEN f.next THEN o.fallback[1] ELSE o.endpoint END,
        fallback = CASE WHEN f.next THEN o.fallback[2:] ELSE o.fallback END
    FROM failed f
    WHERE o.district_id = $1 AND o.id = ANY ($2::bigint[]) AND o.id = f.id
    RETURNING o.id, f.message_id, f.case_id, f.endpoint, f.attempt),
off AS (
    INSERT INTO endpoint_state (district_id, name, disabled_at, reason)
    SELECT DISTINCT ON (k.endpoint) $1::integer, k.endpoint, now(), r.detail
    FROM kept k JOIN r USING (id)
    WHERE r.disable
    ORDER BY k.endpoint
    ON CONFLICT (district_id, name) DO UPDATE SET disabled_at = excluded.disabled_at, reason = excluded.reason)
INSERT INTO delivery (district_id, outbox_id, message_id, case_id, cases, endpoint, attempt, result, status, latency_ms,
                      detail, answer)
SELECT $1, d.id, d.message_id, d.case_id,
       CASE WHEN d.case_id IS NULL THEN (SELECT array_agg(c.case_id ORDER BY c.case_id) FROM outbox_about c
                                         WHERE c.district_id = $1 AND c.outbox_id = d.id) END,
       d.endpoint, d.attempt, r.result, r.status, r.latency_ms, r.detail, r.answer
FROM (SELECT * FROM gone UNION ALL SELECT * FROM kept) d JOIN r USING (id),
     (SELECT set_config('synchronous_commit', 'off', true)) c
