-- No row: there is no such silence, or it is over. What waits for it is looked at at once.
WITH ended AS (
    UPDATE silence SET to_at = greatest(now(), from_at + interval '1 microsecond'), why = why || ' (ended by ' || $3 || ')'
    WHERE district_id = $1 AND id = $2 AND to_at > now()
    RETURNING id, to_at
), woken AS (
    UPDATE owed SET due_at = now() WHERE district_id = $1 AND due_at > now() AND EXISTS (SELECT 1 FROM ended)
)
SELECT json_build_object('id', id, 'to', to_at) FROM ended
