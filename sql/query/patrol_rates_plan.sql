-- For patrol_rates, in its transaction: until the server has counted new maintenances it takes them for one, and compares each
-- stream with each of them; a nested loop is never the best way here.
SELECT set_config('enable_nestloop', 'off', true)
