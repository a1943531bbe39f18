-- Alerts that are no flood: what is owed is bundled into messages, and goes to who is on duty.

-- One row an event of a case, from the transaction that opens the case until it stands in a message of the outbox.
CREATE TABLE owed (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    case_id     bigint NOT NULL,
    device_id   bigint NOT NULL,
    rule_id     text NOT NULL,
    grid_id     bigint NOT NULL,
    kind        text NOT NULL,
    severity    smallint NOT NULL,
    event       text NOT NULL,                   -- case.opened, case.recovered …
    endpoint    text,                            -- that the grid tree named when it happened
    alert       jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    due_at      timestamptz NOT NULL DEFAULT now(), -- when it is looked at next
    PRIMARY KEY (district_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX owed_due ON owed (district_id, due_at);
CREATE INDEX owed_case ON owed (district_id, case_id, id);

-- When the last message about that kind in that grid went to that endpoint, and how many went without a pause.
CREATE TABLE alert_group (
    district_id integer NOT NULL,
    endpoint    text NOT NULL,
    grid_id     bigint NOT NULL,
    kind        text NOT NULL,
    last_at     timestamptz NOT NULL,
    messages    integer NOT NULL,
    PRIMARY KEY (district_id, endpoint, grid_id, kind)
) WITH (fillfactor = 70);

-- A message may be about many cases.
ALTER TABLE outbox
    ALTER case_id DROP NOT NULL,                 -- NULL: of several cases, see outbox_about
    ADD person   text,                           -- who is on duty
    ADD fallback text[] NOT NULL DEFAULT '{}';   -- endpoints that are next if this one fails for good
CREATE INDEX outbox_endpoint ON outbox (district_id, endpoint) WHERE dead_at IS NULL;
CREATE TABLE outbox_about (
    district_id integer NOT NULL,
    outbox_id   bigint NOT NULL,
    case_id     bigint NOT NULL,
    PRIMARY KEY (district_id, outbox_id, case_id),
    FOREIGN KEY (district_id, outbox_id) REFERENCES outbox (district_id, id) ON DELETE CASCADE
);
CREATE INDEX outbox_about_case ON outbox_about (district_id, case_id);
ALTER TABLE delivery
    ALTER case_id DROP NOT NULL,
    ADD cases bigint[];                          -- when the message was about several
CREATE INDEX delivery_cases ON delivery USING gin (cases) WHERE cases IS NOT NULL;

-- ---- who ----

-- A grid leader, a deputy, a substitute: several endpoints, the first that works.
CREATE TABLE person (
    district_id integer NOT NULL REFERENCES district,
    name        text NOT NULL,
    title       text,
    endpoints   text[] NOT NULL,
    quiet_from  time,                            -- of the hub's zone; nothing but urgent alerts until quiet_to
    quiet_to    time,
    PRIMARY KEY (district_id, name),
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL))
);

-- Who answers for a grid, when: the first by rank who is not absent.
CREATE TABLE duty (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    grid_id     bigint NOT NULL,
    person      text NOT NULL,
    rank        smallint NOT NULL DEFAULT 0,     -- 0 leader, 1 deputy …
    weekdays    smallint NOT NULL DEFAULT 127,   -- bit 0 = Monday; the day on which the shift begins
    from_time   time NOT NULL DEFAULT '00:00',
    to_time     time NOT NULL DEFAULT '24:00',   -- up to and past midnight if it is not later than from_time
    holidays    text NOT NULL DEFAULT 'any' CHECK (holidays IN ('any', 'never', 'only')),
    from_day    date,
    to_day      date,                            -- the last one
    PRIMARY KEY (district_id, id),
    FOREIGN KEY (district_id, grid_id) REFERENCES grid (district_id, id),
    FOREIGN KEY (district_id, person) REFERENCES person (district_id, name) ON DELETE CASCADE
);
CREATE INDEX duty_grid ON duty (district_id, grid_id);

CREATE TABLE absence (
    district_id integer NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    person      text NOT NULL,
    from_at     timestamptz NOT NULL,
    to_at       timestamptz NOT NULL,
    substitute  text,                            -- NULL: the next by rank
    PRIMARY KEY (district_id, id),
    FOREIGN KEY (district_id, person) REFERENCES person (district_id, name) ON DELETE CASCADE,
    FOREIGN KEY (district_id, substitute) REFERENCES person (district_id, name) ON DELETE SET NULL (substitute),
    CHECK (from_at < to_at)
);
CREATE INDEX absence_person ON absence (district_id, person, to_at);

