-- Cases closed longer than $2 (microseconds) ago, 1,000 at a time.
SELECT case_forget($1, $2::bigint * interval '1 microsecond', 1000)
