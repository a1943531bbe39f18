-- People go with their duties and absences (ON DELETE CASCADE).
DELETE FROM person WHERE district_id = $1
