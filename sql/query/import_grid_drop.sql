DELETE FROM import_grid WHERE row = ANY ($1::bigint[])
