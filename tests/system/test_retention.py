"""What is kept ends: old readings go by the partition, old attempts to deliver and dead letters go by the row, what is fresh stays."""

import re
import subprocess

import pytest

from conftest import DEVICES, GRIDS, HUB, ROOT, RULES, topic_of, wait_until

OLD_DAY = "SELECT reading_make_partitions(current_date - 40, current_date - 40)"
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'reading'::regclass"
ATTEMPT = """INSERT INTO delivery (district_id, outbox_id, message_id, case_id, at, attempt, result)
             SELECT d.id, 1, gen_random_uuid(), 1, now() - %s * interval '1 day', 1, 'accepted'
             FROM district d, generate_series(1, %s)"""


OWED = """INSERT INTO outbox (district_id, case_id, endpoint, event, alert, created_at, next_at, dead_at)
          SELECT id, 1, 'nobody', 'case.opened', '{}', now() - interval '101 days', now() + interval '1 day',
                 now() - %s::integer * interval '1 day' FROM district"""


def test_old_readings_and_deliveries_go(make_hub, database):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES,
                   conf={"database": {"keep_readings": "30d", "keep_deliveries": "100d"}}, start=False)
    database.rows(OLD_DAY)
    database.rows("""INSERT INTO reading (district_id, recv_at, at, device_id, kind, fields)
                        SELECT id, current_date - interval '40 days' + interval '1 hour', now(), 1, 0, '{}' FROM district""")
    database.rows(ATTEMPT, 101, 12000)
    database.rows(ATTEMPT, 99, 3)
    for days_dead in (101, 99, None):
        database.rows(OWED, days_dead)
    hub.start()
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 0, why="the old day to be dropped")
    wait_until(lambda: database.value("SELECT count(*) FROM delivery") == 3, why="old attempts to be forgotten")
    assert database.value(PARTITIONS) == 4  # yesterday, today, and two days ahead
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 2, why="the old dead letter to be forgotten")
    assert database.value("SELECT count(*) FROM outbox WHERE dead_at < now() - interval '100 days'") == 0
    hub.wait_log("dead letters", "rows=1")


# ---- every table ----

BOUNDS = dict(re.findall(r"^\| (\w+) \| [^|]+ \| ([^|]+?) \|$", (ROOT / "sql" / "README.md").read_text(), re.M))
# Of these nothing goes by itself, and why they do not grow for ever.
BY_NATURE = r"migrations|people|fixed|registry|configuration|hubs|64 a district|goes with its|becomes a message|the newest 100"


def test_every_table_has_a_bound(make_hub, database):
    make_hub(broker=False, start=False)
    tables = {row[0] for row in database.rows("""
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition""")}
    assert tables == set(BOUNDS) - {"table"}, "sql/README.md has other tables than the schema"
    settings = subprocess.run([HUB, "man", "gridhub.yaml"], capture_output=True, text=True, check=True).stdout
    for table, bound in BOUNDS.items():
        if table == "table":
            continue
        named = re.findall(r"`(\w+)\.(\w+)`", bound)
        assert named or re.search(BY_NATURE + r"|\d+ days", bound), f"{table}: nothing bounds it: {bound}"
        for section, key in named:
            assert section == "probe" or re.search(rf"^\.B {key}$", settings, re.M), f"{table}: there is no {section}.{key}"


OLD_AND_FRESH = {
    # table: (columns, values, which rows go); %s is the age in days
    "intake_gap": ("stream_id, from_at, to_at", "'s', now() - interval '%s days', now() - interval '%s days'", 31, 29),
    "rule_shadow": ("rule_id, day, opened, folded, recovered", "'r', current_date - %s, 1, 1, 1", 402, 398),
    "silence": ("kind, from_at, to_at", "'k', now() - interval '500 days', now() - interval '%s days'", 401, 399),
    "alert_group": ("endpoint, grid_id, kind, last_at", "'e', 1, 'k%s', now() - interval '%s days'", 31, 29),
}


def columns_of(database, table):
    """Those that have to be given: {name: type}."""
    return dict(database.rows("""SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s
                                 AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'""", table))


FILLER = {"text": "'x'", "bigint": "1", "integer": "1", "smallint": "1", "boolean": "false", "jsonb": "'{}'", "json": "'{}'",
          "timestamp with time zone": "now()", "date": "current_date", "bytea": "''"}


def put(database, table, columns, values):
    given = [c.strip() for c in columns.split(",")]
    rest = {c: FILLER[t] for c, t in columns_of(database, table).items() if c not in given and c != "district_id"}
    names, fillers = ", ".join(["district_id", *given, *rest]), ", ".join(["d.id", values, *rest.values()])
    database.rows(f"INSERT INTO {table} ({names}) SELECT {fillers} FROM district d")


