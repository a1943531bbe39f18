"""PostgreSQL with a streaming replica, the primary killed and the replica promoted, under load: what is lost, what comes twice, and
how long nothing flows. MESSAGES, RATE and RUNS in the environment make it larger (tests/bench/failover)."""

import os
import secrets
import shutil
import socket
import subprocess
import time

import conftest
import pytest
from conftest import PG_BIN, Postgres, free_port, topic_of, wait_until
from test_faults import BINS, Stream

MESSAGES = int(os.environ.get("MESSAGES", "1500"))
RATE = int(os.environ.get("RATE", "400"))
RUNS = int(os.environ.get("RUNS", "1"))
GRIDS = [{"code": "g", "name": "g", "level": 1, "leader": "l", "endpoint": "leader"}]
DEVICES = [{"id": f"bin-{n}", "class": "bin", "adapter": "hub", "grid": "g"} for n in range(BINS)]
RULES = {"test.yaml": """
rules:
  - {id: full, class: bin, when: fill_pct >= 90.0, kind: bin_full, title: {zh-CN: "{device.name}"}}
"""}
# Hubs that share a subscription judge each by what it hears: only events may be shared (hub/README.md, Several hubs).
EVENTS = {"test.yaml": """
rules:
  - {id: full, class: bin, when: fill_pct >= 90.0, event: true, kind: bin_full, title: {zh-CN: "{device.name}"}}
"""}
CONF = {"database": {"timeout": "2s"}, "intake": {"batch_records": 100, "batch_time": "10ms"}, "log": {"level": "info"}}
READINGS = "SELECT count(*) FROM reading"


class Standby(Postgres):
    """A streaming replica of a running cluster, on a port of its own."""

    def __init__(self, primary, folder):  # pylint: disable=super-init-not-called
        self.dir = folder
        self.settings = {k: v for k, v in primary.settings.items() if k != "synchronous_standby_names"}
        self.data, self.port = self.dir / "data", free_port()
        self.password, self.password_file = primary.password, primary.password_file
        self.owner, self.process = primary.owner, None
        if self.owner:
            shutil.chown(self.dir, self.owner, self.owner)
        wrap = ["setpriv", "--reuid", self.owner, "--regid", self.owner, "--clear-groups"] if self.owner else []
        subprocess.run([*wrap, PG_BIN / "pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d",
                        f"host=127.0.0.1 port={primary.port} user={self.USER} application_name=replica"],
                       check=True, cwd="/", env={**os.environ, "PGPASSWORD": self.password}, capture_output=True)

    def promote(self):
        with self.connect("postgres") as c:
            assert c.execute("SELECT pg_promote(true, 30)").fetchone() == (True,)


@pytest.fixture
def pair():
    """make(**settings of the primary) → (primary, standby), running, the standby streaming."""
    folders, servers = [], []

    def make(**settings):
        for name in "ps":
            folders.append(conftest.new_folder(f"gridhub-pg{name}-"))
        servers.append(Postgres(folders[-2], wal_retrieve_retry_interval="500ms", **settings))
        primary = servers[-1]
        primary.start()
        servers.append(Standby(primary, folders[-1]))
        servers[-1].start()
        wait_until(lambda: state(primary) == "streaming", 30, why="the replica to stream")
        return primary, servers[-1]

    yield make
    for server in servers:
        if server.process and server.process.running:
            server.kill()  # it may have been paused
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def state(primary, what="state"):
    with primary.connect("postgres") as c:
        row = c.execute(f"SELECT {what} FROM pg_stat_replication WHERE application_name = 'replica'").fetchone()
        return row and row[0]


def conninfo(servers, name):
    hosts, ports = ",".join("127.0.0.1" for _ in servers), ",".join(str(s.port) for s in servers)
    return f"host={hosts} port={ports} dbname={name} user={Postgres.USER}"


class Elsewhere(conftest.Database):
    """The same database on the promoted server."""

    def __init__(self, database, server):  # pylint: disable=super-init-not-called
        self.server, self.name, self._connection = server, database.name, None


