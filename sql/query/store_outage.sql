-- Several devices below the same one that cannot be reached are one outage: a case of the device above ($4 of them within
-- $5 µs, at least half of what is below it), theirs are closed into it and held; it has recovered when all are back.
-- $2 spool, $3 batch; words: $6 title with {device} and {n}, $7 how it begins, $8 "recovered", $9 kind, $10 default
-- endpoint; $11 the other language that some endpoints have, or NULL, with $12 title, $13, $14 as $6, $7, $8. One that is open and had recovered recurs. Returns: opened, recovered, folded, owed.
WITH RECURSIVE above AS (
    SELECT d.parent_id AS id, count(DISTINCT d.id) AS n, min(greatest(c.first_seen, again.at)) AS since,
           max(c.last_seen) AS seen
    FROM grid_case c
         JOIN device d ON d.district_id = c.district_id AND d.id = c.device_id
         CROSS JOIN LATERAL (SELECT max(e.at) AS at FROM case_event e
                             WHERE e.district_id = c.district_id AND e.case_id = c.id AND e.what = 'recurred') again
    WHERE c.district_id = $1 AND c.outage AND c.state <> 9 AND c.recovered_at IS NULL AND c.rule_id <> 'outage'
      AND d.parent_id IS NOT NULL AND d.removed_at IS NULL
      AND greatest(c.opened_at, again.at) > now() - $5::bigint * interval '1 microsecond'
    GROUP BY d.parent_id
    HAVING count(DISTINCT d.id) >= $4 AND 2 * count(DISTINCT d.id) >= (
        SELECT count(*) FROM device s WHERE s.district_id = $1 AND s.parent_id = d.parent_id AND s.removed_at IS NULL)
), named AS (
    SELECT b.*, p.grid_id, coalesce(p.title, p.name) AS device, p.name,
           replace(replace($6::text, '{device}', coalesce(p.title, p.name)), '{n}', b.n::text) AS title,
           replace(replace($12::text, '{device}', coalesce(p.title, p.name)), '{n}', b.n::text) AS other_title
    FROM above b JOIN device p ON p.district_id = $1 AND p.id = b.id
    WHERE outage_above($1, b.id) IS NULL
), opened AS (
    INSERT INTO grid_case AS g (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields, first_seen,
                                last_seen, event_count, opened_stream, opened_batch, outage, other_title)
    SELECT $1, id, 'outage', grid_id, $9, 2, 1, title, jsonb_build_object('devices', n), since, seen, n,
           $2, $3, true, other_title
    FROM named
    ON CONFLICT (district_id, device_id, rule_id) WHERE state <> 9 DO UPDATE SET
        event_count = g.event_count + excluded.event_count,
        last_seen = greatest(g.last_seen, excluded.last_seen),
        recovered_at = NULL
    RETURNING g.id AS case_id, g.device_id, g.opened_at, g.event_count, g.severity, g.state,
              g.opened_stream = $2 AND g.opened_batch = $3 AS new
), folded AS (
    UPDATE grid_case c SET state = 9, closed_at = now(), cause = o.case_id
    FROM opened o JOIN device d ON d.district_id = $1 AND d.parent_id = o.device_id
    WHERE c.district_id = $1 AND c.device_id = d.id AND c.outage AND c.state <> 9 AND c.recovered_at IS NULL
    RETURNING c.*, o.case_id
), told AS (
    DELETE FROM owed w USING folded f -- but what notify has at hand: it waits for the case, so we must not wait for it
    WHERE w.district_id = $1 AND w.case_id = f.id
      AND w.id IN (SELECT x.id FROM owed x JOIN folded y ON x.district_id = $1 AND x.case_id = y.id FOR UPDATE OF x SKIP LOCKED)
    RETURNING w.id, w.case_id, w.event, w.alert, w.endpoint
), held AS (
    INSERT INTO held_case (district_id, device_id, rule_id, grid_id, kind, severity, title, fields, n, first_us, last_us,
                           endpoint, alert, outage, cause)
    SELECT $1, f.device_id, f.rule_id, f.grid_id, f.kind, f.severity, f.title, f.fields, f.event_count, ts_to_us(f.first_seen),
           ts_to_us(f.last_seen), (SELECT t.endpoint FROM told t WHERE t.case_id = f.id LIMIT 1),
           coalesce(
               (SELECT t.alert FROM told t WHERE t.case_id = f.id AND t.event <> 'case.recovered' ORDER BY t.id DESC LIMIT 1),
               jsonb_build_object(
                   'case', jsonb_build_object('kind', f.kind, 'rule', f.rule_id, 'title', f.title,
                                              'severity', (ARRAY['low', 'normal', 'high', 'urgent'])[f.severity + 1]),
                   'grid', jsonb_build_object('code', g.code, 'name', g.name, 'leader', g.leader, 'deputy', g.deputy),
                   'device', jsonb_build_object('id', d.name, 'title', coalesce(d.title, d.name),
                                                'class', (ARRAY['unknown', 'camera', 'sensor', 'bin'])[d.class + 1]),
                   'fields', f.fields, 'text', f.title || E'\n' || g.name)), true, f.case_id
    FROM folded f JOIN grid g ON g.district_id = $1 AND g.id = f.grid_id JOIN device d ON d.district_id = $1 AND d.id = f.device_id
    ON CONFLICT (district_id, device_id, rule_id) DO UPDATE SET cause = excluded.cause
), affected AS (
    INSERT INTO case_affected (district_id, case_id, device_id, rule_id, from_at)
    SELECT $1, case_id, device_id, rule_id, first_seen FROM folded
    ON CONFLICT (district_id, case_id, device_id, rule_id) DO UPDATE SET to_at = NULL
), back AS (
    UPDATE grid_case c SET recovered_at = now()
    WHERE c.district_id = $1 AND c.rule_id = 'outage' AND c.outage AND c.state <> 9 AND c.recovered_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM held_case h WHERE h.district_id = $1 AND h.cause = c.id)
    RETURNING c.id AS case_id, c.device_id, c.opened_at, c.event_count, c.severity, c.title, c.other_title, c.grid_id
), history AS (
    INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
    SELECT $1::integer, case_id, CASE WHEN new THEN 'filed' ELSE 'recurred' END, CASE WHEN NOT new THEN state END,
           state, 'hub', NULL
    FROM opened
    UNION ALL SELECT $1, id, 'closed', NULL, 9::smallint, 'hub', 'explained by case ' || case_id FROM folded
    UNION ALL SELECT $1, case_id, 'recovered', 1::smallint, 1::smallint, 'hub', NULL FROM back
), news AS (
    SELECT o.case_id, CASE WHEN o.new THEN 'case.opened' ELSE 'case.recurred' END AS event, o.device_id, n.grid_id, o.severity, n.title, o.opened_at, o.event_count,
           $7 || n.title AS says, n.other_title, $13::text || n.other_title AS other_says
    FROM opened o JOIN named n ON n.id = o.device_id
    UNION ALL
    SELECT case_id, 'case.recovered', device_id, grid_id, severity, title, opened_at, event_count, $8 || title,
           other_title, $14::text || other_title FROM back
), owing AS (
    INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert)
    SELECT $1, w.case_id, w.device_id, 'outage', w.grid_id, $9, w.severity, w.event, $10,
           jsonb_build_object(
               'case', jsonb_build_object('id', w.case_id, 'kind', $9::text, 'rule', 'outage', 'title', w.title,
                   'severity', (ARRAY['low', 'normal', 'high', 'urgent'])[w.severity + 1], 'event_count', w.event_count,
                   'opened_at', to_char(w.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
               'grid', jsonb_build_object('code', g.code, 'name', g.name, 'leader', g.leader, 'deputy', g.deputy),
               'device', jsonb_build_object('id', d.name, 'class', 'unknown', 'title', coalesce(d.title, d.name)),
               'fields', jsonb_build_object('devices', (SELECT jsonb_agg(x.title) FROM (
                   SELECT coalesce(k.title, k.name) AS title FROM folded f JOIN device k ON k.district_id = $1 AND k.id = f.device_id
                   WHERE f.case_id = w.case_id ORDER BY 1 LIMIT 20) x)),
               'text', w.says || E'\n' || g.name)
           || CASE WHEN w.other_title IS NULL OR $11::text IS NULL THEN '{}' ELSE jsonb_build_object('other', jsonb_build_object(
                  'lang', $11::text, 'title', w.other_title, 'text', w.other_says || E'\n' || g.name)) END
    FROM news w JOIN grid g ON g.district_id = $1 AND g.id = w.grid_id JOIN device d ON d.district_id = $1 AND d.id = w.device_id
    RETURNING 1
)
SELECT (SELECT count(*) FROM opened WHERE new), (SELECT count(*) FROM back), (SELECT count(*) FROM folded),
       (SELECT count(*) FROM owing)
