-- They are unknown no longer.
DELETE FROM unknown_device u USING import_device i
WHERE u.district_id = $1 AND u.adapter = i.adapter AND u.address = i.address
