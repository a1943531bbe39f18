-- $2: how long. The last one before that time still holds at it.
WITH gone AS (DELETE FROM probe_gap WHERE district_id = $1 AND to_at < now() - $2 * interval '1 microsecond')
DELETE FROM stream_span s
WHERE s.district_id = $1 AND s.from_at < now() - $2 * interval '1 microsecond'
  AND EXISTS (SELECT 1 FROM stream_span n WHERE n.district_id = $1 AND n.device_id = s.device_id AND n.from_at > s.from_at
                                            AND n.from_at <= now() - $2 * interval '1 microsecond')
