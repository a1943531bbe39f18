-- What was written while the database's clock was ahead, or waits for longer than anything does (quiet hours end within
-- a day, the longest wait of a retry within five), is due now: it would be silent for as long as the clock was wrong.
WITH waiting AS (
    UPDATE owed SET due_at = now(), created_at = least(created_at, now())
    WHERE district_id = $1 AND due_at > now() + interval '1 minute'
      AND (created_at > now() + interval '1 minute' OR due_at > now() + interval '25 hours')
)
UPDATE outbox SET next_at = now(), created_at = least(created_at, now())
WHERE district_id = $1 AND dead_at IS NULL AND next_at > now() + interval '1 minute'
  AND (created_at > now() + interval '1 minute' OR next_at > now() + interval '6 days')