-- ---- silences and maintenance ----

-- What matches all that is given is not told (silence), or not even opened (maintenance), until it ends.
CREATE TABLE silence (
    district_id integer NOT NULL REFERENCES district,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    maintenance boolean NOT NULL,
    device_id   bigint,
    grid_id     bigint,                          -- and all below it
    kind        text,
    rule_id     text,
    from_at     timestamptz NOT NULL,
    to_at       timestamptz NOT NULL,
    who         text NOT NULL,
    why         text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (district_id, id),
    CHECK (from_at < to_at),
    CHECK (num_nonnulls(device_id, grid_id, kind, rule_id) > 0)
);
CREATE INDEX silence_to ON silence (district_id, to_at);

-- Is the one grid the other, or below it?
CREATE FUNCTION grid_within(district integer, grid bigint, above bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT g.id, g.parent_id, 1 AS depth FROM grid g WHERE g.district_id = $1 AND g.id = $2
        UNION ALL
        SELECT g.id, g.parent_id, up.depth + 1 FROM up JOIN grid g ON g.district_id = $1 AND g.id = up.parent_id
        WHERE up.depth < 16)
    SELECT EXISTS (SELECT 1 FROM up WHERE up.id = $3)
$$;

-- Until when it is silenced (or, with maintenance, held back); NULL: it is not.
CREATE FUNCTION silenced_until(district integer, device bigint, grid bigint, kind text, rule text, at timestamptz,
                               only_maintenance boolean) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT max(s.to_at) FROM silence s
    WHERE s.district_id = $1 AND s.from_at <= $6 AND s.to_at > $6 AND (s.maintenance OR NOT $7)
      AND coalesce(s.device_id = $2, true) AND coalesce(s.kind = $4, true) AND coalesce(s.rule_id = $5, true)
      AND (s.grid_id IS NULL OR grid_within($1, $3, s.grid_id))
$$;

