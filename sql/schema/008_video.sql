-- Video: which camera has which stream, what is believed of it, since when, and which hub looks at it.

-- ---- URLs: the password is kept apart from the rest ----

-- What stands before the @ of the host: "user:password", as it is written; NULL: nothing.
CREATE FUNCTION stream_login(url text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN substring(url FROM '^[A-Za-z]+://([^/?#]*)@');
CREATE FUNCTION stream_bare(url text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(url, '^([A-Za-z]+://)[^/?#]*@', '\1');
-- "name:port" of a bare URL, with the port that its scheme has by itself.
CREATE FUNCTION stream_host(url text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN lower(substring(url FROM '^[A-Za-z]+://([^/?#]*)')) ||
           CASE WHEN url ~ '^[A-Za-z]+://[^/?#]*:[0-9]+([/?#]|$)' THEN ''
                ELSE CASE lower(substring(url FROM '^[A-Za-z]+')) WHEN 'rtsp' THEN ':554' WHEN 'rtsps' THEN ':322'
                     WHEN 'rtmp' THEN ':1935' WHEN 'https' THEN ':443' ELSE ':80' END END;
-- The two together again; with login "user:***" for people.
CREATE FUNCTION stream_whole(url text, login text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN login IS NULL THEN url
                ELSE substring(url FROM '^[A-Za-z]+://') || login || '@' || substring(url FROM '^[A-Za-z]+://(.*)$') END;
CREATE FUNCTION stream_masked(login text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN regexp_replace(login, ':.*$', ':***');

-- ---- registry ----

-- At most one stream a device. It is looked at by the hub that holds its share.
CREATE TABLE stream (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    url         text NOT NULL,                   -- without user and password
    sub_url     text,                            -- of a smaller picture; what is looked at, if there is one
    ptz         boolean NOT NULL DEFAULT false,  -- it turns by itself
    host        text NOT NULL,                   -- "name:port" of what is looked at
    share       smallint NOT NULL CHECK (share BETWEEN 0 AND 63),
    added_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (district_id, device_id),
    FOREIGN KEY (district_id, device_id) REFERENCES device (district_id, id)
);
CREATE INDEX stream_share ON stream (district_id, share);

-- For the hub alone, not for reports.
CREATE TABLE stream_secret (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    login       text,                            -- "user:password", as in a URL
    sub_login   text,
    PRIMARY KEY (district_id, device_id),
    FOREIGN KEY (district_id, device_id) REFERENCES stream (district_id, device_id) ON DELETE CASCADE
);

-- The channels of one recorder belong together, for it takes few sessions at once and its failure explains theirs; those
-- of a media server are divided, or one hub would have them all. Returns how many streams moved.
CREATE FUNCTION stream_divide(district integer) RETURNS bigint LANGUAGE sql AS $$
    WITH wanted AS (
        SELECT s.device_id, (CASE WHEN count(*) OVER (PARTITION BY s.host) > 256 THEN s.device_id
                                  ELSE ('x' || substr(md5(s.host), 1, 8))::bit(32)::bigint END & 63)::smallint AS share
        FROM stream s WHERE s.district_id = $1
    ), moved AS (
        UPDATE stream s SET share = w.share FROM wanted w
        WHERE s.district_id = $1 AND s.device_id = w.device_id AND s.share <> w.share RETURNING 1
    )
    SELECT count(*) FROM moved
$$;

-- What stood in the registry unused until now. A password must not be left where reports read.
INSERT INTO stream (district_id, device_id, url, host, share)
SELECT district_id, id, stream_bare(stream_url), stream_host(stream_bare(stream_url)), 0 FROM device
WHERE class = 1 AND stream_url ~* '^(rtsps?|rtmp|https?)://[^/?#@]';
INSERT INTO stream_secret (district_id, device_id, login)
SELECT d.district_id, d.id, stream_login(d.stream_url) FROM device d JOIN stream USING (district_id)
WHERE stream.device_id = d.id AND stream_login(d.stream_url) IS NOT NULL;
SELECT stream_divide(id) FROM district;
ALTER TABLE device DROP COLUMN stream_url;

-- ---- who looks ----

-- 64 shares; a hub holds each for half a minute at a time.
CREATE TABLE probe_share (
    district_id integer NOT NULL,
    share       smallint NOT NULL,
    holder      text,                            -- the spool's id of a hub; NULL: given back
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (district_id, share)
) WITH (fillfactor = 50);
CREATE TABLE probe_hub (
    district_id integer NOT NULL,
    hub         text NOT NULL,
    seen_at     timestamptz NOT NULL,
    PRIMARY KEY (district_id, hub)
) WITH (fillfactor = 50);

-- When nobody looked: what was believed before says nothing of that time.
CREATE TABLE probe_gap (
    district_id integer NOT NULL,
    share       smallint NOT NULL,
    from_at     timestamptz NOT NULL,
    to_at       timestamptz NOT NULL,
    PRIMARY KEY (district_id, share, from_at)
);

-- The hub's leases for another `lease`, and its fair part of the shares: too many are given back, too few are filled from
-- those that nobody holds. held: those that it has been looking at all the time, so that a database that was away makes no
-- gap. One row a share that it holds now, with the number of hubs.
CREATE FUNCTION probe_lease(district integer, me text, held smallint[], lease interval)
RETURNS TABLE (share smallint, hubs integer) LANGUAGE plpgsql AS $$
DECLARE
    live integer;
    fair integer;
    mine integer;
BEGIN
    INSERT INTO probe_hub AS h VALUES (district, me, now())
    ON CONFLICT (district_id, hub) DO UPDATE SET seen_at = excluded.seen_at;
    DELETE FROM probe_hub h WHERE h.district_id = district AND h.seen_at < now() - 20 * lease;
    SELECT count(*) INTO live FROM probe_hub h WHERE h.district_id = district AND h.seen_at > now() - lease;
    fair := (63 + live) / live;
    INSERT INTO probe_share SELECT district, n, NULL, '-infinity' FROM generate_series(0, 63) AS n ON CONFLICT DO NOTHING;
    INSERT INTO probe_gap SELECT district, s.share, s.expires_at, now() FROM probe_share s
    WHERE s.district_id = district AND s.holder = me AND s.expires_at < now() AND s.share <> ALL (held)
    ON CONFLICT DO NOTHING;
    UPDATE probe_share s SET expires_at = now() + lease WHERE s.district_id = district AND s.holder = me;
    GET DIAGNOSTICS mine = ROW_COUNT;
    UPDATE probe_share s SET holder = NULL, expires_at = now()
    WHERE s.district_id = district AND s.share IN (
        SELECT x.share FROM probe_share x WHERE x.district_id = district AND x.holder = me
        ORDER BY x.share DESC LIMIT greatest(mine - fair, 0));
    WITH free AS (
        SELECT x.share, x.expires_at FROM probe_share x
        WHERE x.district_id = district AND x.holder IS DISTINCT FROM me AND (x.holder IS NULL OR x.expires_at < now())
        ORDER BY x.share LIMIT greatest(fair - mine, 0) FOR UPDATE SKIP LOCKED
    ), gap AS (
        INSERT INTO probe_gap SELECT district, f.share, f.expires_at, now() FROM free f
        WHERE f.expires_at > '-infinity' AND f.expires_at < now() ON CONFLICT DO NOTHING
    )
    UPDATE probe_share s SET holder = me, expires_at = now() + lease FROM free f
    WHERE s.district_id = district AND s.share = f.share;
    RETURN QUERY SELECT s.share, live FROM probe_share s WHERE s.district_id = district AND s.holder = me ORDER BY s.share;
END $$;

-- ---- what is believed ----

CREATE TABLE stream_state (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    state       smallint NOT NULL,               -- 0 online, 1 offline, 2 unknown
    substate    text NOT NULL,                   -- how far the last look came
    cause       text NOT NULL,                   -- '' = none
    since       timestamptz NOT NULL,
    looked_at   timestamptz NOT NULL,
    shown_at    timestamptz,                     -- when it last gave a keyframe
    detail      text NOT NULL DEFAULT '',        -- for people
    PRIMARY KEY (district_id, device_id)
) WITH (fillfactor = 70);

-- Each change. A state holds until the next one, but for times in which nobody looked (probe_gap).
CREATE TABLE stream_span (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    from_at     timestamptz NOT NULL,
    state       smallint NOT NULL,
    cause       text NOT NULL,
    PRIMARY KEY (district_id, device_id, from_at)
);
CREATE INDEX stream_span_from ON stream_span (district_id, from_at);

CREATE TABLE stream_baseline (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    baseline    json NOT NULL,
    accept_at   timestamptz,                     -- people accept what comes next as the new view; NULL: done
    PRIMARY KEY (district_id, device_id)
) WITH (fillfactor = 70);

-- Evidence: small pictures of what was suspicious. Bounded by probe.snapshot_keep and probe.snapshot_max.
CREATE TABLE snapshot (
    district_id integer NOT NULL,
    id          text NOT NULL,                   -- as the reading's field `snapshot` has it
    device_id   bigint NOT NULL,
    at          timestamptz NOT NULL,
    bytes       integer NOT NULL,
    jpeg        bytea NOT NULL,
    PRIMARY KEY (district_id, id)
);
ALTER TABLE snapshot ALTER jpeg SET STORAGE EXTERNAL; -- it does not get smaller
CREATE INDEX snapshot_device ON snapshot (district_id, device_id, at);
CREATE INDEX snapshot_at ON snapshot (district_id, at);

-- ---- for reports ----

-- Each grid with itself and all above it.
CREATE VIEW grid_above AS
    WITH RECURSIVE up AS (
        SELECT district_id, id AS grid_id, id AS above_id, parent_id, 0 AS steps FROM grid
        UNION ALL
        SELECT up.district_id, up.grid_id, g.id, g.parent_id, up.steps + 1
        FROM up JOIN grid g ON g.district_id = up.district_id AND g.id = up.parent_id WHERE up.steps < 16)
    SELECT district_id, grid_id, above_id, steps FROM up;

-- Maintenance of the whole device, not of one kind of fault or one rule.
CREATE VIEW stream_maintenance AS
    SELECT t.district_id, t.device_id, s.from_at, s.to_at
    FROM silence s JOIN stream t ON t.district_id = s.district_id AND t.device_id = s.device_id
    WHERE s.maintenance AND s.kind IS NULL AND s.rule_id IS NULL AND s.grid_id IS NULL
    UNION ALL
    SELECT t.district_id, t.device_id, s.from_at, s.to_at
    FROM silence s JOIN grid_above a ON a.district_id = s.district_id AND a.above_id = s.grid_id
         JOIN device d ON d.district_id = s.district_id AND d.grid_id = a.grid_id
         JOIN stream t ON t.district_id = s.district_id AND t.device_id = d.id
    WHERE s.maintenance AND s.kind IS NULL AND s.rule_id IS NULL AND coalesce(s.device_id = d.id, true);

-- Each stream as it is now. Unknown: nobody looks at it (no_hub), nobody has yet (new), or the prober itself is at fault.
CREATE VIEW stream_now AS
    SELECT t.district_id, t.device_id, d.name AS device, d.title, d.grid_id, t.url, t.sub_url, t.ptz, t.host,
           CASE WHEN m.device_id IS NOT NULL THEN 'maintenance' WHEN n.why IS NOT NULL OR s.state = 2 THEN 'unknown'
                WHEN s.state = 0 THEN 'online' ELSE 'offline' END AS state,
           coalesce(n.why, s.cause) AS cause, s.substate,
           CASE WHEN n.why = 'no_hub' AND h.expires_at > '-infinity' THEN h.expires_at ELSE s.since END AS since,
           s.looked_at, s.shown_at, s.detail, h.holder AS hub
    FROM stream t
         JOIN device d ON d.district_id = t.district_id AND d.id = t.device_id AND d.removed_at IS NULL
         LEFT JOIN stream_state s ON s.district_id = t.district_id AND s.device_id = t.device_id
         LEFT JOIN probe_share h ON h.district_id = t.district_id AND h.share = t.share
         LEFT JOIN (SELECT DISTINCT district_id, device_id FROM stream_maintenance
                    WHERE from_at <= now() AND to_at > now()) m
                ON m.district_id = t.district_id AND m.device_id = t.device_id
         CROSS JOIN LATERAL (SELECT CASE WHEN h.holder IS NULL OR h.expires_at < now() THEN 'no_hub'
                                         WHEN s.device_id IS NULL THEN 'new' END AS why) n;

-- The online rate of each grid with all below it, now; of what is neither unknown nor in maintenance. NULL: nothing is.
CREATE VIEW online_now AS
    SELECT g.district_id, g.id AS grid_id, g.code, g.name, g.level, count(*) AS streams,
           count(*) FILTER (WHERE n.state = 'online') AS online, count(*) FILTER (WHERE n.state = 'offline') AS offline,
           count(*) FILTER (WHERE n.state = 'unknown') AS unknown,
           count(*) FILTER (WHERE n.state = 'maintenance') AS maintenance,
           round(100.0 * count(*) FILTER (WHERE n.state = 'online') /
                 nullif(count(*) FILTER (WHERE n.state IN ('online', 'offline')), 0), 2) AS online_pct
    FROM stream_now n
         JOIN grid_above a ON a.district_id = n.district_id AND a.grid_id = n.grid_id
         JOIN grid g ON g.district_id = a.district_id AND g.id = a.above_id
    GROUP BY g.district_id, g.id, g.code, g.name, g.level;

CREATE FUNCTION multirange_seconds(r tstzmultirange) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(extract(epoch FROM upper(x) - lower(x))), 0)::double precision FROM unnest(r) AS x
$$;

-- For how long each stream was what between the two times (not counting what is still to come, or was before it was there).
CREATE FUNCTION stream_time(district integer, begins timestamptz, ends timestamptz)
RETURNS TABLE (device_id bigint, grid_id bigint, online_s double precision, offline_s double precision,
               unknown_s double precision, maintenance_s double precision) LANGUAGE sql STABLE AS $$
    WITH t AS (
        SELECT s.device_id, d.grid_id, s.share, greatest(s.added_at, $2) AS b,
               least(coalesce(d.removed_at, 'infinity'), $3, now()) AS e
        FROM stream s JOIN device d ON d.district_id = s.district_id AND d.id = s.device_id WHERE s.district_id = $1
    ), span AS (
        SELECT x.device_id, x.state, x.from_at, lead(x.from_at, 1, 'infinity') OVER (PARTITION BY x.device_id ORDER BY x.from_at) AS to_at
        FROM (SELECT t.device_id, l.state, l.from_at
              FROM t CROSS JOIN LATERAL (SELECT p.state, p.from_at FROM stream_span p
                                         WHERE p.district_id = $1 AND p.device_id = t.device_id AND p.from_at <= t.b
                                         ORDER BY p.from_at DESC LIMIT 1) l
              UNION ALL
              SELECT t.device_id, p.state, p.from_at
              FROM t JOIN stream_span p ON p.district_id = $1 AND p.device_id = t.device_id AND p.from_at > t.b AND p.from_at < t.e) x
    ), gap AS (
        SELECT g.share, range_agg(tstzrange(g.from_at, g.to_at)) AS r
        FROM (SELECT p.share, p.from_at, p.to_at FROM probe_gap p WHERE p.district_id = $1 AND p.from_at < $3 AND p.to_at > $2
              UNION ALL
              SELECT h.share, h.expires_at, 'infinity' FROM probe_share h WHERE h.district_id = $1 AND h.expires_at < now()) g
        GROUP BY g.share
    ), maintenance AS (
        SELECT m.device_id, range_agg(tstzrange(m.from_at, m.to_at)) AS r FROM stream_maintenance m
        WHERE m.district_id = $1 AND m.from_at < $3 AND m.to_at > $2 GROUP BY m.device_id
    ), seen AS (
        SELECT p.device_id,
               coalesce(range_agg(tstzrange(p.from_at, p.to_at)) FILTER (WHERE p.state = 0), '{}') AS online,
               coalesce(range_agg(tstzrange(p.from_at, p.to_at)) FILTER (WHERE p.state = 1), '{}') AS offline
        FROM span p GROUP BY p.device_id
    ), within AS (
        SELECT t.device_id, t.grid_id, tstzmultirange(tstzrange(t.b, t.e)) AS whole,
               coalesce(m.r, '{}') * tstzmultirange(tstzrange(t.b, t.e)) AS maintenance,
               tstzmultirange(tstzrange(t.b, t.e)) - coalesce(m.r, '{}') - coalesce(g.r, '{}') AS looked,
               coalesce(s.online, '{}') AS online, coalesce(s.offline, '{}') AS offline
        FROM t LEFT JOIN seen s USING (device_id) LEFT JOIN maintenance m USING (device_id) LEFT JOIN gap g USING (share)
        WHERE t.b < t.e
    ), seconds AS (
        SELECT w.device_id, w.grid_id, multirange_seconds(w.whole) AS whole, multirange_seconds(w.maintenance) AS maintenance,
               multirange_seconds(w.online * w.looked) AS online, multirange_seconds(w.offline * w.looked) AS offline
        FROM within w
    )
    SELECT x.device_id, x.grid_id, x.online, x.offline, greatest(x.whole - x.maintenance - x.online - x.offline, 0), x.maintenance
    FROM seconds x
$$;

-- The same for each grid with all below it; online_pct is weighted by time.
CREATE FUNCTION online_rate(district integer, begins timestamptz, ends timestamptz)
RETURNS TABLE (grid_id bigint, code text, name text, level smallint, streams bigint, online_s double precision,
               offline_s double precision, unknown_s double precision, maintenance_s double precision, online_pct numeric)
LANGUAGE sql STABLE AS $$
    SELECT g.id, g.code, g.name, g.level, count(*), sum(t.online_s), sum(t.offline_s), sum(t.unknown_s), sum(t.maintenance_s),
           round((100.0 * sum(t.online_s) / nullif(sum(t.online_s) + sum(t.offline_s), 0))::numeric, 2)
    FROM stream_time($1, $2, $3) t
         JOIN grid_above a ON a.district_id = $1 AND a.grid_id = t.grid_id
         JOIN grid g ON g.district_id = $1 AND g.id = a.above_id
    GROUP BY g.id, g.code, g.name, g.level
$$;

-- Of the last 24 hours and the last 31 days (in the session's time zone), each with the one that is not over.
CREATE VIEW online_by_hour AS
    SELECT d.id AS district_id, h.hour, r.*
    FROM district d, generate_series(date_trunc('hour', now()) - interval '24 hours', now(), interval '1 hour') AS h (hour),
         LATERAL online_rate(d.id, h.hour, h.hour + interval '1 hour') r;
CREATE VIEW online_by_day AS
    SELECT d.id AS district_id, x.day::date AS day, r.*
    FROM district d, generate_series(date_trunc('day', now()) - interval '31 days', now(), interval '1 day') AS x (day),
         LATERAL online_rate(d.id, x.day, x.day + interval '1 day') r;
