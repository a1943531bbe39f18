-- $2 revision, $3 name. Its open cases are closed, but for those that are their grid's while another device is in it: they wait
-- for what that says. Returns how many were closed; no row: there is no such device.
WITH gone AS (
    UPDATE device SET removed_at = now(), rev = $2 WHERE district_id = $1 AND name = $3 AND removed_at IS NULL
    RETURNING id, name
), open AS (
    SELECT c.id, c.state,
           c.of_grid AND EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.grid_id = c.grid_id
                                   AND d.removed_at IS NULL AND d.id <> c.device_id) AS stays
    FROM grid_case c JOIN gone ON c.district_id = $1 AND c.device_id = gone.id
    WHERE c.state <> 9
    FOR UPDATE OF c
), closed AS (
    UPDATE grid_case c SET state = 9, closed_at = now() FROM open o
    WHERE c.district_id = $1 AND c.id = o.id AND NOT o.stays
    RETURNING c.id
), held AS (
    DELETE FROM held_case h USING gone WHERE h.district_id = $1 AND h.device_id = gone.id
), history AS (
    INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
    SELECT $1, id, CASE WHEN stays THEN 'device removed' ELSE 'closed' END, state, CASE WHEN stays THEN state ELSE 9 END,
           'registry', 'the device ' || $3 || ' was removed' FROM open
)
SELECT (SELECT count(*) FROM closed) FROM gone
