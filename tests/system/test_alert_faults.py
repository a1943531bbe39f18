"""Whatever breaks on the way of an alert: nothing is lost, and what comes twice comes under the same id."""

import subprocess
import time

import pytest

from conftest import wait_until
from receiver import Receiver
from test_bundle import Owed, ids
from test_notify import Outbox, tls_context

GRIDS = [{"code": "g", "name": "3号楼", "level": 1, "endpoint": "leader"}]


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


@pytest.fixture
def make(make_hub, receiver):
    """make(conf, **kw) → a hub without broker and rules; short leases."""

    def start(conf=None, **kw):
        hub = make_hub(conf, **{"receiver": receiver, "broker": False, "rules": {}, "grids": GRIDS, "start": False, **kw})
        hub.conf["notify"]["lease"] = "5s"
        hub.conf["endpoints"][0]["timeout"] = "2s"
        hub.write_conf()
        return hub.start()

    return start


def told(*receivers):
    """{case: ids of the messages that told of it}"""
    found = {}
    for r in receivers:
        for m in r.accepted:
            for case in ids(m):
                found.setdefault(case, set()).add(m.id)
    return found


def assert_all_told_once(n, *receivers):
    found = told(*receivers)
    assert sorted(found) == list(range(1, n + 1))
    assert all(len(under) == 1 for under in found.values()), found
    assert not any(r.bad for r in receivers)


# ---- receivers ----


@pytest.mark.parametrize("behaviour", ["half_closed", "half_answer"])
def test_half_closed_connection(make, receiver, database, behaviour):
    make()
    outbox = Outbox(database)
    receiver.behave(behaviour)
    outbox.put()
    receiver.wait(1)
    wait_until(lambda: outbox.results() == ["retry", "accepted"])
    assert outbox.attempts()[0][1] is None
    assert database.value("SELECT min(latency_ms) FROM delivery WHERE result = 'retry'") < 1500  # it is no timeout
    assert len({m.id for m in receiver.seen}) == 1


def test_connection_that_was_closed_behind_our_back(make, receiver, database):
    make({"notify": {"concurrency": 1}})
    outbox = Outbox(database)
    for case in range(1, 6):
        receiver.behave("hang_up")
        outbox.put(case=case)
        receiver.wait_seen(case)
        wait_until(lambda: outbox.pending() == 0)
    assert all(outbox.results(case) == ["accepted"] for case in range(1, 6))


def expired(folder):
    """A certificate of yesterday, signed by a CA that is good."""
    def run(*argv):
        subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=folder)

    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = c\n[c]\nnew_certs_dir = .\ndatabase = index\nserial = serial\ndefault_md = sha256\n"
        "policy = p\nx509_extensions = x\n[p]\ncommonName = supplied\n[x]\nsubjectAltName = IP:127.0.0.1\n")
    (folder / "index").write_text("")
    (folder / "serial").write_text("01\n")
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *ec, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=ca")
    run("req", *ec, "-keyout", "old.key", "-out", "old.csr", "-subj", "/CN=old")
    run("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", "-in", "old.csr", "-out", "old.crt",
        "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext")
    return folder / "old.crt", folder / "old.key", folder / "ca.crt"


def test_tls_certificate_that_has_expired(make, database, folder):
    context, _ = tls_context(folder, "receiver", "IP:127.0.0.1")
    cert, key, ca = expired(folder)
    context.load_cert_chain(cert, key)
    tls = Receiver(tls=context)
    try:
        hub = make(receiver=tls, start=False)
        hub.stop()
        hub.conf["endpoints"][0]["ca_file"] = str(ca)
        hub.write_conf()
        hub.start()
        outbox = Outbox(database)
        outbox.put()
        wait_until(outbox.results)
        assert outbox.results()[0] == "retry" and not tls.seen
        assert "expired" in outbox.attempts()[0][2]
    finally:
        tls.stop()


def test_receiver_down_for_the_whole_schedule(make, receiver, database):
    """Every attempt is made, and is in the history; the hub starts anew in between; then the alert can come back."""
    hub = make()
    outbox = Outbox(database)
    receiver.stop()
    row = outbox.put(case=7)
    for attempts in range(1, 14):
        wait_until(lambda: database.value("SELECT attempts FROM outbox WHERE id = %s AND lease IS NULL", row) >= attempts)
        database.rows("UPDATE outbox SET next_at = now() WHERE id = %s AND lease IS NULL AND dead_at IS NULL", row)
        if attempts % 4 == 0:  # or the circuit would open: its waits are not scaled
            hub.restart()
    dead = wait_until(outbox.dead)
    assert dead[0][:2] == (7, 14) and dead[0][2].startswith("given up after 14 attempts")
    assert outbox.results(7) == ["retry"] * 13 + ["dead"]
    assert all(status is None and why for _, status, why, _ in outbox.attempts(7))
    receiver.start()
    hub.cmd("webhook", "retry", "--case", 7)
    receiver.wait(1, timeout=30)
    wait_until(lambda: outbox.results(7)[-1] == "accepted")
    ids_of = {r[0] for r in database.rows("SELECT DISTINCT message_id::text FROM delivery WHERE case_id = 7")}
    assert ids_of == {receiver.seen[0].id}


