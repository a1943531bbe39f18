-- With passwords: for the workers alone. A smaller stream is what glances are at; the whole one is watched.
SELECT t.device_id, t.share, t.host, t.ptz,
       CASE WHEN t.sub_url IS NULL THEN stream_whole(t.url, s.login) ELSE stream_whole(t.sub_url, s.sub_login) END,
       stream_whole(t.url, s.login), d.adapter, d.address, d.lon, d.lat,
       x.state, x.substate, x.cause, ts_to_us(x.since), ts_to_us(x.looked_at), ts_to_us(x.shown_at),
       b.baseline, ts_to_us(b.accept_at)
FROM stream t
     JOIN device d ON d.district_id = t.district_id AND d.id = t.device_id AND d.removed_at IS NULL
     LEFT JOIN stream_secret s ON s.district_id = t.district_id AND s.device_id = t.device_id
     LEFT JOIN stream_state x ON x.district_id = t.district_id AND x.device_id = t.device_id
     LEFT JOIN stream_baseline b ON b.district_id = t.district_id AND b.device_id = t.device_id
WHERE t.district_id = $1 AND t.share = ANY ($2::smallint[])
ORDER BY t.device_id
