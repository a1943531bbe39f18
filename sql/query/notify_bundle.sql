-- Messages $2.. (message_id, endpoint, fallback, person, case or NULL, event, alert) about the owed rows $9.. (id,
-- message_id, case, grid, kind); $14: $15 rows that wait, and until when; $16 rows of which nothing is to be said.
WITH m AS (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::jsonb[])
        WITH ORDINALITY AS m (message_id, endpoint, fallback, person, case_id, event, alert, n)
), i AS (
    SELECT * FROM unnest($9::bigint[], $10::uuid[], $11::bigint[], $12::bigint[], $13::text[])
        AS i (id, message_id, case_id, grid_id, kind)
), made AS (
    INSERT INTO outbox (district_id, message_id, case_id, endpoint, fallback, person, event, alert, dead_at, dead_reason)
    SELECT $1, message_id, case_id, endpoint, fallback::text[], person, event, alert,
           CASE WHEN endpoint IS NULL THEN now() END,
           CASE WHEN endpoint IS NULL THEN 'no grid up to the root names an endpoint' END
    FROM m ORDER BY n
    RETURNING id, message_id, endpoint
), about AS (
    INSERT INTO outbox_about (district_id, outbox_id, case_id)
    SELECT DISTINCT $1::integer, made.id, i.case_id FROM i JOIN made USING (message_id)
), groups AS (
    INSERT INTO alert_group AS g (district_id, endpoint, grid_id, kind, last_at, messages)
    SELECT DISTINCT $1::integer, made.endpoint, i.grid_id, i.kind, now(), 1
    FROM i JOIN made USING (message_id) WHERE made.endpoint IS NOT NULL
    ORDER BY 2, 3, 4
    ON CONFLICT (district_id, endpoint, grid_id, kind) DO UPDATE SET
        last_at = excluded.last_at,
        messages = CASE WHEN g.last_at < now() - $17::bigint * interval '1 microsecond' THEN 1 ELSE g.messages + 1 END
), sent AS (
    UPDATE grid_case c SET state = 2 FROM i JOIN made USING (message_id)
    WHERE c.district_id = $1 AND c.id = ANY ($11::bigint[]) AND c.id = i.case_id AND c.state = 1 AND made.endpoint IS NOT NULL
    RETURNING c.id, made.endpoint
), history AS (
    INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
    SELECT DISTINCT $1::integer, id, 'dispatched', 1::smallint, 2::smallint, 'hub', endpoint FROM sent
), waiting AS (
    UPDATE owed o SET due_at = ts_from_us(w.due_us)
    FROM unnest($14::bigint[], $15::bigint[]) AS w (id, due_us)
    WHERE o.district_id = $1 AND o.id = ANY ($14::bigint[]) AND o.id = w.id
), gone AS (
    DELETE FROM owed o WHERE o.district_id = $1 AND o.id = ANY ($16::bigint[] || $9::bigint[])
)
SELECT count(*), count(*) FILTER (WHERE endpoint IS NULL) FROM made
