-- First in the transaction: no row means that this batch is in already, or that another hub has the spool.
UPDATE ingest_cursor SET batch = $4::bigint, last_seq = $5, updated_at = now()
WHERE district_id = $1 AND stream_id = $2 AND epoch = $3 AND batch = $4::bigint - 1
