-- How many went in, and a grid that does not exist.
WITH given AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::time[], $7::time[], $8::text[], $9::date[],
                         $10::date[])
        AS t (grid, person, rank, weekdays, from_time, to_time, holidays, from_day, to_day)
), made AS (
    INSERT INTO duty (district_id, grid_id, person, rank, weekdays, from_time, to_time, holidays, from_day, to_day)
    SELECT $1, g.id, t.person, t.rank, t.weekdays, t.from_time, t.to_time, t.holidays, t.from_day, t.to_day
    FROM given t JOIN grid g ON g.district_id = $1 AND g.code = t.grid
    RETURNING 1
)
SELECT (SELECT count(*) FROM made),
       (SELECT min(t.grid) FROM given t WHERE NOT EXISTS (SELECT 1 FROM grid g WHERE g.district_id = $1 AND g.code = t.grid))