@pytest.mark.parametrize("table", OLD_AND_FRESH)
def test_what_is_old_goes_and_what_is_fresh_stays(make_hub, database, table):
    hub = make_hub(rules=RULES, broker=False, start=False, conf={"database": {"keep_readings": "30d"}})
    columns, values, old, fresh = OLD_AND_FRESH[table]
    for days in (old, fresh):
        put(database, table, columns, values.replace("%s", str(days)))
    assert database.value(f"SELECT count(*) FROM {table}") == 2
    hub.start()
    wait_until(lambda: database.value(f"SELECT count(*) FROM {table}") == 1, why=f"the old row of {table} to go")


def test_closed_cases_go_after_years_and_open_ones_never(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, conf={"database": {"keep_cases": "100d"}})
    for _ in range(3):
        publisher.publish(topic_of("bin-1"), {"fill_pct": 95})
        wait_until(lambda: database.value("SELECT count(*) FROM grid_case WHERE state <> 9") == 1)
        case = database.value("SELECT max(id) FROM grid_case")
        hub.cmd("case", "close", case, "--by", "test", "--reason", "test")
        publisher.publish(topic_of("bin-1"), {"fill_pct": 1})
        wait_until(lambda: database.value("SELECT fields->>'fill_pct' FROM device_state") in ("1", "1.0"))
    publisher.publish(topic_of("bin-1"), {"fill_pct": 95})
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 4)
    first, second, third, opened = [row[0] for row in database.rows("SELECT id FROM grid_case ORDER BY id")]
    database.rows("UPDATE grid_case SET closed_at = now() - interval '101 days' WHERE id = %s", first)
    database.rows("UPDATE grid_case SET closed_at = now() - interval '99 days' WHERE id = %s", second)
    database.rows("UPDATE grid_case SET opened_at = now() - interval '4000 days' WHERE id = %s", opened)
    database.rows("""INSERT INTO case_affected (district_id, case_id, device_id, rule_id, from_at)
                     SELECT d.id, c, 1, 'r', now() FROM district d, unnest(ARRAY[%s, %s]::bigint[]) c""", first, second)
    hub.restart()
    hub.wait_log("closed cases", "rows=1")
    assert [row[0] for row in database.rows("SELECT id FROM grid_case ORDER BY id")] == [second, third, opened]
    assert [row[0] for row in database.rows("SELECT DISTINCT case_id FROM case_event ORDER BY 1")] == [second, third, opened]
    assert database.rows("SELECT case_id FROM case_affected") == [(second,)]
    # More than one statement takes.
    database.rows("""INSERT INTO grid_case (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields, first_seen,
                                            last_seen, event_count, closed_at, opened_stream, opened_batch)
                     SELECT d.id, 1, 'r', 1, 'k', 1, 9, 't', '{}', now(), now(), 1, now() - interval '200 days', 's', 1
                     FROM district d, generate_series(1, 2500)""")
    hub.restart()
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 3)


def test_what_is_kept_of_removed_devices_goes(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, broker=False, start=False)
    for device in ("bin-1", "smoke-1"):
        for table in ("device_memory", "held_case"):
            put(database, table, "device_id", f"(SELECT id FROM device WHERE name = '{device}')")
    hub.cmd("device", "remove", "bin-1")
    hub.start()
    wait_until(lambda: database.rows("SELECT d.name FROM device_memory m JOIN device d ON d.id = m.device_id") == [("smoke-1",)])
    wait_until(lambda: database.value("SELECT count(*) FROM held_case") == 0)  # the other one has become a case
    assert database.rows("SELECT d.name FROM grid_case c JOIN device d ON d.id = c.device_id") == [("smoke-1",)]


def test_the_newest_hundred_backups_are_known(make_hub, database, folder):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    wait_until(lambda: database.value("SELECT count(*) FROM ingest_cursor") == 1)
    found = hub.cmd("doctor", check=False).out
    assert "none was made by gridhub backup" in found
    put(database, "backup", "snapshot_at, folder, bytes", "now() - interval '3 days', 'old', 1")
    for _ in range(6):
        database.rows("INSERT INTO backup (district_id, snapshot_at, folder, bytes) SELECT district_id, snapshot_at, folder, bytes FROM backup")
    assert database.value("SELECT count(*) FROM backup") == 64
    database.rows("INSERT INTO backup (district_id, snapshot_at, folder, bytes) SELECT district_id, snapshot_at, folder, bytes FROM backup")
    assert '"check":"backup","status":"warn","detail":"the last one is 3d' in hub.cmd("doctor", check=False).out
    hub.cmd("backup", "--spool-only", folder / "s")
    assert database.value("SELECT count(*) FROM backup WHERE folder <> 'old'") == 0, "half a backup is none"
    hub.cmd("backup", folder / "b")
    assert database.value("SELECT count(*) FROM backup") == 100
    assert database.value("SELECT folder FROM backup ORDER BY id DESC LIMIT 1") == str((folder / "b").resolve())
    assert '"check":"backup","status":"ok"' in hub.cmd("doctor", check=False).out
    hub.restart()
    wait_until(lambda: hub.metric("gridhub_last_backup_timestamp_seconds") > 1.7e9)
    hub.conf["database"]["backup_every"] = "0"
    hub.write_conf()
    assert '"check":"backup"' not in hub.cmd("doctor", check=False).out
