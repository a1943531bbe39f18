-- Streams, their hosts, hosts with three streams or more that do not all stand below one device (so that an outage of the host
-- is a case for each of them), and one of those: the one with the most.
WITH host AS (
    SELECT t.host, count(*) AS n,
           count(*) >= 3 AND (count(d.parent_id) < count(*) OR min(d.parent_id) <> max(d.parent_id)) AS apart
    FROM stream t JOIN device d ON d.district_id = t.district_id AND d.id = t.device_id AND d.removed_at IS NULL
    WHERE t.district_id = $1 GROUP BY t.host
)
SELECT coalesce(sum(n), 0), count(*), count(*) FILTER (WHERE apart),
       (array_agg(host ORDER BY n DESC, host) FILTER (WHERE apart))[1],
       max(n) FILTER (WHERE apart)
FROM host
