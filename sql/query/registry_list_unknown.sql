SELECT json_build_object('adapter', adapter, 'address', address,
           'class', (ARRAY['unknown', 'camera', 'sensor', 'bin'])[class + 1], 'first_seen', first_seen, 'last_seen', last_seen,
           'messages', messages, 'topic', topic), payload
FROM unknown_device WHERE district_id = $1
ORDER BY last_seen DESC, adapter, address
