"""Three roles of PostgreSQL: the owner migrates, the hub writes and owns nothing, reports only read."""

import secrets

import psycopg
import pytest
from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until


@pytest.fixture
def roles(database):
    """(hub's role, reports' role), for the test only; they log in with the owner's password."""
    names = ["hub_" + secrets.token_hex(4), "report_" + secrets.token_hex(4)]
    for name in names:
        database.rows(f"CREATE ROLE {name} LOGIN PASSWORD '{database.server.password}'")
    yield names
    for name in names:
        database.rows(f"DROP OWNED BY {name}")
        database.rows(f"DROP ROLE {name}")


def as_role(database, role):
    return psycopg.connect(database.conninfo.replace("user=gridhub", f"user={role}"), password=database.server.password,
                           autocommit=True)


def refused(connection, sql):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql)


def make_lesser_hub(make_hub, database, roles, **kw):
    """A hub that runs with its own role."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, start=False, **kw)
    hub.cmd("migrate", "--hub-role", roles[0], "--report-role", roles[1])
    hub.conf["database"] |= {"conninfo": database.conninfo.replace("user=gridhub", f"user={roles[0]}"), "migrate": False}
    hub.write_conf()
    return hub


def test_the_hub_runs_with_the_lesser_role(make_hub, database, publisher, receiver, roles):
    hub = make_lesser_hub(make_hub, database, roles, receiver=receiver)
    database.rows("SELECT reading_make_partitions(current_date - 200, current_date - 200)")
    old = database.value("SELECT 'reading_' || to_char(current_date - 200, 'YYYYMMDD')")
    hub.start()
    publisher.publish(topic_of("bin-1"), {"fill_pct": 95})
    receiver.wait(1)
    assert database.value("SELECT count(*) FROM grid_case") == 1
    # It made the partitions and dropped the old one; they belong to the owner.
    wait_until(lambda: database.value("SELECT to_regclass(%s) IS NULL", old), why="the old partition to go")
    assert database.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename ~ '^reading_'") == [("gridhub",)]
    # What people do goes with that role, too.
    hub.import_("device", [{**DEVICES[0], "title": "新"}])
    hub.cmd("silence", "add", "--device", "bin-1", "--for", "1h", "--by", "test", "--reason", "test")
    hub.cmd("case", "close", "1", "--by", "test", "--reason", "test")
    assert hub.stop() == 0
    assert "permission denied" not in hub.log


def test_what_the_roles_may_not(make_hub, database, roles):
    hub = make_lesser_hub(make_hub, database, roles, broker=False)
    database.rows("SELECT reading_make_partitions(current_date - 1, current_date + 1)")
    with as_role(database, roles[0]) as c:
        for sql in ("CREATE TABLE t (i integer)", "DROP TABLE reading", "DELETE FROM reading", "UPDATE reading SET at = now()",
                    "DELETE FROM case_event", "UPDATE case_event SET actor = 'x'", "DELETE FROM grid_case",
                    "UPDATE schema_version SET version = 9", "INSERT INTO database_role VALUES ('x', 'hub')",
                    "SELECT database_roles_apply()", "TRUNCATE outbox"):
            refused(c, sql)
        # Not even with the owner's functions: what is fresh stays, and their search_path is not the caller's.
        c.execute("CREATE TEMP TABLE reading (recv_at timestamptz) PARTITION BY RANGE (recv_at)")
        assert c.execute("SELECT reading_drop_before('2999-01-01')").fetchone() == (0,)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            c.execute("SELECT reading_make_partitions('2026-01-01', '2999-01-01')")
        assert c.execute("SELECT reading_make_partitions(current_date + 5, current_date + 5)").fetchone() == (1,)
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.reading'::regclass") == 4
    with as_role(database, roles[1]) as c:
        for (table,) in database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ '^reading_'"):
            if table == "stream_secret":  # passwords of cameras
                refused(c, "SELECT count(*) FROM stream_secret")
                continue
            c.execute(f"SELECT count(*) FROM {table}")
            refused(c, f"DELETE FROM {table}")
        for view in ("online_now", "online_by_hour", "online_by_day", "stream_now"):
            c.execute(f"SELECT count(*) FROM {view}")
        refused(c, "SELECT reading_drop_before('2026-01-01')")
        refused(c, "SELECT reading_make_partitions('2026-01-01', '2026-01-01')")


def test_roles_have_rights_on_tables_that_come_later(make_hub, database, roles):
    hub = make_lesser_hub(make_hub, database, roles, broker=False)
    database.rows("CREATE TABLE later (i integer)")
    database.rows("SELECT database_roles_apply()")  # as after each migration
    with as_role(database, roles[0]) as c:
        c.execute("INSERT INTO later VALUES (1)")
    hub.conf["database"]["conninfo"] = database.conninfo
    hub.write_conf()
    for role in ("nobody_of_that_name", "gridhub"):  # not there; the owner's own
        done = hub.cmd("migrate", "--hub-role", role, check=False)
        assert done.returncode == 1 and f'there is no role "{role}"' in done.err


def test_a_hub_that_may_not_migrate_says_so(make_hub, database, roles):
    hub = make_lesser_hub(make_hub, database, roles, broker=False)
    database.rows("DELETE FROM schema_version WHERE version = (SELECT max(version) FROM schema_version)")
    hub.start(ready=False)
    assert hub.wait_end() == 1
    assert "run gridhub migrate" in hub.log
