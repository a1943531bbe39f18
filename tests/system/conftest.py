"""Fixtures of the system tests: a real PostgreSQL, a real mosquitto and the real hub, each private and on a free port.

Everything lives in a folder of its own under /tmp and ends with the test run, also when that is killed. The usual test
takes `broker`, `database`, `make_hub` (and `receiver` from receiver.py):

    def test_full_bin_opens_a_case(make_hub, database, publisher):
        make_hub(grids=GRIDS, devices=DEVICES)
        publisher.publish("city/v1/qixia/b1/bin/bin-1/tele", {"fill_pct": 95})
        wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 1)
"""

import contextlib
import copy
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
HUB = Path(os.environ.get("GRIDHUB_BIN", ROOT / "build" / "release" / "gridhub")).resolve()
PG_BIN = Path("/usr/lib/postgresql/15/bin")
SAMPLES = ROOT.parent / "shared" / "samples"  # may be missing: skip then

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT / "tests" / "video"))
from patience import PATIENCE  # noqa: E402
from video import certificate, gst_rtsp, make_looks, make_rtspd, nginx_video, rtspd, web_video  # noqa: E402, F401

# A small district: 区 → 街道 → 社区 (level 1) → 片区 (2) → 楼栋 (3); alerts of all of it go to the endpoint "leader".
GRIDS = [
    {"code": "qx", "name": "栖霞区", "level": 0},
    {"code": "qx-yh", "name": "尧化街道", "level": 1, "parent": "qx", "leader": "周主任", "endpoint": "leader"},
    {"code": "qx-yh-1", "name": "翠林社区", "level": 2, "parent": "qx-yh", "leader": "王强"},
    {"code": "qx-yh-1-1", "name": "翠林一片", "level": 3, "parent": "qx-yh-1", "leader": "李敏"},
    {"code": "qx-yh-1-1-3", "name": "3号楼", "level": 4, "parent": "qx-yh-1-1", "leader": "张伟", "deputy": "陈静"},
]
DEVICES = [
    {"id": "bin-1", "title": "3号楼东侧垃圾箱", "class": "bin", "adapter": "hub", "address": "bin-1",
     "grid": "qx-yh-1-1-3"},
    {"id": "smoke-1", "title": "3号楼一层烟感", "class": "sensor", "adapter": "hub", "address": "smoke-1",
     "grid": "qx-yh-1-1-3"},
    {"id": "cam-1", "title": "3号楼南门摄像机", "class": "camera", "adapter": "frigate", "address": "cam-1",
     "grid": "qx-yh-1-1"},
]

# A pack for tests that need to know exactly what fires, and when.
RULES = {"test.yaml": """
rules:
  - id: bin-full
    class: bin
    when: fill_pct >= 90.0
    clear: fill_pct < 70.0
    kind: bin_full
    severity: high
    title: {zh-CN: "{device.name}已满{fill_pct}%", en: "{device.name} is {fill_pct} % full"}
    advice: {zh-CN: 请安排清运, en: please have it emptied}
  - id: wrong-drop
    class: bin
    when: wrong_drop
    event: true
    kind: wrong_drop
    title: {zh-CN: "{device.name}投放错误", en: "Wrong drop at {device.name}"}
"""}


# ---- small helpers ----


def topic_of(device, kind="tele", cls="bin"):
    """Of a device in the hub's own dialect."""
    return f"city/v1/qixia/qx-yh-1-1-3/{cls}/{device}/{kind}"


def wait_until(what, timeout=15.0, interval=0.05, why=""):
    """Call `what` until it returns something true, and return that; fail with what it returned last.

    timeout: seconds on an idle machine; a failure comes PATIENCE times later.
    """
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    seen, error = None, None
    while True:
        try:
            seen, error = what(), None
            if seen:
                return seen
        except (AssertionError, KeyError, IndexError, OSError, psycopg.Error) as e:
            error = e
        if time.monotonic() >= end:
            pytest.fail(f"{why or 'condition'} not met within {timeout} s; last seen: "
                        f"{error if error is not None else seen!r}", pytrace=True)
        time.sleep(interval)


