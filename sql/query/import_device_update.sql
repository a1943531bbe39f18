-- Returns how many were there before and have changed. A removed device comes back.
WITH changed AS (
    SELECT d.id, d.rev = $2 AS is_new, i.title, i.class, i.adapter, i.address, g.id AS grid_id, i.lon, i.lat, p.id AS parent_id,
           i.interval_us, i.stream_url
    FROM import_device i
    JOIN grid g ON g.district_id = $1 AND g.code = i.grid
    JOIN device d ON d.district_id = $1 AND d.name = i.id
    LEFT JOIN device p ON p.district_id = $1 AND p.name = i.parent
    WHERE (d.title, d.class, d.adapter, d.address, d.grid_id, d.lon, d.lat, d.parent_id, d.interval_us, d.stream_url, d.auto,
           d.removed_at) IS DISTINCT FROM
          (i.title, i.class, i.adapter, i.address, g.id, i.lon, i.lat, p.id, i.interval_us, i.stream_url, false, NULL)
), up AS (
    UPDATE device d SET title = c.title, class = c.class, adapter = c.adapter, address = c.address, grid_id = c.grid_id,
                        lon = c.lon, lat = c.lat, parent_id = c.parent_id, interval_us = c.interval_us,
                        stream_url = c.stream_url, auto = false, removed_at = NULL, rev = $2
    FROM changed c WHERE d.district_id = $1 AND d.id = c.id
)
SELECT count(*) FILTER (WHERE NOT is_new) FROM changed
