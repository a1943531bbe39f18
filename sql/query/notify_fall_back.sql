-- What waits for one of the endpoints $2, which fail, goes to the person's next endpoint after a minute.
UPDATE outbox o
SET endpoint = o.fallback[1], fallback = o.fallback[2:], attempts = 0, next_at = now()
WHERE o.district_id = $1 AND o.dead_at IS NULL AND o.endpoint = ANY ($2::text[]) AND o.fallback <> '{}'
  AND o.next_at < now() - interval '1 minute'
