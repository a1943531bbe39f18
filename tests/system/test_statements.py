"""Statements of the hub as several hubs, or a batch made for the purpose, meet them: run by hand, without a hub."""

import json

import psycopg
import pytest

from conftest import DEVICES, GRIDS, ROOT

CASE = ["integer", "text", "bigint"]  # district, spool, batch


class Session:
    """A connection as the hub has one: statements by name, with $n."""

    def __init__(self, database):
        self.connection = database.connect()
        self.prepared = set()

    def run(self, name, *args, types=()):
        cursor = psycopg.ClientCursor(self.connection)
        if name not in self.prepared:
            text = (ROOT / "sql" / "query" / f"{name}.sql").read_text()
            declared = f" ({', '.join(types)})" if types else ""
            self.connection.execute(f"PREPARE {name}{declared} AS {text}".encode())
            self.prepared.add(name)
        cursor.execute(f"EXECUTE {name} ({', '.join(['%s'] * len(args))})", args)
        return cursor.fetchall() if cursor.description else []

    def begin(self):
        self.connection.autocommit = False

    def commit(self):
        self.connection.commit()
        self.connection.autocommit = True


@pytest.fixture
def db(make_hub, database):
    hub = make_hub(grids=GRIDS, devices=DEVICES, broker=False, start=False)
    hub.cmd("migrate", check=False)
    return database


def owe(db, case, event, due="now()"):
    db.rows("INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert, due_at) "
            f"SELECT d.id, %s, 1, 'r', g.id, 'k', 1, %s, 'leader', '{{}}', {due} FROM district d "
            "JOIN grid g ON g.district_id = d.id AND g.code = 'qx-yh-1-1-3'", case, event)


def owed(session, limit=5000):
    """[(case, event, waits for an earlier one)]"""
    rows = session.run("notify_owed", 1, "UTC", limit, "{}", types=("integer", "text", "integer", "date[]"))
    return sorted((r[1], r[5], r[13] is not None) for r in rows)


def test_a_later_alert_waits_for_one_that_another_hub_has_at_hand(db):
    first, second = Session(db), Session(db)
    first.begin()
    owe(db, 7, "case.opened")
    assert owed(first) == [(7, "case.opened", False)]
    owe(db, 7, "case.recovered")
    owe(db, 8, "case.opened")
    assert owed(second) == [(7, "case.recovered", True), (8, "case.opened", False)]
    first.commit()
    assert owed(second) == [(7, "case.opened", False), (7, "case.recovered", False), (8, "case.opened", False)]


def test_a_later_alert_waits_for_one_for_which_there_was_no_room(db):
    owe(db, 7, "case.opened", "now() - interval '1 second'")
    owe(db, 7, "case.recovered", "now() - interval '1 minute'")  # its time came first: the hub was down
    assert owed(Session(db), 1) == [(7, "case.recovered", True)]


def test_who_goes_on_to_the_next_endpoint(db):
    db.rows("INSERT INTO endpoint_state VALUES (1, 'gone', now(), '410'), (1, 'gone2', now(), '410')")
    rows = [  # endpoint, fallback, due, lease, goes to
        ("gone", "{ok}", "now() + interval '1 hour'", None, "ok"),
        ("gone", "{ok}", "now() - interval '4 days'", "old", "ok"),
        ("gone", "{ok}", "now() + interval '1 second'", "held", "gone"),  # is being sent
        ("gone", "{gone2,ok}", "now()", None, "gone2"),  # and on from there, the next time
        ("gone", "{gone2}", "now()", None, "gone"),  # nobody is left
        ("gone", "{}", "now()", None, "gone"),
        ("fails", "{ok}", "now() - interval '2 minutes'", None, "ok"),
        ("fails", "{ok}", "now() - interval '30 seconds'", None, "fails"),
        ("fails", "{gone}", "now() - interval '2 minutes'", None, "fails"),  # it may come back, that one not
        ("ok", "{fails}", "now() - interval '2 minutes'", None, "ok"),
    ]
    for endpoint, fallback, due, lease, _ in rows:
        db.rows("INSERT INTO outbox (district_id, case_id, endpoint, fallback, event, alert, attempts, lease, next_at) "
                f"VALUES (1, 1, %s, %s, 'case.opened', '{{}}', 2, %s, {due})", endpoint, fallback, lease)
    before = db.rows("SELECT message_id FROM outbox ORDER BY id")
    session = Session(db)
    session.run("notify_fall_back", 1, "{fails}", types=("integer", "text[]"))
    after = db.rows("SELECT message_id, endpoint, attempts, lease, next_at <= now() FROM outbox ORDER BY id")
    assert [r[1] for r in after] == [r[4] for r in rows]
    assert [r[:1] for r in after] == before
    for row, (endpoint, _, _, lease, to) in zip(after, rows):
        assert (row[2], row[3]) == ((2, lease) if to == endpoint else (0, None))
        assert to == endpoint or row[4]
    session.run("notify_fall_back", 1, "{}")
    assert db.rows("SELECT endpoint, fallback FROM outbox ORDER BY id OFFSET 3 LIMIT 1") == [("ok", [])]


def anomaly(session, device, batch, *, fired=True, recovered_us=0, outage=False, rule="r"):
    """A batch of one; what store_case returns: opened, folded, recovered, owed, held."""
    alert = {"case": {"kind": "k", "rule": rule, "title": "t"}}
    columns = [device, rule, 1, "k", 1, "t", "{}", fired, 1, 10**15, 10**15, recovered_us, None, json.dumps(alert), "{title}",
               False, True, outage, False, ""]
    types = ["bigint", "text", "bigint", "text", "smallint", "text", "jsonb", "boolean", "bigint", "bigint", "bigint", "bigint",
             "text", "jsonb", "text", "boolean", "boolean", "boolean", "boolean", "text"]
    return session.run("store_case", 1, "spool", batch, *[[c] for c in columns], types=CASE + [t + "[]" for t in types])[0]


