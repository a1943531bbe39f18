-- Columns that the file does not have keep their value. Bits of `given`: columns of import.c.
UPDATE import_grid i SET
    dedicated = CASE WHEN i.given & 8 = 0 THEN g.dedicated ELSE i.dedicated END,
    parent    = CASE WHEN i.given & 16 = 0 THEN p.code ELSE i.parent END,
    leader    = CASE WHEN i.given & 32 = 0 THEN g.leader ELSE i.leader END,
    deputy    = CASE WHEN i.given & 64 = 0 THEN g.deputy ELSE i.deputy END,
    endpoint  = CASE WHEN i.given & 128 = 0 THEN g.endpoint ELSE i.endpoint END
FROM grid g LEFT JOIN grid p ON p.district_id = g.district_id AND p.id = g.parent_id
WHERE g.district_id = $1 AND g.code = i.code AND i.given & 255 <> 255
