"""gridhub backup and restore: a pair that fits together while the hub runs, and what is refused when it does not."""

import json
import os
import shutil
import subprocess
import threading
import time

import conftest
import pytest
from conftest import GRIDS, RULES, topic_of, wait_until

BINS = 5
DEVICES = [{"id": f"bin-{n}", "class": "bin", "adapter": "hub", "grid": "qx-yh-1-1-3"} for n in range(BINS)]
READINGS = "SELECT count(*) FROM reading"
NUMBERS = "SELECT count(*), count(DISTINCT fields->>'n'), coalesce(max((fields->>'n')::integer), -1) FROM reading"
NOTE = "x" * 3000
# Small segments, so that many are begun and released while the dump is made.
CONF = {"spool": {"max_size": "16M", "segment_size": "1M"}, "intake": {"batch_time": "50ms"}, "log": {"level": "info"}}


class Stream(threading.Thread):
    """Full bins, numbered, until it is told to stop: the first of each opens a case, all others fold into it."""

    def __init__(self, publisher, rate=400):
        super().__init__(daemon=True)
        self.publisher, self.rate, self.sent, self.error, self.over = publisher, rate, 0, None, False
        self.start()

    def run(self):
        try:
            began = time.monotonic()
            while not self.over:
                time.sleep(max(0.0, began + self.sent / self.rate - time.monotonic()))
                self.publisher.publish_many((topic_of(f"bin-{n % BINS}"), {"n": n, "seq": n, "fill_pct": 95, "note": NOTE})
                                            for n in range(self.sent, self.sent + 20))
                self.sent += 20
        except BaseException as e:  # noqa: BLE001  shown by end
            self.error = e

    def reach(self, n):
        wait_until(lambda: self.sent >= n or self.error, 60, 0.02)

    def end(self):
        self.over = True
        self.join(60)
        assert self.error is None
        return self.sent


@pytest.fixture
def new_server():
    yield from conftest._postgres()


