-- Give leases back: another hub may send at once.
UPDATE outbox o
SET lease = NULL, next_at = now()
FROM unnest($2::bigint[], $3::text[]) AS r(id, lease)
WHERE o.district_id = $1 AND o.id = ANY ($2::bigint[]) AND o.id = r.id AND o.lease = r.lease
