"""docker/compose.yaml from end to end, in the order of this file: an older schema, a message's way to an alert, restarts, keys that
change, all taken down and up again, the demo, two hubs. Skipped where no Docker engine answers (docker compose v2).

The project of the test has a name, ports and image tags of its own, and is removed at the end with its volumes. Times of the
steps are printed (pytest -s, or build/log/compose.log).
"""

import hashlib
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HUB_USER, TAG = "10001:10001", "test"


def run(*argv, check=True, timeout=900, input=None, env=None):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, check=False, input=input,
                          env=env, cwd=ROOT)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done


def wait_until(what, timeout=60, why="condition"):
    end = time.monotonic() + timeout
    while True:
        seen = what()
        if seen:
            return seen
        if time.monotonic() > end:
            pytest.fail(f"{why}: not within {timeout} s; last seen {seen!r}")
        time.sleep(0.5)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Stack:
    def __init__(self):
        self.project = "gridhub-test-" + secrets.token_hex(3)
        self.mqtt_port, self.http_port = free_port(), free_port()
        self.env = {**os.environ, "GRIDHUB_TAG": TAG, "GRIDHUB_MQTT_LISTEN": f"127.0.0.1:{self.mqtt_port}",
                    "GRIDHUB_HTTP_LISTEN": f"127.0.0.1:{self.http_port}", "DOCKER_BUILDKIT": "1",
                    "GRIDHUB_PROMETHEUS_LISTEN": f"127.0.0.1:{free_port()}"}
        self.passwords = {}
        self.env_file = []

    def __call__(self, *argv, **kw):
        return run("docker", "compose", "-f", "docker/compose.yaml", "-p", self.project, *self.env_file, *argv, env=self.env, **kw)

    def timed(self, what, *argv):
        began = time.monotonic()
        self(*argv)
        print(f"time {what}: {time.monotonic() - began:.1f} s", flush=True)

    def sql(self, text, role="postgres", check=True):
        """As the superuser over the socket, or as a role over TLS."""
        if role == "postgres":
            return self("exec", "-T", "postgres", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "gridhub", "-c", text,
                        check=check).stdout.strip()
        script = f'PGPASSWORD="$(cat /keys/{role})" exec psql -XqAt -v ON_ERROR_STOP=1 -f -'
        return self("exec", "-T", "postgres", "sh", "-c", f"{script} 'host=localhost dbname=gridhub user=gridhub_{role} "
                    "sslmode=verify-full sslrootcert=/keys/ca.crt'", input=text, check=check)

    def number(self, text):
        return int(self.sql(text))

    def hub(self, *argv, **kw):
        return self("exec", "-T", "hub", "gridhub", *argv, **kw)

    def publish(self, device, topic, fields, check=True, qos="1"):
        """As the device itself, over TLS with its own password."""
        return self("exec", "-T", "mosquitto", "mosquitto_pub", "-V", "5", "-h", "localhost", "-p", "8883", "--cafile", "/keys/ca.crt",
                    "-i", "d-" + secrets.token_hex(4), "-u", device, "-P", self.passwords[device], "-q", qos, "-t", topic, "-m",
                    json.dumps(fields), check=check)

    def certificate(self):
        context = ssl.create_default_context(cadata=self("exec", "-T", "mosquitto", "cat", "/keys/ca.crt").stdout)
        with socket.create_connection(("127.0.0.1", self.mqtt_port), 5) as s, \
                context.wrap_socket(s, server_hostname="localhost") as tls:
            return hashlib.sha256(tls.getpeercert(True)).hexdigest()

    def key(self, path):
        return self("run", "--rm", "-T", "--entrypoint", "cat", "setup", f"/keys/{path}").stdout.strip()

    def subscribed(self):
        """How often the hub came to the broker and subscribed."""
        return self("logs", "--no-color", "--no-log-prefix", "hub").stdout.count("connected and subscribed")

    def verified(self):
        """Alerts that the receiver has taken, each with a good signature."""
        return self("--profile", "demo", "logs", "--no-color", "--no-log-prefix", "receiver").stdout.count("签名已验证")


def engine():
    for argv in (("docker", "compose", "version"), ("docker", "version")):
        try:
            if run(*argv, check=False, timeout=30).returncode:
                return False
        except (OSError, subprocess.TimeoutExpired):
            return False
    return True


