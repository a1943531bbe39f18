SELECT c.last_seq FROM ingest_cursor c JOIN district d ON d.id = c.district_id WHERE d.name = $1 AND c.stream_id = $2
