-- Cases of grids whose device was removed go over to the devices that say the same now: $2 devices, $3 rules, $4 grids. (By
-- itself, for the statement that folds cases would not see it.)
WITH new AS (
    SELECT DISTINCT ON (n.grid_id, n.rule_id) * FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS n (device_id, rule_id, grid_id)
    ORDER BY n.grid_id, n.rule_id, n.device_id
), adopted AS (
    UPDATE grid_case c SET device_id = new.device_id
    FROM new, device d
    WHERE c.district_id = $1 AND c.grid_id = new.grid_id AND c.rule_id = new.rule_id AND c.of_grid AND c.state <> 9
      AND d.district_id = $1 AND d.id = c.device_id AND d.removed_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM grid_case o WHERE o.district_id = $1 AND o.device_id = new.device_id
                        AND o.rule_id = new.rule_id AND o.state <> 9 OFFSET 0)
      AND NOT EXISTS (SELECT 1 FROM grid_case o WHERE o.district_id = $1 AND o.grid_id = c.grid_id AND o.rule_id = c.rule_id
                        AND o.of_grid AND o.state <> 9 AND o.id < c.id OFFSET 0)
    RETURNING c.id, c.state, new.device_id
)
INSERT INTO case_event (district_id, case_id, what, from_state, to_state, actor, reason)
SELECT $1, a.id, 'device changed', a.state, a.state, 'hub', 'now ' || d.name
FROM adopted a JOIN device d ON d.district_id = $1 AND d.id = a.device_id
