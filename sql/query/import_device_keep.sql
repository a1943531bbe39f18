-- Columns that the file does not have keep their value; a device without an address has its id for one. Bits of `given`:
-- columns of import.c.
UPDATE import_device i SET
    title       = CASE WHEN i.given & 2 = 0 THEN k.title ELSE i.title END,
    address     = CASE WHEN i.given & 16 = 0 THEN coalesce(k.address, i.id) ELSE coalesce(i.address, i.id) END,
    lon         = CASE WHEN i.given & 64 = 0 THEN k.lon ELSE i.lon END,
    lat         = CASE WHEN i.given & 128 = 0 THEN k.lat ELSE i.lat END,
    parent      = CASE WHEN i.given & 256 = 0 THEN k.parent ELSE i.parent END,
    interval_us = CASE WHEN i.given & 512 = 0 THEN coalesce(k.interval_us, 0) ELSE coalesce(i.interval_us, 0) END,
    stream_url  = CASE WHEN i.given & 1024 = 0 THEN k.stream_url ELSE i.stream_url END
FROM (SELECT j.row, d.title, d.address, d.lon, d.lat, p.name AS parent, d.interval_us, d.stream_url
      FROM import_device j
      LEFT JOIN device d ON d.district_id = $1 AND d.name = j.id
      LEFT JOIN device p ON p.district_id = $1 AND p.id = d.parent_id AND p.removed_at IS NULL) k
WHERE k.row = i.row
