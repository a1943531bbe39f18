SELECT json_build_object('id', id, 'at', at, 'source', source, 'topic', topic, 'reason', reason, 'detail', detail), payload
FROM rejected_message WHERE district_id = $1
ORDER BY id DESC
