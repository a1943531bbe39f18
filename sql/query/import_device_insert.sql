-- Parents follow in import_device_update, when all are there; streams in import_device_stream.
INSERT INTO device (district_id, name, title, class, adapter, address, grid_id, lon, lat, interval_us, rev)
SELECT $1, i.id, i.title, i.class, i.adapter, i.address, g.id, i.lon, i.lat, i.interval_us, $2
FROM import_device i
JOIN grid g ON g.district_id = $1 AND g.code = i.grid
WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.name = i.id)
ORDER BY i.row
