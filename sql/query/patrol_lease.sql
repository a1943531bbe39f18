SELECT share, hubs FROM probe_lease($1, $2, $3::smallint[], $4 * interval '1 microsecond')