@pytest.fixture
def slow_dump(folder, monkeypatch):
    """pg_dump that takes three seconds more, once the snapshot is taken."""
    tools = folder / "tools"
    tools.mkdir()
    script = tools / "pg_dump"
    script.write_text(f'#!/bin/sh\nsleep 3\nexec {conftest.PG_BIN}/pg_dump "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")


def fill(publisher, database, first, n):
    publisher.publish_many((topic_of(f"bin-{k % BINS}"), {"n": k, "seq": k, "fill_pct": 95, "note": NOTE})
                           for k in range(first, first + n))
    wait_until(lambda: database.value(READINGS) == first + n, 60)


def last_number(hub, spool):
    """Of the messages that stand in this spool; -1: there is none."""
    numbers = [json.loads(m["payload"])["n"] for m in hub.json_lines("spool", "show", spool)]
    return max(numbers, default=-1)


def assert_exactly(database, total):
    """Messages 0 to total - 1 are in, each once, and each bin's case has counted its own."""
    wait_until(lambda: database.row(NUMBERS)[1] >= total, 60, why=f"{total} messages to be in")
    assert database.row(NUMBERS) == (total, total, total - 1)
    counts = [row[0] for row in database.rows("SELECT event_count FROM grid_case ORDER BY device_id")]
    assert counts == [len(range(n, total, BINS)) for n in range(BINS)]
    assert database.value("SELECT count(*) FROM case_event WHERE what = 'filed'") == BINS


def move(hub, database, broker=None, lose_spool=True):
    """The machine is lost: the hub goes on with another database, and without its spool."""
    hub.conf["database"].update(conninfo=database.conninfo, password_file=database.password_file)
    if broker:
        hub.conf["mqtt"][0]["url"] = broker.url
    hub.write_conf()
    hub.db = database
    if lose_spool:
        shutil.rmtree(hub.dir / "spool")


def test_what_was_acknowledged_before_the_backups_end_is_in_once(make_hub, make_database, make_broker, make_publisher, own_postgres,
                                                                 new_server, receiver, folder, slow_dump):
    """The hub, its database and its broker are lost; a backup that was made under load is all there is."""
    lost, new = make_database(own_postgres), make_database(new_server)
    broker, new_broker = make_broker(), make_broker()
    receiver.behave(always="500")  # so that alerts are owed
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=lost, broker=broker, receiver=receiver)
    stream = Stream(make_publisher(broker))
    stream.reach(1000)
    wait_until(lambda: lost.value("SELECT count(*) FROM outbox") == BINS, 30)
    before = lost.value(READINGS)
    (told,) = hub.json_lines("backup", folder / "b")
    at_end = lost.value(READINGS)
    stream.reach(stream.sent + 200)
    hub.kill()
    stream.end()
    print(f"\nbackup in {told['seconds']} s, {told['records_not_in_database']} records only in the spool; {before} messages "
          f"in before it, {at_end} after")
    assert told["records_not_in_database"] > 0 and told["damaged"] == 0 and at_end > before
    total = last_number(hub, folder / "b" / "spool") + 1
    assert total >= before, "what was in the database before the backup is not in it"

    manifest = json.loads((folder / "b" / "manifest.json").read_text())
    assert str(hub.path) in manifest["not_in_it"] and str(hub.dir / "leader.secret") in manifest["not_in_it"]
    assert not (folder / "b.part").exists() and (folder / "b").stat().st_mode & 0o777 == 0o700

    own_postgres.stop()
    move(hub, new, new_broker)
    (told,) = hub.json_lines("restore", folder / "b")
    assert told["lost"] == 0 and told["records_to_work_off"] > 0
    assert new.value(READINGS) < total, "all was in the dump: the spool was not needed"
    receiver.behave(always="200")
    hub.start()
    assert_exactly(new, total)
    wait_until(lambda: new.value("SELECT count(*) FROM outbox") + new.value("SELECT count(*) FROM owed") == 0, 60,
               why="what is owed to be delivered")
    opened = {}
    for m in receiver.accepted:
        if m.json["type"] == "case.opened":
            opened.setdefault(m.case, set()).add(m.id)
    assert len(opened) == BINS and all(len(ids) == 1 for ids in opened.values())

    # It goes on, and what it takes in now is not taken for what was there before.
    publisher = make_publisher(new_broker)
    hub.wait_part("mqtt", "ok")
    fill(publisher, new, total, 20)
    assert_exactly(new, total + 20)
    assert hub.metric("gridhub_records_missing_total") == 0
    assert hub.stop() == 0


def test_a_spool_that_survives_makes_an_older_dump_whole(make_hub, make_database, broker, publisher, own_postgres, new_server, folder):
    lost, new = make_database(own_postgres), make_database(new_server)
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=lost, broker=broker)
    fill(publisher, lost, 0, 200)
    hub.json_lines("backup", "--database-only", folder / "b")
    fill(publisher, lost, 200, 200)
    busy = hub.cmd("restore", "--database-only", folder / "b", check=False)
    assert busy.returncode == 1 and "a hub is running" in busy.err
    hub.kill()
    own_postgres.kill()
    publisher.publish_many((topic_of(f"bin-{k % BINS}"), {"n": k, "seq": k, "fill_pct": 95, "note": NOTE})
                           for k in range(400, 500))  # waits in the broker
    move(hub, new, lose_spool=False)
    (told,) = hub.json_lines("restore", "--database-only", folder / "b")
    assert told["lost"] == 0 and told["records_to_work_off"] >= 200
    hub.start()
    assert_exactly(new, 500)
    assert hub.stop() == 0


