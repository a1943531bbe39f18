-- First in the transaction: no row means that this batch is in already, or that another hub has the spool.
UPDATE ingest_cursor SET batch = $4::bigint, last_seq = $5, last_recv = coalesce(ts_from_us(nullif($6::bigint, 0)), last_recv),
    away = $7::jsonb, memory_from_seq = $8, updated_at = now()
WHERE district_id = $1 AND stream_id = $2 AND epoch = $3 AND batch = $4::bigint - 1
