-- What a hub heard in the second before it saw the device's row is unknown no longer.
SELECT json_build_object('adapter', adapter, 'address', address,
           'class', (ARRAY['unknown', 'camera', 'sensor', 'bin'])[class + 1], 'first_seen', first_seen, 'last_seen', last_seen,
           'messages', messages, 'topic', topic), payload
FROM unknown_device u
WHERE district_id = $1
  AND NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.adapter = u.adapter AND d.address = u.address
                                           AND d.removed_at IS NULL)
ORDER BY last_seen DESC, adapter, address
