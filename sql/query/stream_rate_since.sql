-- The last $3 hours, by time. $2: code of a grid; NULL = all.
SELECT json_build_object('grid', code, 'name', name, 'level', level, 'streams', streams,
           'online_h', round((online_s / 3600)::numeric, 2), 'offline_h', round((offline_s / 3600)::numeric, 2),
           'unknown_h', round((unknown_s / 3600)::numeric, 2), 'maintenance_h', round((maintenance_s / 3600)::numeric, 2),
           'online_pct', online_pct)
FROM online_rate($1, now() - $3 * interval '1 hour', now()) WHERE $2::text IS NULL OR code = $2::text ORDER BY level, code
