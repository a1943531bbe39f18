-- Now, by grid. $2: code of a grid; NULL = all.
SELECT json_build_object('grid', code, 'name', name, 'level', level, 'streams', streams, 'online', online, 'offline', offline,
           'unknown', unknown, 'maintenance', maintenance, 'online_pct', online_pct)
FROM online_now WHERE district_id = $1 AND ($2::text IS NULL OR code = $2::text) ORDER BY level, code
