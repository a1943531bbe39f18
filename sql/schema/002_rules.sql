-- Rules: what they remember beside their states, gaps in what was heard, rules that only count.

-- What the rules remember of a device: windows, last values. It changes with nearly every reading, so it is saved at most
-- once a minute; ingest_cursor.memory_from_seq is where the spool is looked at again after a crash.
CREATE TABLE device_memory (
    district_id integer NOT NULL,
    device_id   bigint NOT NULL,
    stream_id   text NOT NULL,                   -- the spool whose places in the log stand in data
    data        bytea NOT NULL,
    PRIMARY KEY (district_id, device_id)
) WITH (fillfactor = 70);
ALTER TABLE device_memory ALTER data SET STORAGE MAIN; -- compressed, but beside its key as long as it fits

ALTER TABLE ingest_cursor
    ADD memory_from_seq bigint NOT NULL DEFAULT 0,  -- the first record that memories may lack; 0 = none does
    ADD last_recv       timestamptz,                -- arrival of the last record that is in
    ADD away            jsonb NOT NULL DEFAULT '{}'; -- brokers that the hub was away from then: {name: µs since when}
UPDATE ingest_cursor SET last_recv = updated_at;

-- Nothing could arrive from the adapter's devices: the hub or the broker was away. Kept as long as readings are.
CREATE TABLE intake_gap (
    district_id integer NOT NULL,
    stream_id   text NOT NULL,
    adapter     text,                            -- NULL = all
    from_at     timestamptz NOT NULL,
    to_at       timestamptz NOT NULL             -- arrival of the first record after it
);
CREATE INDEX intake_gap_to ON intake_gap (district_id, to_at);

-- What rules with `shadow: true` would have done, by the day of the event in the hub's zone.
CREATE TABLE rule_shadow (
    district_id integer NOT NULL,
    rule_id     text NOT NULL,
    day         date NOT NULL,
    opened      bigint NOT NULL,                 -- firings
    folded      bigint NOT NULL,                 -- readings that said so again
    recovered   bigint NOT NULL,
    PRIMARY KEY (district_id, rule_id, day)
);

-- Firings of late, by which flapping is known, packed by the hub. (phase 4: OK, but firings are still counted.)
ALTER TABLE rule_state
    ADD fires          integer NOT NULL DEFAULT 0,
    ADD fires_since_us bigint NOT NULL DEFAULT 0;
