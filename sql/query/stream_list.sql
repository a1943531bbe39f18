-- $2: code of a grid, with all grids below it; NULL = all. $3: state; NULL = all.
SELECT json_strip_nulls(json_build_object('device', n.device, 'title', n.title, 'grid', g.code, 'state', n.state,
           'cause', nullif(n.cause, ''), 'substate', n.substate, 'since', n.since, 'looked_at', n.looked_at,
           'shown_at', n.shown_at, 'detail', nullif(n.detail, ''), 'url', n.url,
           'snapshots', nullif((SELECT count(*) FROM snapshot x WHERE x.district_id = n.district_id AND x.device_id = n.device_id), 0)))
FROM stream_now n JOIN grid g ON g.district_id = n.district_id AND g.id = n.grid_id
WHERE n.district_id = $1 AND ($3::text IS NULL OR n.state = $3::text)
  AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM grid_above a JOIN grid t ON t.district_id = a.district_id AND t.id = a.above_id
                                   WHERE a.district_id = n.district_id AND a.grid_id = n.grid_id AND t.code = $2::text))
ORDER BY n.device
