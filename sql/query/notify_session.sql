-- For the session: what these tables hold changes too fast for statistics, and a plan that was made while they were empty is
-- kept; it must not read all of them when they are not.
SELECT set_config('enable_seqscan', 'off', false)