def figures(db):
    """(lost, doubled) of MESSAGES, once it gets no more; cases and their counts must be right, too."""
    distinct = "SELECT count(DISTINCT fields->>'n') FROM reading"
    end = time.monotonic() + 90
    while db.value(distinct) < MESSAGES and time.monotonic() < end:
        time.sleep(0.2)
    lost = MESSAGES - db.value(distinct)
    doubled = db.value(READINGS) - MESSAGES + lost
    if not lost:
        assert db.rows("SELECT event_count, count(*) FROM grid_case GROUP BY 1") == [(MESSAGES // BINS, BINS)]
        assert db.rows("SELECT what, count(*) FROM case_event WHERE what IN ('filed', 'dispatched') GROUP BY 1 ORDER BY 1") == [
            ("dispatched", BINS), ("filed", BINS)]
    return lost, doubled


def row(what, lost, doubled, seconds, more=""):
    print(f"\n| {what} | {lost} | {doubled} | {seconds:.1f} | {more} |", end="", flush=True)


def told(receiver):
    """Cases by the ids under which they were announced."""
    ids = {}
    for m in receiver.accepted:
        if m.json["type"] == "case.opened":
            ids.setdefault(m.case, set()).add(m.id)
    return ids


@pytest.mark.parametrize("end", ["killed", "hanging"])
@pytest.mark.parametrize("run", range(RUNS))
def test_a_synchronous_replica_is_promoted(make_hub, make_database, broker, publisher, receiver, pair, end, run):
    """What was committed is on both: nothing is lost, nothing doubled, and the hub finds the new primary by itself. A primary that
    hangs takes connections and answers nothing, so that only deadlines help."""
    primary, standby = pair(synchronous_standby_names="replica")
    wait_until(lambda: state(primary, "sync_state") == "sync", 30)
    db = make_database(primary)
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=db, receiver=receiver, start=False)
    hub.conf["database"]["conninfo"] = conninfo([primary, standby], db.name)
    hub.write_conf()
    hub.start()
    stream = Stream(publisher, MESSAGES, RATE)
    stream.reach(0.4)
    primary.kill() if end == "killed" else primary.pause()
    killed = time.monotonic()
    standby.promote()
    promoted = time.monotonic()
    db = Elsewhere(db, standby)
    batches = hub.metric("gridhub_batches_total")
    wait_until(lambda: hub.metric("gridhub_batches_total") > batches, 60, 0.02, why="a batch on the new primary")
    flowing = time.monotonic()
    stream.wait()
    lost, doubled = figures(db)
    hub.wait_part("database", "ok")
    wait_until(lambda: db.value("SELECT count(*) FROM outbox") + db.value("SELECT count(*) FROM owed") == 0, 60)
    announced = told(receiver)
    if end == "hanging":
        primary.kill()
    row(f"synchronous replica promoted, primary {end}", lost, doubled, flowing - killed,
        f"{promoted - killed:.1f} s of them until promoted; hub started {hub.starts} time; cases announced {len(announced)}")
    assert (lost, doubled) == (0, 0) and len(announced) == BINS and all(len(ids) == 1 for ids in announced.values())
    assert hub.starts == 1 and hub.running and hub.metric("gridhub_records_missing_total") == 0
    db.close()


@pytest.mark.parametrize("run", range(RUNS))
def test_an_asynchronous_replica_that_lagged_is_promoted(make_hub, make_database, broker, publisher, receiver, pair, run):
    """The new primary lacks what the old one had committed last. The hub stops, is started again as a supervisor does it, and goes
    on from where that database is: its spool still has the rest."""
    primary, standby = pair()
    db = make_database(primary)
    wait_until(lambda: state(primary, "replay_lag IS NULL OR true"), 10)
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=db, receiver=receiver, start=False)
    hub.conf["database"]["conninfo"] = conninfo([primary, standby], db.name)
    hub.write_conf()
    hub.start()
    stream = Stream(publisher, MESSAGES, RATE)
    stream.reach(0.2)
    with standby.connect("postgres") as c:  # the line to the primary is cut
        c.execute("ALTER SYSTEM SET primary_conninfo = ''")
        c.execute("SELECT pg_reload_conf()")
    wait_until(lambda: state(primary) is None, 30, why="the replica to be cut off")
    behind = db.value(READINGS)
    stream.reach(0.5)
    wait_until(lambda: db.value(READINGS) >= behind + MESSAGES // 10, 60)
    primary.kill()
    killed = time.monotonic()
    standby.promote()
    db = Elsewhere(db, standby)
    lacked = db.value(READINGS)
    assert lacked <= behind
    assert hub.wait_end(60) == 1 and "was it restored?" in hub.log
    hub.start()
    wait_until(lambda: db.value(READINGS) > lacked, 60, 0.02, why="a batch on the new primary")
    flowing = time.monotonic()
    stream.wait()
    lost, doubled = figures(db)
    wait_until(lambda: db.value("SELECT count(*) FROM outbox") + db.value("SELECT count(*) FROM owed") == 0, 60)
    announced = told(receiver)
    twice = sum(len(ids) > 1 for ids in announced.values())
    row("asynchronous replica that lagged promoted", lost, doubled, flowing - killed,
        f"it lacked more than {MESSAGES // 10} readings; cases announced {len(announced)}, under a second id {twice}")
    assert (lost, doubled) == (0, 0) and len(announced) == BINS
    assert hub.metric("gridhub_records_missing_total") == 0
    db.close()


def test_a_first_host_that_answers_nothing_is_passed_over(make_hub, database, publisher):
    """As a machine that is gone from the network; libpq alone would wait for it."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(8)  # connections are made, and nobody says anything
        hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, start=False)
        hub.conf["database"]["conninfo"] = (f"host=127.0.0.1,127.0.0.1 port={mute.getsockname()[1]},{database.server.port} "
                                            f"dbname={database.name} user={Postgres.USER}")
        hub.write_conf()
        hub.start(ready=False)
        wait_until(lambda: hub.health()["parts"]["mqtt"]["status"] == "ok", 30)
        publisher.publish(topic_of("bin-1"), {"n": 1, "fill_pct": 95})
        wait_until(lambda: database.value(READINGS) == 1, 60)
        hub.wait_part("database", "ok")
        assert '"check":"database","status":"ok"' in hub.cmd("doctor", check=False, timeout=120).out


def test_a_standby_is_not_written_to(make_hub, make_database, broker, publisher, pair):
    """Named first: the one behind it that may be written is taken."""
    primary, standby = pair()
    db = make_database(primary)
    hub = make_hub(conf=CONF, grids=GRIDS, devices=DEVICES, rules=RULES, db=db, start=False)
    hub.conf["database"]["conninfo"] = conninfo([standby, primary], db.name)
    hub.write_conf()
    hub.start()
    publisher.publish(topic_of("bin-1"), {"n": 1, "fill_pct": 95})
    wait_until(lambda: db.value(READINGS) == 1, 30)
    assert "read-only" not in hub.log


# ---- several hubs ----


@pytest.mark.parametrize("hubs", [2, 3])
def test_one_of_several_hubs_is_killed(make_hub, database, broker, publisher, receiver, hubs):
    """They share the messages by a shared subscription. What was under way to the dead one waits for it in the broker; all else goes
    on with the others."""
    made = []
    for n in range(hubs):
        hub = make_hub(conf={**CONF, "notify": {"lease": "10s"}}, grids=None if made else GRIDS, devices=None if made else DEVICES,
                       rules=EVENTS, receiver=receiver, start=False)
        hub.conf["mqtt"][0]["client_id"] = f"hub-{n}-{secrets.token_hex(3)}"
        for sub in hub.conf["mqtt"][0]["subscriptions"]:
            sub["topic"] = "$share/hubs/" + sub["topic"]
        hub.write_conf()
        made.append(hub.start())
        hub.wait_part("mqtt", "ok")
    stream = Stream(publisher, MESSAGES, RATE)
    stream.reach(0.4)
    made[0].kill()
    killed = time.monotonic()
    seen = database.value(READINGS)
    wait_until(lambda: database.value(READINGS) > seen + MESSAGES // 20, 60, 0.02)
    flowing = time.monotonic()
    stream.wait()
    time.sleep(1.0)
    without = MESSAGES - database.value("SELECT count(DISTINCT fields->>'n') FROM reading")
    made[0].start()
    lost, doubled = figures(database)
    shares = [n for (n,) in database.rows("SELECT last_seq FROM ingest_cursor ORDER BY 1")]
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") + database.value("SELECT count(*) FROM owed") == 0, 90)
    announced = told(receiver)
    row(f"{hubs} hubs share a subscription, one killed", lost, doubled, flowing - killed,
        f"{without} waited in the broker until it was back; records {shares}; cases announced {len(announced)}")
    assert (lost, doubled) == (0, 0) and len(shares) == hubs and min(shares) > MESSAGES // hubs // 4
    assert len(announced) == BINS and all(len(ids) == 1 for ids in announced.values())
