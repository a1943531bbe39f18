-- Three roles: the owner migrates, the hub writes, reports read. Roles belong to the cluster, so they are made outside;
-- here stands what each may do. `gridhub migrate --hub-role … --report-role …` names them.
CREATE TABLE database_role (
    role name PRIMARY KEY,
    may  text NOT NULL CHECK (may IN ('hub', 'report'))
);

-- Give each role what it may, and nothing else; again after each migration, for tables that are new. The hub may not
-- change what has happened: readings and the history of cases are only added to.
CREATE FUNCTION database_roles_apply() RETURNS integer LANGUAGE plpgsql AS $$
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
            what := CASE WHEN r.may = 'report' OR t.view OR t.name IN ('schema_version', 'database_role', 'case_state')
                         THEN 'SELECT'
                         WHEN t.name IN ('reading', 'case_event') THEN 'SELECT, INSERT'
                         WHEN t.name IN ('district', 'grid', 'device', 'grid_case', 'ingest_cursor')
                         THEN 'SELECT, INSERT, UPDATE'
                         ELSE 'SELECT, INSERT, UPDATE, DELETE' END;
            EXECUTE format('REVOKE ALL ON %I FROM %I', t.name, r.role);
            EXECUTE format('GRANT %s ON %I TO %I', what, t.name, r.role);
        END LOOP;
        EXECUTE format(CASE WHEN r.may = 'hub' THEN 'GRANT EXECUTE ON FUNCTION %s, %s TO %I'
                            ELSE 'REVOKE EXECUTE ON FUNCTION %s, %s FROM %I' END,
                       'reading_make_partitions(date, date)', 'reading_drop_before(date)', r.role);
        applied := applied + 1;
    END LOOP;
    RETURN applied;
END $$;

-- Partitions belong to the owner, whoever asks for them. What runs with the owner's rights trusts no search_path, makes at
-- most a year of partitions at a time, and never drops what is not at least a day old.
CREATE OR REPLACE FUNCTION reading_make_partitions(first date, last date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    made integer := 0;
    part text;
BEGIN
    IF last - first > 366 THEN
        RAISE EXCEPTION 'partitions of % days at once', last - first + 1 USING ERRCODE = 'program_limit_exceeded';
    END IF;
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

CREATE OR REPLACE FUNCTION reading_drop_before(day date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '1s' AS $$
DECLARE
    dropped integer := 0;
    part text;
BEGIN
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'reading'::regclass AND c.relname ~ '^reading_[0-9]{8}$'
                  AND c.relname < 'reading_' || to_char(least(day, (now() AT TIME ZONE 'UTC')::date - 1), 'YYYYMMDD')
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;

REVOKE EXECUTE ON FUNCTION reading_make_partitions(date, date), reading_drop_before(date), database_roles_apply() FROM PUBLIC;
DO $$ BEGIN -- the schema that this is migrated in, and temporary tables last: nobody can put his own in front
    EXECUTE format('ALTER FUNCTION reading_make_partitions(date, date) SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION reading_drop_before(date) SET search_path = %I, pg_temp', current_schema());
END $$;
