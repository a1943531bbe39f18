-- What is owed and due, with all that decides how it is told: $1 district, $2 zone, $3 at most so many, $4 holidays. Held by row locks
-- until the transaction ends. The earlier ones of a case come first: those that are not due, or that another hub has at
-- hand, or for which there was no room here.
WITH due AS (
    SELECT * FROM owed o WHERE o.district_id = $1 AND o.due_at <= now()
    ORDER BY o.due_at, o.id LIMIT $3 FOR UPDATE SKIP LOCKED
), who AS MATERIALIZED (
    SELECT g.grid_id, r.person, r.endpoints, quiet_until(p, now(), $2) AS quiet
    FROM (SELECT DISTINCT grid_id FROM due) g
         CROSS JOIN LATERAL recipient($1, g.grid_id, now(), $2, $4::date[]) r
         LEFT JOIN person p ON p.district_id = $1 AND p.name = r.person
), told AS (
    SELECT d.*, w.person, coalesce(w.endpoints[1], d.endpoint) AS receiver, w.endpoints[2:] AS fallback, w.quiet
    FROM due d LEFT JOIN who w USING (grid_id)
)
SELECT t.id, t.case_id, t.grid_id, t.kind, t.severity, t.event, t.alert, ts_to_us(t.created_at), t.receiver,
       t.fallback, t.person, ts_to_us(t.quiet),
       CASE WHEN EXISTS (SELECT 1 FROM silence s WHERE s.district_id = $1 AND s.to_at > now() AND s.from_at <= now() OFFSET 0)
            THEN ts_to_us(silenced_until($1, t.device_id, t.grid_id, t.kind, t.rule_id, now(), false)) END,
       (SELECT ts_to_us(max(greatest(e.due_at, now() + interval '1 second'))) FROM owed e
        WHERE e.district_id = $1 AND e.case_id = t.case_id AND e.id < t.id AND e.id NOT IN (SELECT id FROM due)),
       EXISTS (SELECT 1 FROM outbox_about c
               WHERE c.district_id = $1 AND c.case_id = t.case_id
                 AND EXISTS (SELECT 1 FROM outbox o WHERE o.district_id = $1 AND o.id = c.outbox_id
                               AND coalesce(o.dead_at, 'infinity') = 'infinity' OFFSET 0) OFFSET 0),
       (SELECT count(*) FROM (SELECT 1 FROM outbox o WHERE o.district_id = $1 AND o.endpoint = t.receiver
                                AND o.dead_at IS NULL ORDER BY o.next_at LIMIT 8) few), -- the order names the index
       ts_to_us(g.last_at), g.messages, gen_random_uuid(), ts_to_us(now())
FROM told t
     LEFT JOIN alert_group g ON g.district_id = $1 AND g.endpoint = t.receiver AND g.grid_id = t.grid_id AND g.kind = t.kind
ORDER BY t.receiver, t.grid_id, t.kind, t.id
