-- Returns how many were there before and have changed, they or their streams. A removed device comes back.
WITH changed AS (
    SELECT d.id, d.rev = $2 AS is_new, i.title, i.class, i.adapter, i.address, g.id AS grid_id, i.lon, i.lat, p.id AS parent_id,
           i.interval_us
    FROM import_device i
    JOIN grid g ON g.district_id = $1 AND g.code = i.grid
    JOIN device d ON d.district_id = $1 AND d.name = i.id
    LEFT JOIN device p ON p.district_id = $1 AND p.name = i.parent
    LEFT JOIN stream t ON t.district_id = $1 AND t.device_id = d.id
    LEFT JOIN stream_secret s ON s.district_id = $1 AND s.device_id = d.id
    WHERE (d.title, d.class, d.adapter, d.address, d.grid_id, d.lon, d.lat, d.parent_id, d.interval_us, d.auto,
           d.removed_at, t.url, t.sub_url, coalesce(t.ptz, false), s.login, s.sub_login) IS DISTINCT FROM
          (i.title, i.class, i.adapter, i.address, g.id, i.lon, i.lat, p.id, i.interval_us, false,
           NULL, i.stream_url, i.sub_url, i.ptz, i.login, i.sub_login)
), up AS (
    UPDATE device d SET title = c.title, class = c.class, adapter = c.adapter, address = c.address, grid_id = c.grid_id,
                        lon = c.lon, lat = c.lat, parent_id = c.parent_id, interval_us = c.interval_us,
                        auto = false, removed_at = NULL, rev = $2
    FROM changed c WHERE d.district_id = $1 AND d.id = c.id
)
SELECT count(*) FILTER (WHERE NOT is_new) FROM changed