def test_what_was_never_tried_dies_with_the_schedule_too(make, receiver, database):
    """Of a receiver that fails only a few alerts are tried; the others must not wait for ever."""
    hub = make()
    outbox = Outbox(database)
    receiver.stop()
    outbox.put_many(30)
    wait_until(lambda: hub.metric("gridhub_receivers_failing") == 1)
    late = database.value("UPDATE outbox SET next_at = now() - interval '1 hour' WHERE id = (SELECT max(id) FROM outbox) "
                          "RETURNING case_id")
    dead = wait_until(outbox.dead, 20)
    assert [row[0] for row in dead] == [late] and "failed all the time" in dead[0][2]
    receiver.start()
    hub.cmd("webhook", "retry", "--endpoint", "leader")
    receiver.wait(30, timeout=60)
    assert len({m.case for m in receiver.accepted}) == 30


# ---- the hub is killed ----


def test_killed_between_send_and_record_of_a_digest(make, receiver, database):
    hub = make({"notify": {"group_wait": "1s", "group_interval": "3s"}})
    owed = Owed(database)
    owed.put(1)
    receiver.wait(1)
    receiver.delay = 1.0
    owed.put(29, first=2)
    receiver.wait_seen(2)
    hub.kill()
    receiver.delay = 0
    hub.start()
    wait_until(lambda: owed.left() == 0, 30)
    assert_all_told_once(30, receiver)
    again = [m for m in receiver.seen if m.id == receiver.seen[1].id]
    assert len(again) == 2 and again[0].body == again[1].body and len(ids(again[0])) == 29


@pytest.mark.parametrize("killed_at", ["first", "second"])
def test_killed_while_an_alert_falls_back(make, receiver, database, killed_at):
    second = Receiver(secret=receiver.secret)
    try:
        hub = make()
        hub.conf["endpoints"].append({**hub.conf["endpoints"][0], "name": "second", "url": second.url})
        hub.write_conf()
        hub.restart()
        owed = Owed(database)
        owed.person("张伟", "leader", "second")
        owed.duty("张伟")
        receiver.behave(always="status:404")
        at = {"first": receiver, "second": second}[killed_at]
        at.delay = 1.0
        owed.put(1)
        at.wait_seen(1)
        hub.kill()
        at.delay = 0
        hub.start()
        wait_until(lambda: owed.left() == 0, 30)
        assert_all_told_once(1, second)
        assert len({m.id for m in receiver.seen + second.seen}) == 1
        assert len(receiver.seen) == (2 if killed_at == "first" else 1)
    finally:
        second.stop()


def test_two_hubs_bundle_and_send_and_nothing_comes_twice(make, receiver, database):
    conf = {"notify": {"group_wait": "1s", "group_interval": "2s"}}
    hubs = [make(conf), make(conf, grids=None, migrate=False)]
    owed = Owed(database)
    for round_ in range(8):
        owed.put(25, first=1 + 25 * round_, kind=f"k{round_ % 2}")
        time.sleep(0.3)
    wait_until(lambda: owed.left() == 0, 60)
    assert_all_told_once(200, receiver)
    assert len(receiver.seen) == len(set(receiver.ids()))
    assert all(hub.running for hub in hubs)


# ---- PostgreSQL is lost ----

STEPS = {  # where a trigger makes the hub's statement hang
    "bundle": "BEFORE INSERT ON outbox FOR EACH ROW",
    "claim": "BEFORE UPDATE ON outbox FOR EACH ROW WHEN (OLD.lease IS NULL AND NEW.lease IS NOT NULL)",
    "record": "BEFORE DELETE ON outbox FOR EACH ROW",
}
HANGS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'gridhub notify'"


@pytest.mark.parametrize("way", ["kill", "pause"])
@pytest.mark.parametrize("step", ["before", *STEPS])
def test_postgresql_is_lost(make, receiver, own_postgres, make_database, step, way):
    db = make_database(own_postgres)
    hub = make({"notify": {"group_wait": "1s", "group_interval": "3s"}, "database": {"timeout": "3s"}}, db=db)
    owed = Owed(db)
    if step in STEPS:
        db.rows("CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); "
                "RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END; END $$")
        db.rows(f"CREATE TRIGGER hang {STEPS[step]} EXECUTE FUNCTION hang()")
        owed.put(20)
        wait_until(lambda: db.value(HANGS) == 1)
    else:
        owed.put(20)
    db.close()
    if way == "kill":
        own_postgres.kill()
    else:
        own_postgres.pause()
    hub.wait_part("notify", "degraded")
    if way == "kill":
        own_postgres.start()
    else:
        own_postgres.go_on()
    if step in STEPS:
        db.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        db.rows("DROP TRIGGER hang ON outbox")
    wait_until(lambda: owed.left() == 0, 60)
    assert_all_told_once(20, receiver)
    hub.wait_part("notify", "ok")