def free_port():
    """Not one of those that the kernel gives to connections (32768 up): it would be taken before it is used."""
    while True:
        port = 11000 + secrets.randbelow(20000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def merge(base, over):
    """over into base, map by map; lists and values are replaced, None removes a key."""
    for key, value in over.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = copy.deepcopy(value)
    return base


class Process:
    """A child that ends with this process (PDEATHSIG), its output in a file."""

    def __init__(self, argv, log, user=None, env=None, death="KILL"):
        wrap = ["setpriv"]
        if user:
            wrap += ["--reuid", user, "--regid", user, "--clear-groups"]
        wrap += ["--pdeathsig", death, "--"]
        self.log_path = Path(log)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([*wrap, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, cwd="/", env=env, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def running(self):
        return self.popen.poll() is None

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def send(self, number):
        if self.running:
            self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=20.0):
        """Ask, wait, and return the exit status; a child that does not end in time is killed and fails the test."""
        self.send(number)
        timeout *= PATIENCE
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            pytest.fail(f"pid {self.pid} did not end within {timeout} s of signal {number}:\n{self.log[-3000:]}")

    def kill(self):
        self.send(signal.SIGKILL)
        self.popen.wait()


# ---- PostgreSQL ----


class Postgres:
    """A cluster of its own. Everybody (TCP on loopback and the socket in its folder) needs the password.

    It forgives a killed process, but not a power cut (fsync off): a bench that measures passes fsync="on".
    """

    USER = "gridhub"

    def __init__(self, folder, **settings):
        self.dir = Path(folder)
        self.settings = {"fsync": "off", "full_page_writes": "off", "max_connections": 60, "shared_buffers": "64MB",
                         "max_wal_size": "2GB", "log_min_messages": "warning", **settings}
        self.data = self.dir / "data"
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self.password_file = self.dir / "pw"
        self.password_file.touch(0o600)
        self.password_file.write_text(self.password + "\n")
        self.owner = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self.process = None
        if self.owner:
            for path in (self.dir, self.password_file):
                shutil.chown(path, self.owner, self.owner)
        self._run(PG_BIN / "initdb", "-D", self.data, "-U", self.USER, "--pwfile", self.password_file, "-A",
                  "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")

    def _run(self, *argv):
        wrap = ["setpriv", "--reuid", self.owner, "--regid", self.owner, "--clear-groups"] if self.owner else []
        subprocess.run([*wrap, *map(str, argv)], check=True, cwd="/", stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def start(self):
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.dir,
                    **self.settings}
        argv = [PG_BIN / "postgres", "-D", self.data]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        self.process = Process(argv, self.dir / "postgres.log", user=self.owner, death="INT")
        wait_until(self._ready, 30, why="PostgreSQL to accept connections")

    def _ready(self):
        if not self.process.running:
            pytest.fail("PostgreSQL ended:\n" + self.process.log[-2000:])
        with self.connect("postgres"):
            return True

    def stop(self):
        """Fast shutdown: connections are cut, data stays."""
        if self.process:
            self.process.stop(signal.SIGINT)

    def kill(self):
        """The whole cluster at once, as a power cut would (its data was with the kernel, which lives on)."""
        children = self._children()  # each has a group of its own, and a paused one would never see that its parent is gone
        os.killpg(self.process.pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.popen.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """Alive, and answering nothing: new and old connections hang."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        for pid in self._children():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self):
        for pid in self._children():
            os.kill(pid, signal.SIGCONT)
        os.killpg(self.process.pid, signal.SIGCONT)

    def _children(self):
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def conninfo(self, dbname):
        """As it stands in gridhub.yaml: without the password."""
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={self.USER}"

    def connect(self, dbname, **kw):
        kw.setdefault("autocommit", True)
        kw.setdefault("connect_timeout", 5)
        return psycopg.connect(self.conninfo(dbname), password=self.password, **kw)


class Database:
    """One empty database, and short ways to look into it."""

    def __init__(self, server, name=None):
        self.server = server
        self.name = name or "t_" + secrets.token_hex(6)
        self._connection = None
        with server.connect("postgres") as c:
            c.execute(f'CREATE DATABASE "{self.name}"')

    @property
    def conninfo(self):
        return self.server.conninfo(self.name)

    @property
    def password_file(self):
        return str(self.server.password_file)

    def connect(self, **kw):
        return self.server.connect(self.name, **kw)

    def rows(self, sql, *args):
        """All rows, or [] for a statement without a result; the connection is made anew when it broke."""
        for attempt in (1, 2):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self.connect()
                cursor = self._connection.execute(sql, args or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self.close()
                if attempt == 2:
                    raise
        return []

    def row(self, sql, *args):
        rows = self.rows(sql, *args)
        assert len(rows) == 1, f"{sql}: {len(rows)} rows"
        return rows[0]

    def value(self, sql, *args):
        return self.row(sql, *args)[0]

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def drop(self):
        self.close()
        with self.server.connect("postgres") as c:
            c.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


# ---- mosquitto ----

MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
user root
persistence true
persistence_location {dir}/
autosave_interval 1
max_queued_messages 5000000
max_inflight_messages 8000
sys_interval 1
log_dest stdout
log_type error
log_type warning
log_type notice
"""


class Broker:
    """A mosquitto of its own; `extra` is appended to its configuration (several lines)."""

    def __init__(self, folder, extra="allow_anonymous true\n"):
        self.dir = Path(folder)
        self.port = free_port()
        self.conf = self.dir / "mosquitto.conf"
        self.conf.write_text(MOSQUITTO_CONF.format(port=self.port, dir=self.dir) + extra)
        self.process = None

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self.process = Process(["/usr/sbin/mosquitto", "-c", self.conf], self.dir / "mosquitto.log")
        wait_until(self._ready, 10, why="mosquitto to listen")

    def _ready(self):
        if not self.process.running:
            pytest.fail("mosquitto ended:\n" + self.process.log[-2000:])
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self):
        if self.process and self.process.running:
            self.process.stop()

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        self.start()


class Publisher:
    """A device's end of the wire. publish() returns once the broker has acknowledged (QoS 1, 2)."""

    def __init__(self, broker, client_id=None, username=None, password=None):
        self.client = mqtt.Client(client_id or "pub-" + secrets.token_hex(4))
        self.client.max_inflight_messages_set(1000)
        self.client.max_queued_messages_set(0)
        if username:
            self.client.username_pw_set(username, password)
        up = threading.Event()
        self.client.on_connect = lambda _c, _u, _f, rc: up.set() if rc == 0 else None
        self.client.connect("127.0.0.1", broker.port, keepalive=60)
        self.client.loop_start()
        if not up.wait(10):
            pytest.fail("the publisher could not connect to the broker")

    @staticmethod
    def encode(payload):
        return payload if isinstance(payload, (bytes, str)) or payload is None else json.dumps(payload,
                                                                                           ensure_ascii=False)

    def publish(self, topic, payload, qos=1, retain=False, wait=True):
        info = self.client.publish(topic, self.encode(payload), qos, retain)
        if wait and qos:
            info.wait_for_publish(20)
            assert info.is_published(), f"the broker did not acknowledge {topic}"
        return info

    def publish_many(self, messages, qos=1, timeout=120):
        """(topic, payload) pairs, pipelined; returns how many once all are acknowledged."""
        infos = [self.client.publish(topic, self.encode(payload), qos) for topic, payload in messages]
        end = time.monotonic() + timeout * PATIENCE
        for info in infos:
            info.wait_for_publish(max(0.1, end - time.monotonic()))
            assert info.is_published(), "the broker did not acknowledge in time"
        return len(infos)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


# ---- the hub ----


class Hub:
    """One hub with a folder of its own: gridhub.yaml, spool, rules, log. Its configuration is `conf` (a dict)."""

    def __init__(self, folder, conf):
        self.dir = Path(folder)
        self.conf = conf
        self.path = self.dir / "gridhub.yaml"
        self.process = None
        self.starts = 0
        self.write_conf()

    def write_conf(self):
        """JSON is YAML."""
        self.path.write_text(json.dumps(self.conf, indent=1, ensure_ascii=False) + "\n")

    @property
    def http_port(self):
        return int(self.conf["http"]["listen"].rpartition(":")[2])

    def cmd(self, *argv, input=None, check=True, timeout=60):
        """`gridhub argv… --config …`; text in and out. check: fail the test on an exit status other than 0."""
        if isinstance(input, str):
            input = input.encode()
        env = {**os.environ, "GRIDHUB_CONFIG": str(self.path)}
        done = subprocess.run([str(HUB), *map(str, argv)], input=input or b"", env=env, cwd=self.dir,
                              capture_output=True, timeout=timeout * PATIENCE, check=False)
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode != 0:
            pytest.fail(f"gridhub {' '.join(map(str, argv))}: exit {done.returncode}\n{done.out}\n{done.err}")
        return done

    def json_lines(self, *argv, **kw):
        return [json.loads(line) for line in self.cmd(*argv, **kw).out.splitlines()]

    def import_(self, what, rows):
        """what: "grid" or "device"; rows: dicts, written as JSON lines."""
        path = self.dir / f"{what}s.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return self.cmd(what, "import", path)

    def start(self, ready=True, env=None):
        """Start `gridhub run`; with ready, wait until /health answers and nothing is starting."""
        self.starts += 1
        self.process = Process([HUB, "run", "--config", self.path], self.dir / "hub.log",
                               env={**os.environ, **(env or {})})
        if ready:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, timeout=30.0):
        wait_until(self._ready, timeout, why="the hub to be ready")

    def _ready(self):
        if not self.process.running:
            pytest.fail(f"the hub ended with {self.process.popen.returncode}:\n{self.log[-4000:]}")
        health = self.health()
        return health if health["status"] != "starting" else False

    @property
    def running(self):
        return self.process is not None and self.process.running

    @property
    def log(self):
        path = self.dir / "hub.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self, timeout=20.0):
        return self.process.stop(signal.SIGTERM, timeout)

    def kill(self):
        self.process.kill()

    def wait_end(self, timeout=30.0):
        """The exit status of a hub that ends by itself."""
        wait_until(lambda: not self.running, timeout, why="the hub to end")
        return self.process.popen.returncode

    def wait_log(self, *parts, timeout=20.0):
        """The first line of the log that has all of these parts."""
        def line():
            return next((one for one in self.log.splitlines() if all(part in one for part in parts)), None)
        return wait_until(line, timeout, why=f"a line with {parts} in the log")

    def restart(self):
        if self.running:
            self.stop()
        return self.start()

    def reload(self):
        self.process.send(signal.SIGHUP)

    def get(self, path, timeout=5):
        """(status, body) of the hub's own HTTP."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def health(self):
        return json.loads(self.get("/health")[1])

    def metrics(self):
        """{'name{label="x"}': number}"""
        found = {}
        for line in self.get("/metrics")[1].splitlines():
            match = re.fullmatch(r"([a-z_]+(?:\{[^}]*\})?) (\S+)", line)
            if match:
                found[match[1]] = float(match[2])
        return found

    def metric(self, name):
        return self.metrics()[name]

    def wait_part(self, part, status, why="", timeout=20.0):
        """Health of one part, once it has this status and `why` stands in its reason."""
        def look():
            seen = self.health()["parts"][part]
            assert seen["status"] == status and why in seen.get("why", ""), seen
            return seen
        return wait_until(look, timeout, why=f"health: {part} {status} {why}")

    def wait_metric(self, name, at_least, timeout=15.0):
        return wait_until(lambda: self.metric(name) >= at_least and self.metric(name), timeout,
                          why=f"{name} >= {at_least}")


# ---- fixtures ----


def pytest_configure(config):
    def interrupted(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)  # a terminated run, too, ends with its finalizers
    if not HUB.exists():
        raise pytest.UsageError(f"{HUB} is missing: cmake --preset release && cmake --build build/release")


def new_folder(prefix):
    path = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    path.chmod(0o755)  # PostgreSQL runs as another user when the tests run as root
    return path


@pytest.fixture
def folder():
    """An empty folder under /tmp that goes with the test."""
    path = new_folder("gridhub-test-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _postgres():
    path = new_folder("gridhub-pg-")
    server = None
    try:
        server = Postgres(path)
        server.start()
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres():
    """The cluster that all tests share. A test that stops, kills or pauses a server takes own_postgres."""
    yield from _postgres()


@pytest.fixture
def own_postgres():
    yield from _postgres()


@pytest.fixture
def make_database(postgres):
    """make_database(server=None) → Database, dropped at the end."""
    made = []

    def make(server=None):
        made.append(Database(server or postgres))
        return made[-1]

    yield make
    for db in made:
        if db.server.process.running:
            db.drop()


@pytest.fixture
def database(make_database):
    """An empty database of the shared cluster."""
    return make_database()


@pytest.fixture
def make_broker(folder):
    """make_broker(extra=…) → a started Broker."""
    made = []

    def make(extra="allow_anonymous true\n"):
        path = folder / f"broker{len(made)}"
        path.mkdir()
        made.append(Broker(path, extra))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(make_broker):
    return make_broker()


@pytest.fixture
def make_publisher():
    made = []

    def make(broker, **kw):
        made.append(Publisher(broker, **kw))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()


@pytest.fixture
def publisher(make_publisher, broker):
    return make_publisher(broker)


@pytest.fixture
def receiver():
    """Takes and checks alerts; see receiver.py."""
    from receiver import Receiver

    r = Receiver()
    yield r
    r.stop()


@pytest.fixture
def make_hub(request, folder):
    """make_hub(conf={…}, grids=[…], devices=[…], rules={file: text}, db=…, broker=…, receiver=…, start=True) → Hub.

    conf is merged into a configuration that works (None removes a key). db and broker default to the fixtures of the
    test (broker=False: none). With a receiver, the endpoint "leader" of GRIDS is its URL and secret. rules=None: the
    project's own packs. migrate=False leaves the database as it is.
    """
    made = []

    def make(conf=None, grids=None, devices=None, rules=None, db=None, broker=None, receiver=None, start=True,
             migrate=True):
        db = db or request.getfixturevalue("database")
        if broker is None:
            broker = request.getfixturevalue("broker")
        path = folder / f"hub{len(made)}"
        path.mkdir()
        hub = Hub(path, merge(hub_conf(path, db, broker, rules, receiver), conf or {}))
        hub.db = db
        made.append(hub)
        if migrate:
            hub.cmd("migrate")
        if grids:
            hub.import_("grid", grids)
        if devices:
            hub.import_("device", devices)
        return hub.start() if start else hub

    yield make
    failed = getattr(request.node, "failed", False)
    for hub in made:
        if hub.running:
            hub.kill()
        assert "Sanitizer" not in hub.log and "runtime error:" not in hub.log, hub.log[-8000:]
        if failed and hub.log:
            print(f"---- {hub.dir.name} log ----\n{hub.log[-6000:]}")


def hub_conf(path, db, broker, rules, receiver):
    rules_dir = ROOT / "rules"
    if rules is not None:
        rules_dir = path / "rules"
        rules_dir.mkdir()
        for name, text in rules.items():
            (rules_dir / name).write_text(text)
    conf = {
        "district": "qixia",
        "database": {"conninfo": db.conninfo, "password_file": db.password_file, "timeout": "5s"},
        "spool": {"dir": str(path / "spool")},
        "rules": {"dir": str(rules_dir)},
        "notify": {"retry_scale": 1, "group_wait": "0"},
        "http": {"listen": f"127.0.0.1:{free_port()}"},
        "log": {"level": "debug"},
    }
    if broker:
        conf["mqtt"] = [{
            "name": "street", "url": broker.url, "client_id": "hub-" + secrets.token_hex(4),
            "subscriptions": [{"topic": "city/v1/#", "adapter": "hub"},
                              {"topic": "zigbee2mqtt/#", "adapter": "zigbee2mqtt"},
                              {"topic": "frigate/#", "adapter": "frigate"}],
        }]
    if receiver is not None:
        secret = path / "leader.secret"
        secret.write_text(receiver.secret + "\n")
        secret.chmod(0o600)
        conf["endpoints"] = [{"name": "leader", "url": receiver.url, "secret_file": str(secret), "timeout": "5s"}]
    return conf


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        item.failed = True