def test_a_dump_too_old_for_the_spool_is_refused_and_what_is_lost_is_said(make_hub, make_database, broker, publisher, own_postgres,
                                                                          new_server, folder):
    lost, new = make_database(own_postgres), make_database(new_server)
    hub = make_hub(conf={**CONF, "spool": {"max_size": "4M", "segment_size": "1M", "keep_percent": 0}}, grids=GRIDS,
                   devices=DEVICES, rules=RULES, db=lost, broker=broker)
    fill(publisher, lost, 0, 100)
    hub.json_lines("backup", "--database-only", folder / "b")
    for at in range(100, 2100, 200):
        fill(publisher, lost, at, 200)
    assert hub.stop() == 0
    oldest = hub.json_lines("spool", "show", "--limit", "1")[0]
    first = json.loads(oldest["payload"])["n"]
    assert first > 100
    own_postgres.stop()
    move(hub, new, lose_spool=False)
    refused = hub.cmd("restore", "--database-only", folder / "b", check=False)
    assert refused.returncode == 1 and "records are in neither" in refused.err and "--accept-loss" in refused.err
    assert new.value("SELECT count(*) FROM pg_class WHERE relname = 'reading'") == 0, "it was refused after it was done"

    (told,) = hub.json_lines("restore", "--database-only", "--accept-loss", folder / "b")
    assert told["lost"] >= first - 100
    heard = new.value("SELECT last_recv FROM ingest_cursor")
    hub.start()
    wait_until(lambda: new.row(NUMBERS)[2] == 2099, 60)
    total, distinct, _ = new.row(NUMBERS)
    assert total == distinct == 100 + 2100 - first
    assert hub.metric("gridhub_records_missing_total") == told["lost"]
    assert hub.wait_log("level=error", "records are lost", f"records={told['lost']}")
    assert "records are in neither the database nor the spool" in hub.cmd("doctor", check=False).err
    # Nobody is taken for silent because of it: nothing was heard from the dump's last record to the spool's first.
    assert new.value("SELECT count(*) FROM intake_gap WHERE from_at = %s AND to_at = (SELECT min(recv_at) FROM reading WHERE recv_at > %s)",
                     heard, heard) >= 1


def test_a_newer_database_with_an_older_spool(make_hub, make_database, broker, publisher, own_postgres, folder):
    """The spool's machine is lost, the database is not: all that the old spool has is in, and numbers go on behind."""
    db = make_database(own_postgres)
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=db, broker=broker)
    fill(publisher, db, 0, 100)
    hub.json_lines("backup", "--spool-only", folder / "b")
    fill(publisher, db, 100, 100)
    hub.kill()
    shutil.rmtree(hub.dir / "spool")
    (told,) = hub.json_lines("restore", "--spool-only", folder / "b")
    assert told["lost"] == 0 and told["records_to_work_off"] == 0
    own_postgres.stop()  # so that new numbers are given out before the database can say how far it is
    hub.start(ready=False)
    wait_until(lambda: hub.health()["parts"]["mqtt"]["status"] == "ok", 30)
    publisher.publish_many((topic_of(f"bin-{k % BINS}"), {"n": k, "seq": k, "fill_pct": 95}) for k in range(200, 300))
    hub.wait_metric("gridhub_mqtt_messages_total", 100)
    own_postgres.start()
    assert_exactly(db, 300)


def test_two_hubs_one_database(make_hub, make_database, make_broker, make_publisher, own_postgres, new_server, folder):
    """One backs up the database and its spool, the other its spool after that."""
    lost, new = make_database(own_postgres), make_database(new_server)
    brokers = [make_broker(), make_broker()]
    publishers = [make_publisher(b) for b in brokers]
    hubs = [make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=lost, broker=b) for b in brokers]

    def send(first, n):
        for k in range(first, first + n):
            publishers[k % 2].publish(topic_of(f"bin-{k % BINS}"), {"n": k, "seq": k, "fill_pct": 95, "note": NOTE})
        wait_until(lambda: lost.value(READINGS) == first + n, 60)

    send(0, 100)
    hubs[0].json_lines("backup", folder / "b0")
    send(100, 100)
    hubs[1].json_lines("backup", "--spool-only", folder / "b1")
    for hub in hubs:
        hub.kill()
        move(hub, new)
    (first,) = hubs[0].json_lines("restore", folder / "b0")
    (second,) = hubs[1].json_lines("restore", "--spool-only", folder / "b1")
    assert (first["lost"], second["lost"]) == (0, 0) and second["records_to_work_off"] >= 50
    for hub in hubs:
        hub.start()
    # Of 100 to 199 the odd ones are the second hub's.
    wait_until(lambda: new.row(NUMBERS)[1] >= 150, 60)
    time.sleep(0.5)
    assert new.row(NUMBERS)[:2] == (150, 150)
    assert new.value("SELECT sum(event_count) FROM grid_case") == 150
    assert new.value("SELECT count(*) FROM grid_case") == BINS


