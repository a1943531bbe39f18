-- A device that `unknown: register` had put into the holding grid gets the name that it has in the file.
UPDATE device d SET name = i.id FROM import_device i
WHERE d.district_id = $1 AND d.auto AND d.removed_at IS NULL AND d.adapter = i.adapter AND d.address = i.address AND d.name <> i.id
  AND NOT EXISTS (SELECT 1 FROM device x WHERE x.district_id = $1 AND x.name = i.id)
  AND NOT EXISTS (SELECT 1 FROM import_device j WHERE j.id = d.name)
