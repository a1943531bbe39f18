-- A new roster: whoever is on duty now may have no quiet hours, so what waits is looked at at once.
UPDATE owed SET due_at = now() WHERE district_id = $1 AND due_at > now()
