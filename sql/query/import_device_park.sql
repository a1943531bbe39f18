-- Devices that change their address leave it first, so that two may change places.
UPDATE device d SET address = chr(1) || d.id FROM import_device i
WHERE d.district_id = $1 AND d.name = i.id AND d.removed_at IS NULL AND (d.adapter, d.address) <> (i.adapter, i.address)