# ---- refused, each with its reason and without having touched anything ----


def fails(hub, *argv, env=None, **kw):
    done = hub.cmd(*argv, check=False, **kw)
    assert done.returncode == 1, (done.returncode, done.out, done.err)
    assert done.out == ""
    return done.err


def test_what_a_backup_refuses(make_hub, database, broker, folder, monkeypatch):
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES)
    wait_until(lambda: database.value("SELECT count(*) FROM ingest_cursor") == 1)
    (folder / "there").mkdir()
    assert "is there already" in fails(hub, "backup", folder / "there")
    assert "cannot make" in fails(hub, "backup", folder / "no" / "such")
    for argv in (("backup",), ("backup", "a", "b"), ("backup", "--jobs", "0", "a"), ("restore", "--database-only", "--spool-only", "a"),
                 ("backup", "--accept-loss", "a")):
        assert hub.cmd(*argv, check=False).returncode == 2, argv

    with monkeypatch.context() as m:
        m.setenv("PATH", str(folder))
        assert "pg_dump is not installed" in fails(hub, "backup", folder / "b")
    tools = folder / "tools"
    tools.mkdir()
    (tools / "pg_dump").write_text("#!/bin/sh\necho out of paper >&2\nexit 1\n")
    (tools / "pg_dump").chmod(0o755)
    with monkeypatch.context() as m:
        m.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        assert "out of paper" in fails(hub, "backup", folder / "b")
    assert not list(folder.glob("b*.part")) and not (folder / "b").exists()

    (folder / "c.part").mkdir()  # of one that was cut short
    (folder / "c.part" / "manifest.json").write_text("{}")
    hub.cmd("backup", folder / "c")
    assert not (folder / "c.part").exists()

    spool = hub.conf["spool"]["dir"]
    hub.conf["spool"]["dir"] = str(folder / "no-spool")
    hub.write_conf()
    assert "no-spool: there is no spool" in fails(hub, "backup", folder / "d")
    hub.cmd("backup", "--database-only", folder / "d")
    hub.conf["spool"]["dir"] = spool
    hub.conf["database"]["conninfo"] += " connect_timeout=1 port=1"
    hub.write_conf()
    assert "database" in fails(hub, "backup", folder / "e")
    assert not (folder / "e").exists() and not (folder / "e.part").exists()


def test_a_disk_that_is_full(make_hub, database, broker, publisher, folder):
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES)
    fill(publisher, database, 0, 400)
    disk = folder / "disk"
    disk.mkdir()
    script = (f'mount -t tmpfs -o size=1M none {disk} || exit 77; {conftest.HUB} backup {disk}/b; rc=$?; '
              f'ls -A {disk}; exit $rc')
    done = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "GRIDHUB_CONFIG": str(hub.path)}, timeout=60, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 1 and "No space left on device" in done.stderr, (done.returncode, done.stderr)
    assert done.stdout == "", "something is left of it"
    hub.wait_part("spool", "ok")


