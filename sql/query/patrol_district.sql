SELECT id FROM district WHERE name = $1
