-- Dead letters that nobody sent again for $2 (microseconds), 10,000 at a time: a hub without a receiver would keep them all.
WITH old AS (
    SELECT id FROM outbox
    WHERE district_id = $1 AND dead_at IS NOT NULL AND dead_at < now() - $2::bigint * interval '1 microsecond'
    ORDER BY id LIMIT 10000
    FOR UPDATE SKIP LOCKED
), about AS (
    DELETE FROM outbox_about c USING old WHERE c.district_id = $1 AND c.outbox_id = old.id
)
DELETE FROM outbox o USING old WHERE o.district_id = $1 AND o.id = old.id AND o.dead_at IS NOT NULL
