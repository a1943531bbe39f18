SELECT (SELECT coalesce(sum(bytes), 0) FROM snapshot WHERE district_id = $1),
       (SELECT count(DISTINCT m.device_id) FROM stream_maintenance m
        JOIN stream t ON t.district_id = m.district_id AND t.device_id = m.device_id
        WHERE m.district_id = $1 AND t.share = ANY ($2::smallint[]) AND m.from_at <= now() AND m.to_at > now())
