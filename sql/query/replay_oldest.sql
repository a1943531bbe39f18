-- The day of the first partition that has anything, as microseconds: partitions are looked at in order of time.
SELECT ts_to_us(recv_at) / 86400000000 * 86400000000 FROM reading WHERE district_id = $1 LIMIT 1
