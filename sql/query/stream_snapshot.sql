-- $2: of a snapshot, or of a device: its latest.
SELECT s.id, s.jpeg FROM snapshot s
WHERE s.district_id = $1
  AND (s.id = $2 OR s.device_id = (SELECT d.id FROM device d WHERE d.district_id = $1 AND d.name = $2))
ORDER BY s.at DESC LIMIT 1
