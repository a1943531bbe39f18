DELETE FROM rejected_message WHERE district_id = $1 AND id <= (
    SELECT id FROM rejected_message WHERE district_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)
