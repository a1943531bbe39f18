-- $2: id of the device.
SELECT json_strip_nulls(json_build_object('device', n.device, 'title', n.title, 'grid', g.code, 'state', n.state,
           'cause', nullif(n.cause, ''), 'substate', n.substate, 'since', n.since, 'looked_at', n.looked_at,
           'shown_at', n.shown_at, 'detail', nullif(n.detail, ''), 'url', n.url, 'substream', n.sub_url, 'ptz', n.ptz,
           'host', n.host, 'hub', n.hub, 'baseline', b.baseline, 'accept_at', b.accept_at,
           'changes', (SELECT json_agg(json_build_object('from', c.from_at, 'state', (ARRAY['online', 'offline', 'unknown'])[c.state + 1],
                                                         'cause', nullif(c.cause, '')) ORDER BY c.from_at DESC)
                       FROM (SELECT * FROM stream_span p WHERE p.district_id = n.district_id AND p.device_id = n.device_id
                             ORDER BY p.from_at DESC LIMIT 20) c),
           'snapshots', (SELECT json_agg(json_build_object('id', s.id, 'at', s.at, 'bytes', s.bytes) ORDER BY s.at DESC)
                         FROM (SELECT * FROM snapshot x WHERE x.district_id = n.district_id AND x.device_id = n.device_id
                               ORDER BY x.at DESC LIMIT 20) s)))
FROM stream_now n JOIN grid g ON g.district_id = n.district_id AND g.id = n.grid_id
     LEFT JOIN stream_baseline b ON b.district_id = n.district_id AND b.device_id = n.device_id
WHERE n.district_id = $1 AND n.device = $2
