-- Columns that the file does not have keep their value; a device without an address has its id for one, a camera of which
-- only the stream is given is looked at by the probe. Bits of `given`: columns of import.c. "***" for a password is the one
-- that is stored.
UPDATE import_device i SET
    title       = CASE WHEN i.given & 2 = 0 THEN k.title ELSE i.title END,
    adapter     = CASE WHEN i.adapter = '?' THEN coalesce(k.adapter, CASE WHEN i.stream IS NULL THEN '?' ELSE 'probe' END)
                       ELSE i.adapter END,
    address     = CASE WHEN i.given & 16 = 0 THEN coalesce(k.address, i.id) ELSE coalesce(i.address, i.id) END,
    lon         = CASE WHEN i.given & 64 = 0 THEN k.lon ELSE i.lon END,
    lat         = CASE WHEN i.given & 128 = 0 THEN k.lat ELSE i.lat END,
    parent      = CASE WHEN i.given & 256 = 0 THEN k.parent ELSE i.parent END,
    interval_us = CASE WHEN i.given & 512 = 0 THEN coalesce(k.interval_us, 0) ELSE coalesce(i.interval_us, 0) END,
    stream_url  = CASE WHEN i.given & 1024 = 0 THEN k.url ELSE stream_bare(i.stream) END,
    login       = CASE WHEN i.given & 1024 = 0 THEN k.login
                       WHEN stream_login(i.stream) LIKE '%:***' AND k.login LIKE '%:%'
                       THEN split_part(stream_login(i.stream), ':', 1) || substring(k.login FROM ':.*$')
                       ELSE stream_login(i.stream) END,
    sub_url     = CASE WHEN i.given & 2048 = 0 THEN k.sub_url ELSE stream_bare(i.substream) END,
    sub_login   = CASE WHEN i.given & 2048 = 0 THEN k.sub_login
                       WHEN stream_login(i.substream) LIKE '%:***' AND k.sub_login LIKE '%:%'
                       THEN split_part(stream_login(i.substream), ':', 1) || substring(k.sub_login FROM ':.*$')
                       ELSE stream_login(i.substream) END,
    ptz         = CASE WHEN i.given & 4096 = 0 THEN coalesce(k.ptz, false) ELSE coalesce(i.ptz, false) END,
    stored_url  = concat(k.url, ' ', k.sub_url)
FROM (SELECT j.row, d.title, d.adapter, d.address, d.lon, d.lat, p.name AS parent, d.interval_us, t.url, t.sub_url, t.ptz,
             s.login, s.sub_login
      FROM import_device j
      LEFT JOIN device d ON d.district_id = $1 AND d.name = j.id
      LEFT JOIN device p ON p.district_id = $1 AND p.id = d.parent_id AND p.removed_at IS NULL
      LEFT JOIN stream t ON t.district_id = $1 AND t.device_id = d.id
      LEFT JOIN stream_secret s ON s.district_id = $1 AND s.device_id = d.id) k
WHERE k.row = i.row
