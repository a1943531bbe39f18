-- What is kept for years has an end, too; and when the last backup was made is known.

-- Cases that were closed longer ago than `keep`, with their history, at most so many; their ids. The hub may not delete them
-- by itself (005), nor by this what was closed within a day.
CREATE FUNCTION case_forget(district integer, keep interval, most integer) RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER AS $$
    WITH old AS (
        SELECT id FROM grid_case
        WHERE district_id = $1 AND state = 9 AND closed_at < now() - greatest($2, interval '1 day')
        ORDER BY closed_at LIMIT $3
        FOR UPDATE SKIP LOCKED
    ), events AS (
        DELETE FROM case_event e USING old WHERE e.district_id = $1 AND e.case_id = old.id
    ), affected AS (
        DELETE FROM case_affected a USING old WHERE a.district_id = $1 AND a.case_id = old.id
    )
    DELETE FROM grid_case c USING old WHERE c.district_id = $1 AND c.id = old.id RETURNING c.id
$$;
CREATE INDEX grid_case_closed ON grid_case (district_id, closed_at) WHERE state = 9;

-- Backups made by `gridhub backup`, the newest 100. One that is put back does not have its own row.
CREATE TABLE backup (
    district_id integer NOT NULL REFERENCES district,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    snapshot_at timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL DEFAULT now(),
    folder      text NOT NULL,                   -- as it was named on the machine that made it
    bytes       bigint NOT NULL,
    PRIMARY KEY (district_id, id)
);

-- As in 005, but that reports may not read the passwords of streams at all; and the function above.
CREATE OR REPLACE FUNCTION database_roles_apply() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    r database_role;
    t record;
    what text;
    applied integer := 0;
BEGIN
    FOR r IN SELECT * FROM database_role ORDER BY role LOOP
        IF to_regrole(quote_ident(r.role)) IS NULL THEN -- a dump that was restored into another cluster
            RAISE WARNING 'role "%" does not exist', r.role;
            CONTINUE;
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), r.role);
        FOR t IN SELECT c.relname AS name, c.relkind IN ('v', 'm') AS view FROM pg_class c
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
                   AND NOT c.relispartition AND pg_has_role(c.relowner, 'USAGE')
        LOOP
            what := CASE WHEN r.may = 'report' AND t.name IN ('stream_secret') THEN NULL
                         WHEN r.may = 'report' OR t.view OR t.name IN ('schema_version', 'database_role', 'case_state')
                         THEN 'SELECT'
                         WHEN t.name IN ('reading', 'case_event') THEN 'SELECT, INSERT'
                         WHEN t.name IN ('district', 'grid', 'device', 'grid_case', 'ingest_cursor')
                         THEN 'SELECT, INSERT, UPDATE'
                         ELSE 'SELECT, INSERT, UPDATE, DELETE' END;
            EXECUTE format('REVOKE ALL ON %I FROM %I', t.name, r.role);
            IF what IS NOT NULL THEN
                EXECUTE format('GRANT %s ON %I TO %I', what, t.name, r.role);
            END IF;
        END LOOP;
        EXECUTE format(CASE WHEN r.may = 'hub' THEN 'GRANT EXECUTE ON FUNCTION %s, %s, %s TO %I'
                            ELSE 'REVOKE EXECUTE ON FUNCTION %s, %s, %s FROM %I' END,
                       'reading_make_partitions(date, date)', 'reading_drop_before(date)',
                       'case_forget(integer, interval, integer)', r.role);
        applied := applied + 1;
    END LOOP;
    RETURN applied;
END $$;
REVOKE EXECUTE ON FUNCTION case_forget(integer, interval, integer) FROM PUBLIC;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION case_forget(integer, interval, integer) SET search_path = %I, pg_temp', current_schema());
END $$;
