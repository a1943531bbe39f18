-- What rules remember of devices after $3, at most $4; whether by the log $2.
SELECT device_id, stream_id = $2, data FROM device_memory
WHERE district_id = $1 AND device_id > $3 ORDER BY device_id LIMIT $4
