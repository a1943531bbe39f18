-- Days ahead that have a partition, the oldest partition, partitions older than what is kept ($1: µs).
WITH part AS (
    SELECT to_date(substr(c.relname, 9), 'YYYYMMDD') AS day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'reading'::regclass AND c.relname ~ '^reading_[0-9]{8}$')
SELECT coalesce(max(day) - (now() AT TIME ZONE 'UTC')::date, -1), coalesce(min(day)::text, 'none'), count(*),
       count(*) FILTER (WHERE day < (now() AT TIME ZONE 'UTC')::date - ceil($1::bigint / 86400000000.0)::integer - 2),
       EXISTS (SELECT 1 FROM part WHERE day = (now() AT TIME ZONE 'UTC')::date)
FROM part