@pytest.fixture(scope="module")
def stack():
    if not engine():
        pytest.skip("no Docker engine with compose v2 answers")
    s = Stack()
    try:
        s.timed("images built", "--profile", "demo", "build")
        yield s
    finally:
        s("--profile", "*", "down", "-v", "--remove-orphans", "--timeout", "30", check=False)


BIN, OTHER = "bin-cl-1-1-other", "bin-cl-1-1-kitchen"


def topic(device):
    return f"city/v1/qixia/yh-cl-1-1/bin/{device}/tele"


def cases(stack, device):
    return stack.number(f"SELECT count(*) FROM grid_case c JOIN device d ON d.id = c.device_id WHERE d.name = '{device}'")


def hand_out_credentials(stack):
    """What docker/README.md says: the broker's lists from the registry, and a reload."""
    for how in ("acl", "users"):
        option = ["--acl"] if how == "acl" else ["--passwords", "/keys/devices"]
        lists = stack.hub("device", "export", *option).stdout
        stack("run", "--rm", "-T", "setup", how, input=lists)
    stack("kill", "-s", "HUP", "mosquitto")
    lines = stack.hub("device", "export", "--credentials", "/keys/devices").stdout.splitlines()
    stack.passwords = {row["username"]: row["password"] for row in map(json.loads, lines)}


def test_an_older_schema_is_upgraded_in_place(stack):
    stack.timed("database up", "up", "--wait", "postgres")
    migrations = sorted((ROOT / "sql/schema").glob("*.sql"))
    older = ["CREATE TABLE schema_version (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
             "applied_at timestamptz NOT NULL DEFAULT now());"]
    for path in migrations[:2]:
        older += [path.read_text(), f"INSERT INTO schema_version VALUES ({int(path.name[:3])}, '{path.stem}', "
                                    f"'{hashlib.sha256(path.read_bytes()).hexdigest()}');"]
    older += ["INSERT INTO district (name) VALUES ('qixia');",
              "SELECT reading_make_partitions(current_date - 1, current_date);",
              "INSERT INTO reading VALUES (1, now(), now(), 1, 1, '{\"fill_pct\": 1.0}');"]
    done = stack.sql("\n".join(older), role="owner", check=False)
    assert done.returncode == 0, done.stderr
    stack.timed(f"up --wait, with {len(migrations) - 2} migrations", "up", "--wait")
    assert stack.number("SELECT max(version) FROM schema_version") == len(migrations)
    assert stack.number("SELECT count(*) FROM reading") == 1
    assert json.loads(stack.hub("health").stdout)["status"] == "ok"
    # The hub's connections: its lesser role, with TLS.
    rows = stack.sql("SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name ~ 'gridhub'")
    assert rows == "gridhub_hub|t"


def test_a_message_becomes_a_case_and_an_alert(stack):
    stack.timed("the demo's receiver up", "--profile", "demo", "up", "--wait", "receiver")
    stack("--profile", "demo", "run", "--rm", "-T", "district")
    hand_out_credentials(stack)
    stack.publish(BIN, topic(BIN), {"fill_pct": 97, "overflow": True})
    wait_until(lambda: cases(stack, BIN), why="a case")
    wait_until(lambda: stack.verified() >= 1, why="an alert with a good signature")
    assert cases(stack, OTHER) == 0


def test_a_device_cannot_speak_for_another(stack):
    before = stack.number("SELECT count(*) FROM reading")
    done = stack.publish(BIN, topic(OTHER), {"fill_pct": 99, "overflow": True}, check=False)
    assert "ot authorized" in done.stderr, done
    stack.passwords["x"] = "wrong"
    assert stack.publish("x", topic(BIN), {}, check=False).returncode != 0
    stack.publish(BIN, topic(BIN), {"fill_pct": 98, "overflow": True})
    wait_until(lambda: stack.number("SELECT count(*) FROM reading") > before, why="the allowed reading")
    assert cases(stack, OTHER) == 0


