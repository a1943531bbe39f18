-- Dead letters back into the outbox, from the start of the schedule. $2 ids, $3 endpoint, $4 case, $5 and $6 died from
-- then until then (µs): NULL is any. What died for want of an endpoint goes to who is told of its grid now ($7 zone, $8
-- holidays: as in notify_owed), else to $9; what still has nowhere to go stays dead: a row of NULL.
WITH picked AS MATERIALIZED (
    SELECT o.id, o.case_id, o.endpoint, o.fallback, o.person
    FROM outbox o
    WHERE district_id = $1 AND dead_at IS NOT NULL
      AND ($2::bigint[] IS NULL OR id = ANY ($2))
      AND ($3::text IS NULL OR endpoint = $3)
      AND ($4::bigint IS NULL OR case_id = $4 OR EXISTS (SELECT 1 FROM outbox_about a WHERE a.district_id = $1
                                                           AND a.outbox_id = o.id AND a.case_id = $4))
      AND ($5::bigint IS NULL OR dead_at >= ts_from_us($5)) AND ($6::bigint IS NULL OR dead_at < ts_from_us($6))
    FOR UPDATE OF o
), bare AS MATERIALIZED (
    SELECT p.id, p.case_id, c.grid_id
    FROM picked p LEFT JOIN grid_case c ON c.district_id = $1 AND c.id = p.case_id
    WHERE p.endpoint IS NULL
), who AS MATERIALIZED (
    SELECT g.grid_id, r.person, r.endpoints
    FROM (SELECT DISTINCT grid_id FROM bare) g CROSS JOIN LATERAL recipient($1, g.grid_id, now(), $7, $8::date[]) r
), goes AS (
    SELECT id, endpoint, fallback, person FROM picked WHERE endpoint IS NOT NULL
    UNION ALL
    SELECT b.id, coalesce(w.endpoints[1], $9), coalesce(w.endpoints[2:], '{}'), w.person
    FROM bare b LEFT JOIN who w USING (grid_id)
), back AS (
    UPDATE outbox o
    SET dead_at = NULL, dead_reason = NULL, attempts = 0, lease = NULL, next_at = now(), endpoint = g.endpoint,
        fallback = g.fallback, person = g.person
    FROM goes g
    WHERE o.district_id = $1 AND o.id = g.id AND g.endpoint IS NOT NULL
    RETURNING o.id, o.case_id, o.endpoint
), sent AS (
    UPDATE grid_case c SET state = 2 FROM bare b JOIN back USING (id)
    WHERE c.district_id = $1 AND c.id = b.case_id AND c.state = 1
    RETURNING c.id, back.endpoint
), history AS (
    INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
    SELECT $1::integer, id, 'dispatched', 1::smallint, 2::smallint, 'hub', endpoint FROM sent
)
SELECT CASE WHEN b.id IS NOT NULL
            THEN json_build_object('id', b.id, 'case', b.case_id, 'endpoint', b.endpoint, 'disabled', s.disabled_at IS NOT NULL) END
FROM picked p
     LEFT JOIN back b ON b.id = p.id
     LEFT JOIN endpoint_state s ON s.district_id = $1 AND s.name = b.endpoint
ORDER BY p.id
