-- Devices that nobody registered, at most $8 of them; further ones are only counted (by the hub's metric). One that got
-- its registry row while its message was under way is not unknown any more.
WITH heard AS (
    SELECT t.*, EXISTS (SELECT 1 FROM unknown_device x
                        WHERE x.district_id = $1 AND x.adapter = t.adapter AND x.address = t.address) AS kept
    FROM unnest($2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $9::text[])
         AS t (adapter, address, class, at, n, topic, payload)
    WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.adapter = t.adapter
                      AND d.address = t.address AND d.removed_at IS NULL)
), taken AS (
    SELECT * FROM heard WHERE kept
    UNION ALL
    (SELECT * FROM heard WHERE NOT kept ORDER BY adapter, address
     LIMIT (SELECT greatest($8 - count(*), 0) FROM unknown_device WHERE district_id = $1))
)
INSERT INTO unknown_device AS u (district_id, adapter, address, class, first_seen, last_seen, messages, topic, payload)
SELECT $1, adapter, address, class, ts_from_us(at), ts_from_us(at), n, topic, decode(payload, 'hex')
FROM taken ORDER BY adapter, address
ON CONFLICT (district_id, adapter, address) DO UPDATE SET
    class = excluded.class, last_seen = greatest(u.last_seen, excluded.last_seen),
    messages = u.messages + excluded.messages, topic = excluded.topic, payload = excluded.payload
