-- Faults that only the tree shows. A parent that is missing counts as a root here, so that its children are no cycle.
WITH RECURSIVE merged AS (
    SELECT code, parent FROM import_grid
    UNION ALL
    SELECT g.code, p.code FROM grid g LEFT JOIN grid p ON p.district_id = g.district_id AND p.id = g.parent_id
    WHERE g.district_id = $1 AND NOT EXISTS (SELECT 1 FROM import_grid i WHERE i.code = g.code)
), rooted AS (
    SELECT code FROM merged m
    WHERE parent IS NULL OR NOT EXISTS (SELECT 1 FROM merged p WHERE p.code = m.parent)
    UNION
    SELECT m.code FROM merged m JOIN rooted r ON m.parent = r.code
)
SELECT row, 'parent', parent, 'no grid has this code' FROM import_grid i
WHERE parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM merged m WHERE m.code = i.parent)
UNION ALL
SELECT row, 'parent', parent, 'the parents form a cycle, or lead into one' FROM import_grid i
WHERE NOT EXISTS (SELECT 1 FROM rooted r WHERE r.code = i.code)
ORDER BY 1
