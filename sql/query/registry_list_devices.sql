-- $2: code of a grid, with all grids below it; NULL = all. $3: class; NULL = all.
WITH RECURSIVE below AS (
    SELECT id FROM grid WHERE district_id = $1 AND code = $2::text
    UNION
    SELECT g.id FROM grid g JOIN below b ON g.parent_id = b.id WHERE g.district_id = $1
)
SELECT json_strip_nulls(json_build_object('id', d.name, 'title', d.title,
           'class', (ARRAY['unknown', 'camera', 'sensor', 'bin'])[d.class + 1], 'adapter', d.adapter, 'address', d.address,
           'grid', g.code, 'lon', d.lon, 'lat', d.lat, 'parent', p.name,
           'interval_s', CASE WHEN d.interval_us > 0 THEN trim_scale(d.interval_us / 1e6) END,
           'stream', stream_whole(t.url, stream_masked(s.login)), 'substream', stream_whole(t.sub_url, stream_masked(s.sub_login)),
           'ptz', CASE WHEN t.ptz THEN 'yes' END, 'auto', CASE WHEN d.auto THEN true END))
FROM device d
JOIN grid g ON g.district_id = d.district_id AND g.id = d.grid_id
LEFT JOIN device p ON p.district_id = d.district_id AND p.id = d.parent_id
LEFT JOIN stream t ON t.district_id = d.district_id AND t.device_id = d.id
LEFT JOIN stream_secret s ON s.district_id = d.district_id AND s.device_id = d.id
WHERE d.district_id = $1 AND d.removed_at IS NULL
  AND ($2::text IS NULL OR d.grid_id IN (SELECT id FROM below))
  AND ($3::smallint IS NULL OR d.class = $3::smallint)
ORDER BY d.name