def release(session):
    return session.run("store_case", 1, "spool", -1, *[[]] * 20)[0]


def hold(db, device, rule="r", cause=None):
    db.rows("INSERT INTO held_case SELECT 1, %s, %s, 1, 'k', 1, 't', '{}', 1, 1, 1, NULL, '{\"case\": {}}', %s, %s",
            device, rule, cause is not None, cause)


def test_what_fires_again_once_nothing_holds_it_is_opened_once(db):
    session = Session(db)
    hold(db, 1)
    assert anomaly(session, 1, 1) == (1, 0, 0, 1, 0)
    assert db.value("SELECT count(*) FROM held_case") == 0
    assert release(session) == (0, 0, 0, 0, 0)  # nothing recurs


def test_what_is_held_is_looked_at_when_asked_for_only(db):
    """All of it, however much: not with each batch."""
    session = Session(db)
    hold(db, 2)
    assert anomaly(session, 1, 1) == (1, 0, 0, 1, 0)
    assert db.value("SELECT count(*) FROM held_case") == 1
    assert release(session) == (1, 0, 0, 1, 0)
    assert release(session) == (0, 0, 0, 0, 0)


def test_a_device_that_an_outage_took_for_a_moment_is_back(db):
    session = Session(db)
    db.rows("UPDATE device SET parent_id = 2 WHERE id = 1")
    assert anomaly(session, 2, 1, outage=True)[0] == 1
    assert anomaly(session, 1, 2, outage=True, recovered_us=2 * 10**15) == (0, 0, 0, 0, 0)
    assert db.row("SELECT device_id, to_at IS NULL FROM case_affected") == (1, False)


OUTAGE_TYPES = ("integer", "text", "bigint", "integer", "bigint", *["text"] * 9)


def outage(session):
    """opened, recovered, folded, owed"""
    return session.run("store_outage", 1, "spool", 2, 3, 10**9, "{device} {n}", "!", "ok", "part-0591", None, None, None, None,
                       None, types=OUTAGE_TYPES)[0]


def test_an_outage_waits_for_nobody_who_is_telling_of_its_devices(db):
    """The one holds what is owed and then moves the case, the other the reverse: they would wait for each other."""
    db.rows("INSERT INTO device (district_id, name, class, adapter, address, grid_id, parent_id, rev) "
            "SELECT 1, 'below-' || i, 2, 'hub', 'below-' || i, 1, 1, 1 FROM generate_series(1, 3) i")
    hub, notify = Session(db), Session(db)
    for device, in db.rows("SELECT id FROM device WHERE parent_id = 1"):
        assert anomaly(hub, device, 1, outage=True)[0] == 1
    notify.begin()
    assert len(owed(notify, 1)) == 1
    hub.connection.execute("SET lock_timeout = '3s'")
    assert outage(hub) == (1, 0, 3, 1)
    notify.commit()
    assert db.value("SELECT count(*) FROM owed WHERE event = 'case.opened'") == 2  # that of the outage, and the one at hand
    assert outage(hub) == (0, 0, 0, 0)


def test_what_is_kept_of_removed_devices_and_of_long_ago_goes(db):
    session = Session(db)
    assert anomaly(session, 2, 1, outage=True)[0] == 1
    hold(db, 1, cause=1)
    db.rows("INSERT INTO case_affected VALUES (1, 1, 1, 'r', now(), NULL)")
    db.rows("UPDATE device SET removed_at = now() WHERE id = 1")
    db.rows("INSERT INTO alert_group SELECT 1, 'e', i, 'k', now() - i * interval '20 days', 1 FROM generate_series(1, 2) i")
    db.rows("INSERT INTO silence (district_id, maintenance, kind, from_at, to_at, who, why) SELECT 1, false, 'k', "
            "now() - interval '700 days', now() - i * interval '300 days', 'a', 'b' FROM generate_series(1, 2) i")
    hold(db, 2)
    session.run("store_forget_rules", 1, 10**13, types=("integer", "bigint"))
    assert db.rows("SELECT device_id FROM held_case") == [(2,)]
    assert db.value("SELECT count(*) FROM case_affected WHERE to_at IS NULL") == 0
    assert db.value("SELECT count(*) FROM alert_group") == 1
    assert db.value("SELECT count(*) FROM silence") == 1


def test_alerts_from_a_time_that_has_not_come_are_due_now(db):
    session = Session(db)
    owe(db, 1, "case.opened", "now() + interval '26 hours'")
    owe(db, 2, "case.opened", "now() + interval '8 hours'")  # quiet hours
    owe(db, 3, "case.opened", "now() + interval '2 hours'")
    db.rows("UPDATE owed SET created_at = due_at WHERE case_id = 3")
    db.rows("INSERT INTO outbox (district_id, case_id, endpoint, event, alert, created_at, next_at) SELECT 1, i, 'e', 'x', '{}', "
            "now() + i * interval '1 hour', now() + interval '3 hours' FROM generate_series(0, 1) i")
    session.run("notify_clock", 1, types=("integer",))
    assert db.rows("SELECT case_id FROM owed WHERE due_at <= now() AND created_at <= now() ORDER BY 1") == [(1,), (3,)]
    assert db.rows("SELECT case_id FROM outbox WHERE next_at <= now()") == [(1,)]
