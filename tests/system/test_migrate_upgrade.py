"""A database that an older hub filled gets the newer schema, and the hub goes on where the old one stopped."""

import hashlib

from conftest import DEVICES, GRIDS, ROOT, RULES, topic_of, wait_until


def migrate_to(database, last):
    """The schema as a hub of that version made it."""
    database.rows("CREATE TABLE schema_version (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
                  "applied_at timestamptz NOT NULL DEFAULT now())")
    for path in sorted((ROOT / "sql" / "schema").glob("*.sql"))[:last]:
        with database.connect() as c:
            c.execute(path.read_text())
        database.rows("INSERT INTO schema_version VALUES (%s, %s, %s)", int(path.stem[:3]), path.stem,
                      hashlib.sha256(path.read_bytes()).hexdigest())


def fill_as_001(database, stream):
    """A district with a bin whose case is open, as the hub of schema 001 left it."""
    database.rows("INSERT INTO district (name) VALUES ('qixia')")
    database.rows("INSERT INTO grid (district_id, code, name, level, rev) VALUES (1, 'g', 'g', 1, 1)")
    database.rows("INSERT INTO device (district_id, name, class, adapter, address, grid_id, rev) "
                  "VALUES (1, 'bin-1', 3, 'hub', 'bin-1', 1, 1)")
    database.rows("UPDATE district SET registry_rev = 1")
    database.rows("INSERT INTO grid_case (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields, "
                  "first_seen, last_seen, event_count, opened_stream, opened_batch) "
                  "VALUES (1, 1, 'bin-full', 1, 'bin_full', 2, 1, 't', '{}', now(), now(), 3, %s, 7)", stream)
    database.rows("INSERT INTO outbox (district_id, case_id, endpoint, event, alert, next_at) VALUES "
                  "(1, 1, 'leader', 'case.opened', '{}', now() + interval '1 hour')")
    database.rows("INSERT INTO rule_state VALUES (1, 1, 'gone', 5, 2, 1000, 2000, '{}')")
    database.rows("INSERT INTO ingest_cursor VALUES (1, %s, 4, 7, 99, now())", stream)
    database.rows("SELECT reading_make_partitions(current_date, current_date)")
    database.rows("INSERT INTO reading VALUES (1, now(), now(), 1, 1, '{\"fill_pct\": 95}')")


def test_a_filled_database_of_001_is_migrated_and_goes_on(make_hub, database, publisher):
    migrate_to(database, 1)
    hub = make_hub(rules=RULES, start=False, migrate=False)
    assert hub.cmd("migrate", "--check", check=False).returncode == 1
    (hub.dir / "spool").mkdir()
    (hub.dir / "spool" / "id").write_text("0123456789abcdef0123456789abcdef")
    fill_as_001(database, "0123456789abcdef0123456789abcdef")

    hub.cmd("migrate")
    assert database.row("SELECT last_seq, memory_from_seq, last_recv = updated_at, away FROM ingest_cursor") == \
        (99, 0, True, {})
    assert database.row("SELECT rule_id, fires, fires_since_us FROM rule_state") == ("gone", 0, 0)
    assert database.rows("SELECT outbox_id, case_id FROM outbox_about") == [(1, 1)]  # what is said next waits for it

    hub.import_("grid", GRIDS)
    hub.import_("device", DEVICES)
    hub.start()
    publisher.publish(topic_of("bin-1"), {"fill_pct": 97})
    wait_until(lambda: database.value("SELECT event_count FROM grid_case") == 4)  # folded into the old hub's case
    assert database.value("SELECT count(*) FROM rule_state WHERE rule_id = 'gone'") == 0
    assert database.row("SELECT epoch, last_seq >= 100, last_recv > now() - interval '1 minute' FROM ingest_cursor")[:2] == (5, True)
