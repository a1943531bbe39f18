SELECT pg_advisory_unlock(7236712, 1)
