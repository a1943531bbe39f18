-- The path: registry, readings, latest state, cases and what they owe to grid leaders.
-- Every key and unique index carries district_id, so that a distributed engine can shard by it.

-- Times come from the hub as microseconds since 1970 UTC; both ways are exact.
CREATE FUNCTION ts_from_us(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN 'epoch'::timestamptz + us * interval '1 microsecond';
CREATE FUNCTION ts_to_us(ts timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (extract(epoch FROM ts) * 1000000)::bigint;

CREATE TABLE district (
    id           integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name         text NOT NULL UNIQUE,
    registry_rev bigint NOT NULL DEFAULT 0      -- moves with every change of grid or device, in commit order
);

-- ---- registry ----

CREATE TABLE grid (
    district_id integer NOT NULL REFERENCES district,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    code        text NOT NULL,
    name        text NOT NULL,
    level       smallint NOT NULL CHECK (level BETWEEN 0 AND 9),  -- 0 district, 1 subdistrict, 2.. grid levels
    dedicated   boolean NOT NULL DEFAULT false,
    parent_id   bigint,
    leader      text,
    deputy      text,
    endpoint    text,                            -- name of a webhook endpoint in gridhub.yaml
    rev         bigint NOT NULL,
    PRIMARY KEY (district_id, id),
    UNIQUE (district_id, code),
    FOREIGN KEY (district_id, parent_id) REFERENCES grid (district_id, id)
);
CREATE INDEX grid_parent ON grid (district_id, parent_id);

CREATE TABLE device (
    district_id integer NOT NULL REFERENCES district,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL,                   -- the id that people use
    title       text,                            -- what a person calls it: "3号楼东侧垃圾房"
    class       smallint NOT NULL CHECK (class BETWEEN 0 AND 3),  -- unknown, camera, sensor, bin
    adapter     text NOT NULL,
    address     text NOT NULL,                   -- its name in the adapter's dialect
    grid_id     bigint NOT NULL,
    lon         double precision,
    lat         double precision,
    parent_id   bigint,
    interval_us bigint NOT NULL DEFAULT 0,       -- expected time between readings; 0 = not known
    stream_url  text,
    auto        boolean NOT NULL DEFAULT false,  -- put here by `unknown: register`
    removed_at  timestamptz,
    rev         bigint NOT NULL,
    PRIMARY KEY (district_id, id),
    UNIQUE (district_id, name),
    FOREIGN KEY (district_id, grid_id) REFERENCES grid (district_id, id),
    FOREIGN KEY (district_id, parent_id) REFERENCES device (district_id, id)
);
CREATE UNIQUE INDEX device_address ON device (district_id, adapter, address) WHERE removed_at IS NULL;
CREATE INDEX device_rev ON device (district_id, rev);
CREATE INDEX device_grid ON device (district_id, grid_id);

-- Messages from devices that are not in the registry: bounded by intake.unknown_max.
CREATE TABLE unknown_device (
    district_id integer NOT NULL REFERENCES district,
    adapter     text NOT NULL,
    address     text NOT NULL,
    class       smallint NOT NULL,
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    messages    bigint NOT NULL,
    topic       text NOT NULL,                   -- of the last message
    payload     bytea NOT NULL,                  -- of the last message, its first 4 KB
    PRIMARY KEY (district_id, adapter, address)
);

-- Messages refused, with the reason: bounded by intake.rejected_max, the oldest go first.
CREATE TABLE rejected_message (
    district_id integer NOT NULL REFERENCES district,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL,
    source      text NOT NULL,                   -- broker
    topic       text NOT NULL,
    reason      text NOT NULL,                   -- as the metric's label says it
    detail      text NOT NULL,
    payload     bytea NOT NULL,                  -- its first 4 KB
    PRIMARY KEY (district_id, id)
);

-- ---- readings ----

-- Partitioned by the hub's receive time: a device with a wild clock must not fail a batch. No B-tree on purpose.
CREATE TABLE reading (
    district_id integer NOT NULL,
    recv_at     timestamptz NOT NULL,
    at          timestamptz NOT NULL,            -- event time: the device's if it can be believed, else recv_at
    device_id   bigint NOT NULL,
    kind        smallint NOT NULL,               -- state, tele, event
    fields      jsonb NOT NULL
) PARTITION BY RANGE (recv_at);
CREATE INDEX reading_recv_at ON reading USING brin (recv_at);

-- Make the partitions of the days first..last (UTC); returns how many were new. Attached, not made with PARTITION OF:
-- that would wait for every query on reading (pg_dump: hours), and all writers would wait behind it.
CREATE FUNCTION reading_make_partitions(first date, last date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    part text;
BEGIN
    FOR i IN 0 .. last - first LOOP
        part := 'reading_' || to_char(first + i, 'YYYYMMDD');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE reading)', part);
            EXECUTE format('ALTER TABLE reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
                           (first + i)::text || ' 00:00:00+00', (first + i + 1)::text || ' 00:00:00+00');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Drop the partitions of all days before `day`; returns how many. While a query holds reading, that is left to the next
-- time: nobody waits behind us for long.
CREATE FUNCTION reading_drop_before(day date) RETURNS integer LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    dropped integer := 0;
    part text;
BEGIN
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'reading'::regclass AND c.relname ~ '^reading_[0-9]{8}$'
                  AND c.relname < 'reading_' || to_char(day, 'YYYYMMDD')
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;

-- Latest state of each device. Nothing that changes is indexed, so that updates stay on their page (HOT).
CREATE TABLE device_state (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    at          timestamptz NOT NULL,
    recv_at     timestamptz NOT NULL,
    fields      jsonb NOT NULL,                  -- the last value of each field
    PRIMARY KEY (district_id, device_id)
) WITH (fillfactor = 70);

-- What a rule remembers of a device; written in the batch that changed it, so that a restart changes no result.
CREATE TABLE rule_state (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    rule_id     text NOT NULL,
    rule_hash   bigint NOT NULL,
    phase       smallint NOT NULL,               -- pending, firing, clearing
    since_us    bigint NOT NULL,
    seen_us     bigint NOT NULL,
    fields      json NOT NULL,
    PRIMARY KEY (district_id, device_id, rule_id)
) WITH (fillfactor = 70);

-- How far each spool has been committed. One row a spool; its lock and epoch fence an older incarnation.
CREATE TABLE ingest_cursor (
    district_id integer NOT NULL,
    stream_id   text NOT NULL,                   -- the spool's id
    epoch       bigint NOT NULL,                 -- moves with every start of a hub on that spool
    batch       bigint NOT NULL,                 -- moves with every commit
    last_seq    bigint NOT NULL,                 -- the last record that is in
    updated_at  timestamptz NOT NULL,
    PRIMARY KEY (district_id, stream_id)
) WITH (fillfactor = 50);

-- ---- cases ----

CREATE TABLE grid_case (
    district_id  integer NOT NULL REFERENCES district,
    id           bigint GENERATED ALWAYS AS IDENTITY,
    device_id    bigint NOT NULL,
    rule_id      text NOT NULL,
    grid_id      bigint NOT NULL,
    kind         text NOT NULL,
    severity     smallint NOT NULL,              -- low, normal, high, urgent
    state        smallint NOT NULL,              -- see case_state
    title        text NOT NULL,
    fields       jsonb NOT NULL,                 -- of the reading that opened it
    opened_at    timestamptz NOT NULL DEFAULT now(),
    first_seen   timestamptz NOT NULL,
    last_seen    timestamptz NOT NULL,
    event_count  bigint NOT NULL,
    recovered_at timestamptz,
    closed_at    timestamptz,
    opened_stream text NOT NULL,
    opened_batch bigint NOT NULL,
    PRIMARY KEY (district_id, id)
);
-- One open case per cause. 9 = closed; a literal here and in every ON CONFLICT.
CREATE UNIQUE INDEX grid_case_open ON grid_case (district_id, device_id, rule_id) WHERE state <> 9;
CREATE INDEX grid_case_by_grid ON grid_case (district_id, grid_id, opened_at);

CREATE TABLE case_state (
    state smallint PRIMARY KEY,
    name  text NOT NULL UNIQUE
);
INSERT INTO case_state VALUES (0, 'reported'), (1, 'filed'), (2, 'dispatched'), (3, 'claimed'), (4, 'handling'),
    (5, 'handled'), (6, 'verified'), (9, 'closed');

-- History: every move is a row, nothing is ever updated away.
CREATE TABLE case_event (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    case_id     bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    what        text NOT NULL,                   -- filed, dispatched, recovered, recurred, closed …
    from_state  smallint,
    to_state    smallint,
    actor       text NOT NULL,                   -- 'hub', or who
    reason      text,
    data        jsonb,
    PRIMARY KEY (district_id, id),
    FOREIGN KEY (district_id, case_id) REFERENCES grid_case (district_id, id)
);
CREATE INDEX case_event_case ON case_event (district_id, case_id, id);

-- ---- alerts ----

-- An alert is owed from the transaction that opens the case until it is delivered (row deleted) or dead.
CREATE TABLE outbox (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    message_id  uuid NOT NULL DEFAULT gen_random_uuid(), -- the receiver sees the same id on every retry
    case_id     bigint NOT NULL,
    endpoint    text,                            -- NULL: no grid up to the root names one (dead from the start)
    event       text NOT NULL,                   -- case.opened, case.recovered
    alert       jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    next_at     timestamptz NOT NULL DEFAULT now(), -- due; while leased: when the lease runs out
    lease       text,                            -- token of the hub that is sending it
    attempts    integer NOT NULL DEFAULT 0,
    dead_at     timestamptz,
    dead_reason text,
    PRIMARY KEY (district_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_due ON outbox (district_id, next_at) WHERE dead_at IS NULL;
CREATE INDEX outbox_case ON outbox (district_id, case_id, id);
CREATE INDEX outbox_dead ON outbox (district_id, id) WHERE dead_at IS NOT NULL;

-- Every attempt, and what the receiver said.
CREATE TABLE delivery (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    outbox_id   bigint NOT NULL,
    message_id  uuid NOT NULL,
    case_id     bigint NOT NULL,
    endpoint    text,
    at          timestamptz NOT NULL DEFAULT now(),
    attempt     integer NOT NULL,
    result      text NOT NULL,                   -- accepted, retry, dead
    status      integer,                         -- HTTP status; NULL: there was no answer
    latency_ms  integer,
    detail      text,                            -- why it failed
    answer      text,                            -- first KB of the answer
    PRIMARY KEY (district_id, id)
);
CREATE INDEX delivery_case ON delivery (district_id, case_id, id);
CREATE INDEX delivery_at ON delivery USING brin (at);

CREATE TABLE endpoint_state (
    district_id integer NOT NULL,
    name        text NOT NULL,
    disabled_at timestamptz,                     -- the receiver said 410 Gone
    reason      text,
    PRIMARY KEY (district_id, name)
);
