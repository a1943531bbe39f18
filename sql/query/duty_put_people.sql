INSERT INTO person (district_id, name, title, endpoints, quiet_from, quiet_to)
SELECT $1, name, title, endpoints::text[], quiet_from, quiet_to
FROM unnest($2::text[], $3::text[], $4::text[], $5::time[], $6::time[]) AS t (name, title, endpoints, quiet_from, quiet_to)
