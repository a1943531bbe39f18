INSERT INTO person (district_id, name, title, endpoints, quiet_from, quiet_to, mention)
SELECT $1, name, title, endpoints::text[], quiet_from, quiet_to, mention
FROM unnest($2::text[], $3::text[], $4::text[], $5::time[], $6::time[], $7::text[])
    AS t (name, title, endpoints, quiet_from, quiet_to, mention)
