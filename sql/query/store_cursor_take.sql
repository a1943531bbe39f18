-- A hub begins on its spool: the epoch fences whoever used it before.
INSERT INTO ingest_cursor AS c (district_id, stream_id, epoch, batch, last_seq, updated_at)
VALUES ($1, $2, 1, 0, 0, now())
ON CONFLICT (district_id, stream_id) DO UPDATE SET epoch = c.epoch + 1, updated_at = now()
RETURNING epoch, batch, last_seq, memory_from_seq, ts_to_us(last_recv), away
