SELECT t.device_id FROM stream t JOIN device d ON d.district_id = t.district_id AND d.id = t.device_id AND d.adapter = 'probe'
WHERE t.district_id = $1 AND t.share <> ALL ($2::smallint[])
