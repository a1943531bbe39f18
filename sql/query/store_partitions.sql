SELECT reading_make_partitions(ts_from_us($1)::date, ts_from_us($2)::date)
