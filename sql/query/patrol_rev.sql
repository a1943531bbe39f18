SELECT registry_rev FROM district WHERE id = $1
