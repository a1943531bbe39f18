-- $1: the day by the hub's clock, $2: what to keep (microseconds). A hub whose clock is ahead must not drop what is fresh.
SELECT reading_drop_before(least(ts_from_us($1), now() - $2::bigint * interval '1 microsecond')::date)
