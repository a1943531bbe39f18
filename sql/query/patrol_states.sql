-- What another hub has written since is newer.
INSERT INTO stream_state AS s (district_id, device_id, state, substate, cause, since, looked_at, shown_at, detail)
SELECT $1, device_id, state, substate, cause, ts_from_us(since), ts_from_us(looked), ts_from_us(nullif(shown, 0)), detail
FROM unnest($2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
     AS t (device_id, state, substate, cause, since, looked, shown, detail)
ORDER BY device_id
ON CONFLICT (district_id, device_id) DO UPDATE SET
    state = excluded.state, substate = excluded.substate, cause = excluded.cause, since = excluded.since,
    looked_at = excluded.looked_at, shown_at = coalesce(excluded.shown_at, s.shown_at), detail = excluded.detail
WHERE s.looked_at <= excluded.looked_at
