-- The days that have a partition, as microseconds: a day is sorted at a time, for PostgreSQL would sort the whole range.
SELECT ts_to_us(to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'reading'::regclass AND c.relname ~ '^reading_[0-9]{8}$' ORDER BY 1
