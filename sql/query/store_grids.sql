SELECT id, code, name, level, dedicated, coalesce(parent_id, 0), coalesce(leader, ''), coalesce(deputy, ''),
       coalesce(endpoint, ''), rev
FROM grid WHERE district_id = $1 AND rev > $2 ORDER BY id