-- Is the shift on at that time (in the zone)? One that goes past midnight belongs to the day on which it begins.
-- off_days: those of that day and the day before that are (rules/schedules.yaml knows).
CREATE FUNCTION duty_on(d duty, at timestamptz, zone text, off_days date[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1
        FROM (VALUES ((at AT TIME ZONE zone)::date, 0), ((at AT TIME ZONE zone)::date - 1, 1)) AS t (day, back),
             LATERAL (SELECT (at AT TIME ZONE zone) - t.day::timestamp AS since) AS s
        WHERE (t.back = 0 OR d.to_time <= d.from_time)
          AND s.since >= d.from_time - time '00:00'
          AND s.since < (d.to_time - time '00:00') + CASE WHEN d.to_time <= d.from_time THEN interval '24 hours' ELSE interval '0' END
          AND d.weekdays & (1 << (extract(isodow FROM t.day)::integer - 1)) <> 0
          AND (d.from_day IS NULL OR t.day >= d.from_day) AND (d.to_day IS NULL OR t.day <= d.to_day)
          AND CASE d.holidays WHEN 'never' THEN t.day <> ALL (off_days) WHEN 'only' THEN t.day = ANY (off_days) ELSE true END)
$$;

-- Who stands in for a person at that time: himself, a substitute (of the substitute …), or nobody (NULL).
CREATE FUNCTION stand_in(district integer, person text, at timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    who text := person;
    a absence;
BEGIN
    FOR i IN 1 .. 8 LOOP
        SELECT * INTO a FROM absence b
        WHERE b.district_id = district AND b.person = who AND b.from_at <= at AND b.to_at > at
        ORDER BY b.id DESC LIMIT 1;
        IF NOT FOUND THEN
            RETURN who;
        END IF;
        who := a.substitute;
        EXIT WHEN who IS NULL;
    END LOOP;
    RETURN NULL; -- nobody, or each stands in for another
END $$;

-- Who gets the alerts of a grid: the first on duty by rank, else the grid's own endpoint, else the same of the grid above.
-- No row: nobody up to the root.
CREATE FUNCTION recipient(district integer, grid bigint, at timestamptz, zone text, off_days date[],
                          OUT person text, OUT endpoints text[]) RETURNS SETOF record LANGUAGE plpgsql STABLE AS $$
DECLARE
    g grid;
    here bigint := grid;
BEGIN
    FOR depth IN 1 .. 16 LOOP
        SELECT * INTO g FROM grid x WHERE x.district_id = district AND x.id = here;
        EXIT WHEN NOT FOUND;
        SELECT p.name, p.endpoints INTO person, endpoints
        FROM duty d, LATERAL stand_in(district, d.person, at) AS s (who)
             JOIN person p ON p.district_id = district AND p.name = s.who
        WHERE d.district_id = district AND d.grid_id = here AND duty_on(d, at, zone, off_days) AND cardinality(p.endpoints) > 0
        ORDER BY d.rank, d.id
        LIMIT 1;
        IF FOUND THEN
            RETURN NEXT;
            RETURN;
        END IF;
        IF g.endpoint IS NOT NULL THEN
            person := g.leader;
            endpoints := ARRAY[g.endpoint];
            RETURN NEXT;
            RETURN;
        END IF;
        here := g.parent_id;
    END LOOP;
END $$;

-- The end of the person's quiet hours; NULL: it is not quiet.
CREATE FUNCTION quiet_until(p person, at timestamptz, zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT min(t.ends)
    FROM (SELECT (day + p.quiet_to + CASE WHEN p.quiet_to <= p.quiet_from THEN interval '1 day' ELSE interval '0' END)
                 AT TIME ZONE zone AS ends, (day + p.quiet_from) AT TIME ZONE zone AS begins
          FROM (VALUES ((at AT TIME ZONE zone)::date), ((at AT TIME ZONE zone)::date - 1)) AS d (day)) AS t
    WHERE p.quiet_from IS NOT NULL AND t.begins <= at AND at < t.ends
$$;

-- ---- what is not opened ----

-- Fired, but no case: within maintenance, or explained by an outage of a device above it. Opened if it still fires when
-- that is over.
CREATE TABLE held_case (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    rule_id     text NOT NULL,
    grid_id     bigint NOT NULL,
    kind        text NOT NULL,
    severity    smallint NOT NULL,
    title       text NOT NULL,
    fields      jsonb NOT NULL,
    n           bigint NOT NULL,
    first_us    bigint NOT NULL,
    last_us     bigint NOT NULL,
    endpoint    text,
    alert       jsonb NOT NULL,
    outage      boolean NOT NULL,
    cause       bigint,                          -- the case that explains it; NULL: maintenance
    held_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (district_id, device_id, rule_id)
);
CREATE INDEX held_case_cause ON held_case (district_id, cause);

ALTER TABLE grid_case
    ADD outage boolean NOT NULL DEFAULT false,   -- the device cannot be reached
    ADD cause  bigint;                           -- closed, because that case explains it
CREATE INDEX grid_case_outage ON grid_case (district_id, device_id) WHERE outage AND state <> 9;

-- The devices that an outage took with it.
CREATE TABLE case_affected (
    district_id integer NOT NULL,
    case_id     bigint NOT NULL,
    device_id   bigint NOT NULL,
    rule_id     text NOT NULL,
    from_at     timestamptz NOT NULL,
    to_at       timestamptz,
    PRIMARY KEY (district_id, case_id, device_id, rule_id),
    FOREIGN KEY (district_id, case_id) REFERENCES grid_case (district_id, id)
);
CREATE INDEX case_affected_device ON case_affected (district_id, device_id, rule_id) WHERE to_at IS NULL;

-- The open case of an outage that explains why the device cannot be reached: of a device above it, or the one that was
-- opened for it because several below it cannot be.
CREATE FUNCTION outage_above(district integer, device bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up AS (
        SELECT $2 AS id, 0 AS depth
        UNION ALL
        SELECT d.parent_id, up.depth + 1 FROM up JOIN device d ON d.district_id = $1 AND d.id = up.id
        WHERE d.parent_id IS NOT NULL AND up.depth < 8)
    SELECT c.id
    FROM up JOIN grid_case c ON c.district_id = $1 AND c.device_id = up.id AND c.outage AND c.state <> 9
                            AND c.recovered_at IS NULL AND (up.depth > 0 OR c.rule_id = 'outage')
    ORDER BY up.depth
    LIMIT 1
$$;
