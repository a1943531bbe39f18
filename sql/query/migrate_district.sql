WITH new AS (INSERT INTO district (name) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM district WHERE name = $1)
             ON CONFLICT (name) DO NOTHING RETURNING id)
SELECT id FROM new UNION ALL SELECT id FROM district WHERE name = $1
