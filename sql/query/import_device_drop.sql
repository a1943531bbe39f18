DELETE FROM import_device WHERE row = ANY ($1::bigint[])
