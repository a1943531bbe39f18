SELECT epoch, batch, last_seq FROM ingest_cursor WHERE district_id = $1 AND stream_id = $2
