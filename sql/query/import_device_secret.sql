WITH wanted AS (
    SELECT d.id, i.login, i.sub_login
    FROM import_device i JOIN device d ON d.district_id = $1 AND d.name = i.id WHERE i.stream_url IS NOT NULL
), gone AS (
    DELETE FROM stream_secret s USING wanted w
    WHERE s.district_id = $1 AND s.device_id = w.id AND w.login IS NULL AND w.sub_login IS NULL
)
INSERT INTO stream_secret AS s (district_id, device_id, login, sub_login)
SELECT $1, id, login, sub_login FROM wanted WHERE login IS NOT NULL OR sub_login IS NOT NULL
ON CONFLICT (district_id, device_id) DO UPDATE SET login = excluded.login, sub_login = excluded.sub_login
WHERE (s.login, s.sub_login) IS DISTINCT FROM (excluded.login, excluded.sub_login)
