-- A stream that is another one begins anew; what was known of the old one is of no use.
WITH wanted AS (
    SELECT d.id, i.stream_url, i.sub_url, i.ptz, i.login, i.sub_login
    FROM import_device i JOIN device d ON d.district_id = $1 AND d.name = i.id
), gone AS (
    DELETE FROM stream t USING wanted w WHERE t.district_id = $1 AND t.device_id = w.id AND w.stream_url IS NULL
), forgotten AS (
    DELETE FROM stream_baseline b USING wanted w, stream t
    WHERE b.district_id = $1 AND b.device_id = w.id AND t.district_id = $1 AND t.device_id = w.id
      AND coalesce(t.sub_url, t.url) IS DISTINCT FROM coalesce(w.sub_url, w.stream_url)
), put AS (
    INSERT INTO stream AS t (district_id, device_id, url, sub_url, ptz, host, share)
    SELECT $1, id, stream_url, sub_url, ptz, stream_host(coalesce(sub_url, stream_url)), 0 FROM wanted WHERE stream_url IS NOT NULL
    ON CONFLICT (district_id, device_id) DO UPDATE SET url = excluded.url, sub_url = excluded.sub_url, ptz = excluded.ptz,
                                                       host = excluded.host
    WHERE (t.url, t.sub_url, t.ptz) IS DISTINCT FROM (excluded.url, excluded.sub_url, excluded.ptz)
    RETURNING 1
)
SELECT count(*) FROM put
