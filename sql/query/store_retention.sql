SELECT reading_drop_before(ts_from_us($1)::date)
