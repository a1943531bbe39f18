-- One statement opens or folds cases, writes their history and what is owed to grid leaders. Rows come sorted and
-- distinct by (device_id, rule_id). What fires within maintenance or under an outage is held, and comes back here when
-- that is over. Returns: opened, folded, recovered, owed, held.
WITH given AS (
    SELECT * FROM unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::smallint[], $9::text[], $10::jsonb[],
                         $11::boolean[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[], $17::jsonb[], $18::text[],
                         $19::boolean[], $20::boolean[], $21::boolean[], $22::boolean[],
                         $23::text[])
        AS t (device_id, rule_id, grid_id, kind, severity, title, fields,
              fired, n, first_us, last_us, recovered_us, endpoint, alert, recovery, flapping, lasting, outage, of_grid,
              other_recovery)
), locked AS MATERIALIZED ( -- all in one order, whatever becomes of each: two hubs would wait for one another
    SELECT g.id FROM given a JOIN grid_case g ON g.district_id = $1 AND g.device_id = a.device_id AND g.rule_id = a.rule_id
                                             AND g.state <> 9
    ORDER BY a.device_id, a.rule_id
    FOR UPDATE OF g
), free AS MATERIALIZED (
    SELECT h.device_id, h.rule_id FROM held_case h
    WHERE h.district_id = $1
      AND NOT EXISTS (SELECT 1 FROM given) -- only when asked for it: all that is held is looked at
      AND CASE WHEN h.cause IS NOT NULL AND NOT EXISTS (
                        SELECT 1 FROM grid_case c WHERE c.district_id = $1 AND c.id = h.cause
                        AND (c.state = 9 OR c.recovered_at < now() - interval '5 minutes')) THEN false
               WHEN h.outage AND outage_above($1, h.device_id) IS NOT NULL THEN false
               ELSE silenced_until($1, h.device_id, h.grid_id, h.kind, h.rule_id, now(), true) IS NULL END
    LIMIT 1000 -- STORE_RELEASE_MAX: the rest at once after it
    FOR UPDATE SKIP LOCKED
), back AS (
    DELETE FROM held_case h USING free f WHERE h.district_id = $1 AND h.device_id = f.device_id AND h.rule_id = f.rule_id
    RETURNING h.device_id, h.rule_id, grid_id, kind, severity, title, fields, true, n, first_us, last_us, 0::bigint, endpoint,
              alert, '', false, true, outage, of_grid, ''
), a AS (
    SELECT given.* FROM given, (SELECT count(*) FROM locked) l UNION ALL SELECT * FROM back
), stopped AS MATERIALIZED (
    SELECT * FROM (
        SELECT a.device_id, a.rule_id, a.first_us, a.recovered_us AS over_us,
               CASE WHEN a.outage THEN outage_above($1, a.device_id) END AS cause,
               CASE WHEN EXISTS (SELECT 1 FROM silence s WHERE s.district_id = $1 AND s.maintenance AND s.to_at > now())
                    THEN silenced_until($1, a.device_id, a.grid_id, a.kind, a.rule_id, now(), true) END AS until
        FROM given a
        WHERE a.fired AND NOT EXISTS (SELECT 1 FROM grid_case g WHERE g.district_id = $1 AND g.device_id = a.device_id
                                        AND g.rule_id = a.rule_id AND g.state <> 9 OFFSET 0)) s
    WHERE cause IS NOT NULL OR until IS NOT NULL
), held AS (
    INSERT INTO held_case AS h (district_id, device_id, rule_id, grid_id, kind, severity, title, fields, n, first_us,
                                last_us, endpoint, alert, outage, of_grid, cause)
    SELECT $1, device_id, rule_id, grid_id, kind, severity, title, fields, n, a.first_us, last_us, endpoint, alert,
           outage, of_grid, cause
    FROM given a JOIN stopped USING (device_id, rule_id)
    WHERE lasting AND recovered_us = 0 -- what is over when the hold is over was not there
    ON CONFLICT (district_id, device_id, rule_id) DO UPDATE SET
        n = h.n + excluded.n, last_us = excluded.last_us, cause = excluded.cause
    RETURNING 1
), affected AS (
    INSERT INTO case_affected (district_id, case_id, device_id, rule_id, from_at, to_at)
    SELECT $1, cause, device_id, rule_id, ts_from_us(first_us), ts_from_us(nullif(over_us, 0)) FROM stopped
    WHERE cause IS NOT NULL
    ON CONFLICT (district_id, case_id, device_id, rule_id) DO UPDATE SET to_at = excluded.to_at
), held_on AS (
    UPDATE held_case h SET n = h.n + a.n, last_us = greatest(h.last_us, a.last_us)
    FROM given a
    WHERE NOT a.fired AND a.recovered_us = 0 AND h.district_id = $1 AND h.device_id = a.device_id AND h.rule_id = a.rule_id
), over AS (
    DELETE FROM held_case h USING given a
    WHERE h.district_id = $1 AND h.device_id = a.device_id AND h.rule_id = a.rule_id
      AND (a.recovered_us <> 0 -- or it fired again, and nothing holds it any more
           OR a.fired AND NOT EXISTS (SELECT 1 FROM stopped s WHERE s.device_id = a.device_id AND s.rule_id = a.rule_id))
), reached AS (
    UPDATE case_affected f SET to_at = ts_from_us(a.recovered_us)
    FROM given a
    WHERE a.recovered_us <> 0 AND f.district_id = $1 AND f.device_id = a.device_id AND f.rule_id = a.rule_id AND f.to_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM stopped s WHERE s.device_id = a.device_id AND s.rule_id = a.rule_id)
), fired AS (
    INSERT INTO grid_case AS g (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields,
                                first_seen, last_seen, event_count, recovered_at, opened_stream, opened_batch, outage, of_grid,
                                other_title)
    SELECT $1, device_id, rule_id, grid_id, kind, severity, CASE WHEN endpoint IS NULL THEN 1 ELSE 2 END, title, fields,
           ts_from_us(first_us), ts_from_us(last_us), n, ts_from_us(nullif(recovered_us, 0)), $2, $3, outage, of_grid,
           alert #>> '{other,title}'
    FROM a
    WHERE a.fired AND NOT EXISTS (SELECT 1 FROM stopped s WHERE s.device_id = a.device_id AND s.rule_id = a.rule_id)
    ORDER BY device_id, rule_id
    ON CONFLICT (district_id, device_id, rule_id) WHERE state <> 9 DO UPDATE SET
        event_count = g.event_count + excluded.event_count,
        last_seen = greatest(g.last_seen, excluded.last_seen),
        recovered_at = excluded.recovered_at
    RETURNING g.id, g.device_id, g.rule_id, g.state, g.title, g.other_title, g.opened_at, g.event_count,
              g.opened_stream = $2 AND g.opened_batch = $3 AS opened
), seen AS (
    UPDATE grid_case g SET
        event_count = g.event_count + a.n,
        last_seen = greatest(g.last_seen, ts_from_us(a.last_us)),
        recovered_at = CASE WHEN a.recovered_us = 0 THEN g.recovered_at ELSE ts_from_us(a.recovered_us) END
    FROM a
    WHERE NOT a.fired AND g.district_id = $1 AND g.device_id = a.device_id AND g.rule_id = a.rule_id AND g.state <> 9
    RETURNING g.id, g.device_id, g.rule_id, g.state, g.title, g.other_title, g.opened_at, g.event_count, false AS opened
), touched AS (
    SELECT c.*, a.grid_id, a.kind, a.severity, a.fired, a.flapping, a.first_us, a.last_us, a.recovered_us, a.endpoint, a.alert, a.recovery,
           a.other_recovery
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
           || CASE WHEN m.what = 'recovered' AND t.other_recovery <> '' AND t.alert ? 'other' THEN
                   jsonb_build_object('other', (t.alert -> 'other') || jsonb_build_object(
                       'title', coalesce(t.other_title, t.alert #>> '{other,title}'), 'text',
                       replace(t.other_recovery, '{title}', coalesce(t.other_title, t.alert #>> '{other,title}'))))
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
       (SELECT count(*) FROM told),
       (SELECT count(*) FROM held)
