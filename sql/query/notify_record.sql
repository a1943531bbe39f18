-- What became of attempts, all in one step: $2.. are arrays, one place an attempt. Only while the lease still holds.
WITH r AS (
    SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::integer[], $7::integer[], $8::text[],
                         $9::text[], $10::boolean[])
        AS r(id, lease, result, wait_us, status, latency_ms, detail, answer, disable)),
gone AS (
    DELETE FROM outbox o USING r
    WHERE o.district_id = $1 AND o.id = r.id AND o.lease = r.lease AND r.result = 'accepted'
    RETURNING o.id, o.message_id, o.case_id, o.endpoint, o.attempts + 1 AS attempt),
kept AS (
    UPDATE outbox o
    SET attempts = o.attempts + 1, lease = NULL, next_at = now() + r.wait_us * interval '1 microsecond',
        dead_at = CASE WHEN r.result = 'dead' THEN now() END,
        dead_reason = CASE WHEN r.result = 'dead' THEN r.detail END
    FROM r
    WHERE o.district_id = $1 AND o.id = r.id AND o.lease = r.lease AND r.result <> 'accepted'
    RETURNING o.id, o.message_id, o.case_id, o.endpoint, o.attempts AS attempt),
off AS (
    INSERT INTO endpoint_state (district_id, name, disabled_at, reason)
    SELECT DISTINCT ON (k.endpoint) $1::integer, k.endpoint, now(), r.detail
    FROM kept k JOIN r USING (id)
    WHERE r.disable
    ORDER BY k.endpoint
    ON CONFLICT (district_id, name) DO UPDATE SET disabled_at = excluded.disabled_at, reason = excluded.reason)
INSERT INTO delivery (district_id, outbox_id, message_id, case_id, endpoint, attempt, result, status, latency_ms, detail,
                      answer)
SELECT $1, d.id, d.message_id, d.case_id, d.endpoint, d.attempt, r.result, r.status, r.latency_ms, r.detail, r.answer
FROM (SELECT * FROM gone UNION ALL SELECT * FROM kept) d JOIN r USING (id)
