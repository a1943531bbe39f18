INSERT INTO rejected_message (district_id, at, source, topic, reason, detail, payload)
SELECT $1, ts_from_us(at), source, topic, reason, detail, decode(payload, 'hex')
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS t (at, source, topic, reason, detail, payload)