def test_what_is_not_allowed(stack):
    ids = stack("ps", "-q").stdout.split()
    for one in json.loads(run("docker", "inspect", *ids).stdout):
        host = one["HostConfig"]
        assert one["Config"]["User"] not in ("", "root", "0"), one["Name"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and host["Memory"] > 0, one["Name"]
        assert any("no-new-privileges" in opt for opt in host["SecurityOpt"]), one["Name"]
        assert not any("PASSWORD=" in line for line in one["Config"]["Env"]), one["Name"]
    image = json.loads(run("docker", "image", "inspect", f"gridhub:{TAG}").stdout)[0]
    print(f"time image: {image['Size'] / 1e6:.1f} MB", flush=True)
    # 155 MB of it are Debian's libavcodec and what that links.
    assert image["Size"] < 220e6 and image["Config"]["User"] == HUB_USER
    assert stack("exec", "-T", "hub", "sh", "-c", "true", check=False).returncode != 0  # there is no shell
    plain = stack("exec", "-T", "postgres", "sh", "-c", "PGPASSWORD=\"$(cat /keys/hub)\" psql 'host=localhost dbname=gridhub "
                  "user=gridhub_hub sslmode=disable' -c 'SELECT 1'", check=False)
    assert plain.returncode != 0 and "no encryption" in plain.stderr
    for role, text in (("report", "DELETE FROM outbox"), ("hub", "DROP TABLE reading"), ("hub", "DELETE FROM case_event")):
        assert stack.sql(text, role=role, check=False).returncode != 0, (role, text)
    assert stack.sql("SELECT count(*) FROM grid_case", role="report").stdout.strip() == stack.sql("SELECT count(*) FROM grid_case")


def test_database_and_broker_may_be_away(stack):
    began = time.monotonic()
    stack("stop", "postgres")
    stack.publish(OTHER, topic(OTHER), {"fill_pct": 97, "overflow": True})
    stack("start", "postgres")
    wait_until(lambda: stack.sql("SELECT 1", check=False) == "1", why="the database")
    wait_until(lambda: cases(stack, OTHER), why="the case of a message that came while the database was away")
    print(f"time database stopped, started, case there: {time.monotonic() - began:.1f} s", flush=True)
    began, third = time.monotonic(), "bin-cl-1-1-recyclable"
    stack("stop", "hub")
    stack.publish(third, topic(third), {"fill_pct": 97, "overflow": True})
    stack("restart", "mosquitto")
    stack("start", "hub")
    wait_until(lambda: cases(stack, third), why="the case of a message that stood in a broker that was started anew")
    print(f"time hub stopped, broker restarted, hub started, case there: {time.monotonic() - began:.1f} s", flush=True)


def test_keys_change_without_downtime(stack):
    old = stack.certificate()
    stack("run", "--rm", "-T", "setup", "--force")
    stack("kill", "-s", "HUP", "mosquitto")
    stack.sql("SELECT pg_reload_conf()")
    wait_until(lambda: stack.certificate() != old, timeout=10, why="the broker's new certificate")
    # The hub's password of the database, on a running hub: connections stay, new ones take the new file.
    stack("run", "--rm", "-T", "setup", "rotate", "hub")
    new = stack("exec", "-T", "postgres", "cat", "/keys/hub").stdout.strip()
    stack.sql(f"ALTER ROLE gridhub_hub PASSWORD '{new}'")
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gridhub_hub'")
    wait_until(lambda: stack.hub("health", check=False).returncode == 0, why="the hub with its new password")
    assert stack.number("SELECT count(*) FROM pg_stat_activity WHERE usename = 'gridhub_hub'") > 0
    # … and at the broker, which takes it at a restart; the hub comes back with the new one, and to its session.
    subscribed, old = stack.subscribed(), stack.key("hub/mqtt")
    readings = stack.number("SELECT count(*) FROM reading")
    stack("run", "--rm", "-T", "setup", "rotate", "mqtt")
    assert stack.key("hub/mqtt") not in ("", old)
    stack("restart", "mosquitto")
    wait_until(lambda: "ot authorized" in stack.publish(BIN, topic(OTHER), {}, check=False).stderr, why="the broker")
    for _ in range(5):
        stack.publish(BIN, topic(BIN), {"fill_pct": 98, "overflow": True})
    wait_until(lambda: stack.subscribed() > subscribed, why="the hub at the broker with its new password")
    wait_until(lambda: stack.number("SELECT count(*) FROM reading") == readings + 5, why="what came meanwhile")
    wait_until(lambda: stack.hub("health", check=False).returncode == 0, why="a healthy hub")


def test_down_and_up_keep_everything(stack):
    was = stack.sql("SELECT id, title, state FROM grid_case ORDER BY id"), stack.certificate()
    readings = stack.number("SELECT count(*) FROM reading")
    stack.timed("down", "--profile", "demo", "down")
    stack.timed("up --wait again", "up", "--wait")
    assert (stack.sql("SELECT id, title, state FROM grid_case ORDER BY id"), stack.certificate()) == was
    stack.publish(BIN, topic(BIN), {"fill_pct": 10, "overflow": False})
    wait_until(lambda: stack.number("SELECT count(*) FROM reading") == readings + 1, why="one more reading")


def test_a_backup_is_put_back_when_database_and_spool_are_lost(stack):
    """As docker/README.md says."""
    before = stack.number("SELECT count(*) FROM reading"), stack.number("SELECT count(*) FROM grid_case")
    began = time.monotonic()
    stack("run", "--rm", "-T", "backup", "backup", "/backup/b")
    print(f"time backup: {time.monotonic() - began:.1f} s", flush=True)
    stack("rm", "-sf", "hub")
    stack("exec", "-T", "postgres", "psql", "-qd", "gridhub", "-c", "DROP SCHEMA public CASCADE", "-c",
          "CREATE SCHEMA public AUTHORIZATION gridhub_owner")
    run("docker", "volume", "rm", f"{stack.project}_spool")
    began = time.monotonic()
    stack("run", "--rm", "-T", "backup", "restore", "/backup/b")
    print(f"time restore: {time.monotonic() - began:.1f} s", flush=True)
    stack.timed("up --wait after it", "up", "--wait")
    assert (stack.number("SELECT count(*) FROM reading"), stack.number("SELECT count(*) FROM grid_case")) == before
    stack.publish(BIN, topic(BIN), {"fill_pct": 12, "overflow": False})
    wait_until(lambda: stack.number("SELECT count(*) FROM reading") == before[0] + 1, why="a reading after the restore")
    assert stack.sql("SELECT count(*) FROM reading", "report").stdout.strip() == str(before[0] + 1)


def test_prometheus_scrapes_the_hub(stack):
    stack.timed("prometheus built", "--profile", "monitoring", "build", "prometheus")
    stack.timed("monitoring up --wait", "--profile", "monitoring", "up", "--wait")
    seen = wait_until(lambda: [line for line in stack("exec", "-T", "prometheus", "promtool", "query", "instant", "http://127.0.0.1:9090",
                                                      'up{job="gridhub"}').stdout.splitlines() if "=> 1 " in line], why="a scrape")
    assert len(seen) == 1
    stack("--profile", "monitoring", "rm", "-sf", "prometheus")


def test_two_hubs_share_what_comes_in(stack):
    before = stack.number("SELECT count(*) FROM reading")
    stack.env_file = ["--env-file", "docker/two-hubs.env"]
    stack.timed("two hubs up --wait", "up", "--wait")
    for n in range(20):
        stack.publish(BIN, topic(BIN), {"fill_pct": n, "overflow": False})
    wait_until(lambda: stack.number("SELECT count(*) FROM reading") >= before + 20, why="20 readings")
    time.sleep(2)
    assert stack.number("SELECT count(*) FROM reading") == before + 20  # each was taken by one hub
    assert stack.number("SELECT count(*) FROM ingest_cursor WHERE last_seq > 5") == 2
    stack.env_file = []
    stack("--profile", "two-hubs", "rm", "-sf", "hub2")


def test_the_demo_opens_cases(stack):
    before = stack.number("SELECT count(*) FROM grid_case")
    began = time.monotonic()
    stack.timed("demo up --wait", "--profile", "demo", "up", "--wait")
    wait_until(lambda: stack.number("SELECT count(*) FROM grid_case") >= before + 3, why="three cases of the street")
    wait_until(lambda: stack.verified() >= 3, why="alerts")
    print(f"time demo: three cases after {time.monotonic() - began:.1f} s", flush=True)
