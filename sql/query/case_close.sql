-- Closed by force: $3 who, $4 why. No row: there is no such open case.
WITH before AS (
    SELECT id, state FROM grid_case WHERE district_id = $1 AND id = $2 AND state <> 9 FOR UPDATE
), closed AS (
    UPDATE grid_case c SET state = 9, closed_at = now() FROM before b
    WHERE c.district_id = $1 AND c.id = b.id
    RETURNING c.id, b.state AS was, c.recovered_at, c.closed_at
), history AS (
    INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
    SELECT $1, id, 'closed', was, 9, $3, $4 FROM closed
)
SELECT json_build_object('case', id, 'closed_at', closed_at, 'recovered', recovered_at IS NOT NULL) FROM closed
