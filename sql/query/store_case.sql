-- One statement opens or folds cases, writes their history and what is owed to grid leaders. Rows come sorted and
-- distinct by (device_id, rule_id). Returns: opened, folded, recovered, owed.
WITH a AS (
    SELECT * FROM unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::smallint[], $9::text[], $10::jsonb[],
                         $11::boolean[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[], $17::jsonb[], $18::text[],
                         $19::boolean[])
        AS t (device_id, rule_id, grid_id, kind, severity, title, fields,
              fired, n, first_us, last_us, recovered_us, endpoint, alert, recovery, flapping)
), fired AS (
    INSERT INTO grid_case AS g (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields,
                                first_seen, last_seen, event_count, recovered_at, opened_stream, opened_batch)
    SELECT $1, device_id, rule_id, grid_id, kind, severity, CASE WHEN endpoint IS NULL THEN 1 ELSE 2 END, title, fields,
           ts_from_us(first_us), ts_from_us(last_us), n, ts_from_us(nullif(recovered_us, 0)), $2, $3
    FROM a WHERE a.fired
    ON CONFLICT (district_id, device_id, rule_id) WHERE state <> 9 DO UPDATE SET
        event_count = g.event_count + excluded.event_count,
        last_seen = greatest(g.last_seen, excluded.last_seen),
        recovered_at = excluded.recovered_at
    RETURNING g.id, g.device_id, g.rule_id, g.state, g.title, g.opened_at, g.event_count,
              g.opened_stream = $2 AND g.opened_batch = $3 AS opened
), seen AS (
    UPDATE grid_case g SET
        event_count = g.event_count + a.n,
        last_seen = greatest(g.last_seen, ts_from_us(a.last_us)),
        recovered_at = CASE WHEN a.recovered_us = 0 THEN g.recovered_at ELSE ts_from_us(a.recovered_us) END
    FROM a
    WHERE NOT a.fired AND g.district_id = $1 AND g.device_id = a.device_id AND g.rule_id = a.rule_id AND g.state <> 9
    RETURNING g.id, g.device_id, g.rule_id, g.state, g.title, g.opened_at, g.event_count, false AS opened
), touched AS (
    SELECT c.*, a.grid_id, a.kind, a.severity, a.fired, a.flapping, a.first_us, a.last_us, a.recovered_us, a.endpoint, a.alert, a.recovery
    FROM (SELECT * FROM fired UNION ALL SELECT * FROM seen) c JOIN a USING (device_id, rule_id)
), moves AS (
    SELECT id, 1 AS step, 'filed' AS what, NULL::smallint AS from_state, 1::smallint AS to_state,
           ts_from_us(first_us) AS at, NULL::text AS reason FROM touched WHERE opened
    UNION ALL
    SELECT id, 2, 'dispatched', 1, 2, ts_from_us(first_us), endpoint FROM touched WHERE opened AND endpoint IS NOT NULL
    UNION ALL
    SELECT id, 3, 'recurred', state, state, ts_from_us(first_us), NULL FROM touched WHERE fired AND NOT opened
    UNION ALL
    SELECT id, 4, 'flapping', state, state, ts_from_us(last_us), NULL FROM touched WHERE flapping
    UNION ALL
    SELECT id, 5, 'recovered', state, state, ts_from_us(recovered_us), NULL FROM touched WHERE recovered_us <> 0
), history AS (
    INSERT INTO case_event (district_id, case_id, at, what, from_state, to_state, actor, reason)
    SELECT $1, id, at, what, from_state, to_state, 'hub', reason FROM moves ORDER BY id, step
), told AS (
    INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert)
    SELECT $1, t.id, t.device_id, t.rule_id, t.grid_id, t.kind, t.severity, 'case.' || m.what, t.endpoint,
           t.alert || jsonb_build_object('case', (t.alert -> 'case') || jsonb_build_object(
               'id', t.id, 'title', CASE WHEN m.what = 'recovered' THEN t.title ELSE t.alert #>> '{case,title}' END,
               'opened_at', to_char(t.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'event_count', t.event_count))
           || CASE WHEN m.what = 'recovered' THEN jsonb_build_object('text', replace(t.recovery, '{title}', t.title))
                   ELSE '{}' END
    FROM touched t
    JOIN (SELECT id, step, CASE what WHEN 'filed' THEN 'opened' ELSE what END AS what FROM moves
          WHERE what NOT IN ('dispatched', 'flapping')) m ON m.id = t.id
    WHERE t.alert ? 'case' -- nothing is said of a rule that is gone
    ORDER BY t.id, m.step
    RETURNING 1
)
SELECT (SELECT count(*) FROM touched WHERE opened),
       (SELECT count(*) FROM touched WHERE NOT opened),
       (SELECT count(*) FROM touched WHERE recovered_us <> 0),
       (SELECT count(*) FROM told)
