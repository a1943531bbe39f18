-- Faults that only the registry shows.
WITH RECURSIVE nested AS (
    SELECT row, id, parent FROM import_device WHERE parent IS NOT NULL
    UNION ALL
    SELECT NULL, d.name, p.name FROM device d JOIN device p ON p.district_id = d.district_id AND p.id = d.parent_id
    WHERE d.district_id = $1 AND d.removed_at IS NULL AND NOT EXISTS (SELECT 1 FROM import_device i WHERE i.id = d.name)
), above AS (
    -- each step climbs to the next parent; a row of the file that meets itself stands in a cycle
    SELECT row, id, parent FROM nested WHERE row IS NOT NULL
    UNION
    SELECT a.row, a.id, n.parent FROM above a JOIN nested n ON n.id = a.parent
)
SELECT row, 'grid', grid, 'no grid has this code' FROM import_device i
WHERE grid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM grid g WHERE g.district_id = $1 AND g.code = i.grid)
UNION ALL
SELECT row, 'parent', parent, 'no device has this id' FROM nested i
WHERE row IS NOT NULL AND NOT EXISTS (SELECT 1 FROM import_device p WHERE p.id = i.parent)
  AND NOT EXISTS (SELECT 1 FROM device d WHERE d.district_id = $1 AND d.name = i.parent AND d.removed_at IS NULL)
UNION ALL
SELECT row, 'parent', i.parent, 'the parents form a cycle' FROM above a JOIN import_device i USING (row) WHERE a.parent = a.id
UNION ALL
SELECT i.row, 'address', i.address, 'is the address of device "' || d.name || '" with the same adapter'
FROM import_device i
JOIN device d ON d.district_id = $1 AND d.adapter = i.adapter AND d.address = i.address AND d.removed_at IS NULL
WHERE d.name <> i.id
  AND NOT EXISTS (SELECT 1 FROM import_device j WHERE j.id = d.name)
  AND (NOT d.auto OR EXISTS (SELECT 1 FROM device x WHERE x.district_id = $1 AND x.name = i.id))
UNION ALL
SELECT row, 'address', address, 'is the address on line ' || first_line || ' too, with the same adapter'
FROM (SELECT row, address, line, first_value(line) OVER (PARTITION BY adapter, address ORDER BY row) AS first_line
      FROM import_device WHERE adapter IS NOT NULL) same
WHERE line <> first_line
UNION ALL
SELECT row, 'adapter', replace(adapter, '?', ''), 'needs a stream to look at; else give another adapter' FROM import_device
WHERE adapter IN ('probe', '?') AND stream_url IS NULL
UNION ALL
SELECT row, 'substream', '', 'needs a stream beside it' FROM import_device WHERE sub_url IS NOT NULL AND stream_url IS NULL
UNION ALL
SELECT row, 'stream', '', 'needs class camera' FROM import_device WHERE stream_url IS NOT NULL AND class <> 1
UNION ALL
SELECT row, what, '***', CASE WHEN login LIKE '%:***' THEN 'no password is stored that this could stand for'
                              ELSE 'the stored password was given for another host: give it anew' END
FROM (SELECT row, 'stream' AS what, stream, login, stored_url FROM import_device
      UNION ALL SELECT row, 'substream', substream, sub_login, stored_url FROM import_device) s
WHERE stream_login(stream) LIKE '%:***'
  AND (login LIKE '%:***' OR stream_host(stream_bare(stream)) NOT IN (
       SELECT stream_host(u) FROM unnest(string_to_array(stored_url, ' ')) AS u WHERE u <> ''))
ORDER BY 1
