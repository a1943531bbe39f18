SELECT pg_try_advisory_lock(7236712, 1)