def test_what_a_restore_refuses(make_hub, make_database, database, broker, publisher, folder):
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES)
    fill(publisher, database, 0, 10)
    hub.cmd("backup", folder / "b")
    hub.cmd("backup", "--database-only", folder / "d")
    assert "a hub is running" in fails(hub, "restore", folder / "b")
    assert hub.stop() == 0
    assert "is not empty" in fails(hub, "restore", folder / "b")  # the spool
    assert "no backup" in fails(hub, "restore", folder)
    assert "has no spool" in fails(hub, "restore", folder / "d")
    shutil.rmtree(hub.dir / "spool")
    refused = fails(hub, "restore", folder / "b")
    assert "is not empty" in refused and "tables" in refused
    assert not (hub.dir / "spool").exists()

    new = make_database()
    move(hub, new, lose_spool=False)
    manifest = folder / "b" / "manifest.json"
    good = manifest.read_text()

    def changed(change):
        seen = json.loads(good)
        change(seen)
        manifest.write_text(json.dumps(seen))
        return fails(hub, "restore", folder / "b")

    assert "newer gridhub" in changed(lambda m: m["database"].update(schema=999))
    assert "PostgreSQL 99" in changed(lambda m: m["database"].update(server=990001))
    assert "of format 2" in changed(lambda m: m.update(format=2))
    assert "MB free" in changed(lambda m: m["spool"].update(bytes=1 << 60))
    manifest.write_text(good[:-20])
    assert "manifest.json" in fails(hub, "restore", folder / "b")
    manifest.write_text(good)
    toc = folder / "b" / "database" / "toc.dat"
    kept = toc.read_bytes()
    toc.write_bytes(kept[: len(kept) // 2])
    assert "must be made anew" in fails(hub, "restore", folder / "b")
    assert not (hub.dir / "spool").exists(), "a spool without its database"
    toc.write_bytes(kept)
    move(hub, make_database(), lose_spool=False)
    hub.cmd("restore", folder / "b")
    hub.start()
    wait_until(lambda: hub.db.value(READINGS) == 10)
    assert hub.stop() == 0


def test_an_owner_who_is_no_superuser_and_a_hub_with_its_own_role(make_hub, make_database, broker, publisher, own_postgres, new_server,
                                                                  folder):
    """As docker/compose.yaml has it: rights of roles are given anew in a cluster that has them."""
    for server in (own_postgres, new_server):
        with server.connect("postgres") as c:
            for role in ("city_owner", "city_hub", "city_report"):
                c.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
    lost, new = make_database(own_postgres), make_database(new_server)
    for db in (lost, new):
        db.rows(f'ALTER DATABASE "{db.name}" OWNER TO city_owner')
    hub = make_hub(conf=CONF, rules=RULES, db=lost, broker=broker, start=False, migrate=False)

    def use(db, role):
        hub.conf["database"].update(conninfo=db.conninfo.replace("user=gridhub", f"user=city_{role}"), password_file=db.password_file,
                                    migrate=role == "owner")
        hub.write_conf()

    use(lost, "owner")
    hub.cmd("migrate", "--hub-role", "city_hub", "--report-role", "city_report")
    hub.import_("grid", GRIDS)
    hub.import_("device", DEVICES)
    use(lost, "hub")
    hub.start()
    fill(publisher, lost, 0, 10)
    assert "permission denied" in fails(hub, "backup", folder / "b")
    use(lost, "owner")
    hub.cmd("backup", folder / "b")
    hub.kill()
    shutil.rmtree(hub.dir / "spool")
    use(new, "owner")
    hub.cmd("restore", folder / "b")
    use(new, "hub")
    hub.start()
    fill(publisher, new, 10, 10)
    assert hub.stop() == 0 and "permission denied" not in hub.log
    assert {row[0] for row in new.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")} == {"city_owner"}
    may = new.rows("SELECT privilege_type FROM information_schema.table_privileges WHERE grantee = 'city_report' "
                   "AND table_name = 'grid_case'")
    assert may == [("SELECT",)]
    assert new.rows("SELECT n_live_tup > 0 FROM pg_stat_user_tables WHERE relname = 'device'") == [(True,)]
