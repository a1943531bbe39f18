INSERT INTO absence (district_id, person, from_at, to_at, substitute)
SELECT $1, person, ts_from_us(from_us), ts_from_us(to_us), substitute
FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS t (person, from_us, to_us, substitute)
