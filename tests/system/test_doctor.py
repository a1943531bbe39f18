"""gridhub doctor: each part broken on purpose, and what it says of it."""

import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import DEVICES, GRIDS, RULES, free_port, topic_of, wait_until


class Findings(list):
    """The lines of one run, by check and subject."""

    def of(self, check, subject=None):
        return [f for f in self if f["check"] == check and subject in (None, f.get("subject"))]

    def worst(self, check, subject=None):
        found = self.of(check, subject)
        assert found, f"nothing on {check} {subject or ''} in {self}"
        return max(found, key=lambda f: ["ok", "warn", "fail"].index(f["status"]))

    def has(self, check, status, text):
        found = [f for f in self.of(check) if f["status"] == status and text in f["detail"]]
        assert found, f"no {status} on {check} with {text!r} in {self.of(check)}"
        assert status == "ok" or found[0].get("advice")
        return found[0]


def doctor(hub, within=30):
    began = time.monotonic()
    done = hub.cmd("doctor", check=False)
    assert time.monotonic() - began < within
    found = Findings(json.loads(line) for line in done.out.splitlines())
    fails = any(f["status"] == "fail" for f in found)
    assert done.returncode == (1 if fails else 0), (done.returncode, done.err)
    for f in found:
        assert f["check"] in done.err and set(f) <= {"check", "subject", "status", "detail", "advice"}
    return found


def test_all_is_well(make_hub, receiver, publisher, own_postgres, make_database):
    own_postgres.stop()
    own_postgres.settings.update(fsync="on", full_page_writes="on")
    own_postgres.start()
    hub = make_hub(grids=GRIDS, devices=DEVICES, receiver=receiver, rules=RULES, db=make_database(own_postgres))
    hub.wait_part("mqtt", "ok")
    publisher.publish(topic_of("bin-1"), {"fill_pct": 20})
    wait_until(lambda: hub.db.value("SELECT count(*) FROM device_state") == 1)
    hub.cmd("backup", hub.dir / "backup")
    found = doctor(hub)
    bad = [f for f in found if f["status"] != "ok"]
    assert not bad
    for check in ("config", "rules", "spool", "disk", "hub", "database", "clock", "connections", "settings", "schema",
                  "readings", "devices", "rejected", "unknown", "alerts", "partitions", "backup", "broker",
                  "endpoint"):
        assert found.of(check), check
    assert not receiver.seen


def test_with_everything_down(make_hub, make_broker, receiver, own_postgres, make_database):
    broker = make_broker()
    hub = make_hub({"rules": {"dir": "/nonexistent"}}, db=make_database(own_postgres), broker=broker, receiver=receiver,
                   rules=RULES, start=False)
    own_postgres.pause()
    broker.stop()
    receiver.stop()
    found = doctor(hub)
    own_postgres.go_on()
    for check in ("rules", "hub", "database", "broker", "endpoint"):
        assert found.worst(check)["status"] == "fail", check
        assert found.worst(check)["advice"]


def test_a_configuration_that_cannot_be_read(make_hub):
    hub = make_hub(rules={}, broker=False, start=False, migrate=False)
    hub.path.write_text("distrikt: x\n")
    found = doctor(hub)
    assert [f["check"] for f in found] == ["config"] and "distrikt" in found[0]["detail"]


def test_server_settings_schema_and_clock(make_hub, own_postgres, make_database):
    own_postgres.stop()
    own_postgres.settings.update(fsync="off", synchronous_commit="off", max_connections=8,
                                 superuser_reserved_connections=3)
    own_postgres.start()
    db = make_database(own_postgres)
    hub = make_hub(rules=RULES, broker=False, db=db, start=False)
    holders = [db.connect() for _ in range(3)]
    found = doctor(hub)
    found.has("settings", "fail", "fsync is off")
    found.has("settings", "fail", "synchronous_commit is off")
    assert found.worst("connections")["status"] in ("warn", "fail")
    for one in holders:
        one.close()
    db.rows("DELETE FROM schema_version WHERE version > 1")
    assert "missing" in doctor(hub).has("schema", "warn", "migration")["detail"]
    hub.conf["database"]["migrate"] = False
    hub.write_conf()
    doctor(hub).has("schema", "fail", "missing")
    db.rows("INSERT INTO schema_version (version, name, checksum) SELECT v, 'x', 'x' FROM generate_series(2, 99) v")
    assert doctor(hub).worst("schema")["status"] == "fail"


def test_clocks_apart(make_hub):
    hub = make_hub(rules=RULES, broker=False, start=False)
    # A function of ours before the server's: the database's clock runs an hour ahead.
    hub.db.rows("CREATE SCHEMA ahead")
    hub.db.rows("CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
                "$$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$")
    hub.db.rows(f"ALTER ROLE gridhub IN DATABASE {hub.db.name} SET search_path = ahead, pg_catalog, public")
    found = doctor(hub)
    assert "ahead" in found.has("clock", "fail", "ms ahead")["detail"]


def test_traffic_and_alerts(make_hub, publisher, database):
    grids = [dict(g) for g in GRIDS]
    grids[1]["endpoint"] = "nobody-knows"
    root = {**DEVICES[0], "id": "bin-0", "address": "bin-0", "grid": "qx"}
    hub = make_hub(grids=grids, devices=[*DEVICES, root], rules=RULES)
    hub.wait_part("mqtt", "ok")
    publisher.publish(topic_of("bin-1"), b"{not json")
    publisher.publish(topic_of("stranger"), {"fill_pct": 1})
    publisher.publish(topic_of("bin-1"), {"fill_pct": 95})
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 1)
    wait_until(lambda: database.value("SELECT count(*) FROM unknown_device") == 1)
    database.rows("UPDATE ingest_cursor SET last_recv = now() - interval '2 hours'")
    found = doctor(hub)
    found.has("rejected", "warn", "json")
    found.has("unknown", "warn", "stranger")
    found.has("alerts", "fail", "nobody-knows")
    found.has("alerts", "warn", "nobody who is told")
    found.has("endpoint", "warn", "none")
    found.has("readings", "fail", "ago")


def test_recorders_that_their_cameras_do_not_name(make_hub):
    """Three cameras or more at a host want one device above them; those of hosts with fewer do not."""
    def cameras(host, n, parent=None):
        return [{"id": f"{host}-{i}", "class": "camera", "grid": "qx-yh-1", "stream": f"rtsp://{host}/{i}", "parent": parent}
                for i in range(n)]

    above = [{"id": f"nvr-{i}", "class": "sensor", "adapter": "hub", "address": f"nvr-{i}", "grid": "qx-yh-1"} for i in range(3)]
    good = [*above, *cameras("10.0.0.1", 4, "nvr-1"), *cameras("10.0.0.2", 2)]
    hub = make_hub(grids=GRIDS, devices=good, rules=RULES, broker=False, start=False)
    assert [(f["status"], f["detail"]) for f in doctor(hub).of("streams")] == [("ok", "6 at 2 hosts")]
    hub.import_("device", [*good, *cameras("10.0.0.3", 3), *cameras("10.0.0.4", 5, "nvr-1")[1:], *cameras("10.0.0.4", 1, "nvr-2")])
    (found,) = doctor(hub).of("streams")
    assert found["status"] == "warn" and "parent" in found["advice"]
    assert found["detail"] == "2 hosts have three cameras or more without a common parent, as 10.0.0.4:554 (5 cameras)"


def test_receivers_disabled_dead_and_failing(make_hub, receiver, database):
    hub = make_hub({"notify": {"default_endpoint": "leader"}}, grids=GRIDS, devices=DEVICES, receiver=receiver,
                   rules=RULES, broker=False)
    hub.stop()
    district = database.value("SELECT id FROM district")
    insert = ("INSERT INTO outbox (district_id, case_id, endpoint, event, alert, attempts, dead_at, dead_reason, "
              "created_at) VALUES (%s, %s, 'leader', 'case.opened', '{}', %s, %s, 'x', now() - interval '2 hours')")
    database.rows(insert, district, 1, 5, None)
    database.rows(insert, district, 2, 9, "2026-01-01T00:00:00Z")
    database.rows("INSERT INTO endpoint_state VALUES (%s, 'leader', now(), 'said 410')", district)
    found = doctor(hub)
    found.has("endpoint", "fail", "said 410")
    found.has("endpoint", "warn", "1 alerts to it are dead")
    found.has("endpoint", "warn", "5 attempts")
    found.has("alerts", "fail", "1 owed")
    found.has("hub", "fail", "no hub answers")


def certificate(folder, name, days):
    """Self-signed, for localhost; good until `days` from now (openssl cannot end it in the past)."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", str(days), "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], cwd=folder, check=True,
                   capture_output=True)
    return folder / f"{name}.crt", folder / f"{name}.key"


@pytest.fixture
def tls_receiver(folder):
    made = []

    def make(days):
        crt, key = certificate(folder, f"r{len(made)}", days)
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return f"https://localhost:{server.server_port}/", str(crt)

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


def test_certificates_of_receivers(make_hub, tls_receiver):
    names = {"soon": 2, "later": 10, "fine": 300, "stranger": 300}
    endpoints = []
    for name, days in names.items():
        url, ca = tls_receiver(days)
        endpoints.append({"name": name, "url": url, "dialect": "cloudevents",
                          **({"ca_file": ca} if name != "stranger" else {})})
    endpoints.append({"name": "guarded", "url": "https://hook.localhost:8443/", "dialect": "cloudevents"})
    endpoints.append({"name": "unresolved", "url": "https://nowhere.invalid/", "dialect": "cloudevents"})
    hub = make_hub({"endpoints": endpoints}, rules=RULES, broker=False, start=False)
    found = doctor(hub)
    assert found.worst("endpoint", "soon")["status"] == "fail"
    assert found.worst("endpoint", "later")["status"] == "warn"
    assert found.worst("endpoint", "fine")["status"] == "ok"
    assert "certificate" in found.worst("endpoint", "stranger")["detail"]
    assert "resolve" in found.worst("endpoint", "unresolved")["detail"]
    assert "not allowed" in found.worst("endpoint", "guarded")["detail"]


def test_brokers_certificate_drops_and_refusal(make_hub, make_broker, make_publisher, folder):
    crt, key = certificate(folder, "broker", 2)
    os.chmod(key, 0o644)
    port = free_port()
    broker = make_broker("allow_anonymous true\nmax_queued_messages 5\nmax_inflight_messages 1\n"
                         f"listener {port} 127.0.0.1\ncertfile {crt}\nkeyfile {key}\n")
    closed = make_broker("allow_anonymous false\npassword_file /dev/null\n")
    one = {"subscriptions": [{"topic": "city/v1/#", "adapter": "hub"}]}
    hub = make_hub({"mqtt": [
        {"name": "tls", "url": f"mqtts://127.0.0.1:{port}", "client_id": "h1", "ca_file": str(crt), **one},
        {"name": "closed", "url": closed.url, "client_id": "h2", **one},
        {"name": "wrong-ca", "url": f"mqtts://127.0.0.1:{port}", "client_id": "h3", **one}]}, rules=RULES)
    hub.wait_part("mqtt", "degraded")
    hub.kill()  # the broker keeps five messages for it and drops the others
    make_publisher(broker).publish_many([(topic_of("bin-1"), {"fill_pct": i}) for i in range(100)])
    time.sleep(1.5)  # sys_interval is a second
    found = doctor(hub)
    assert found.of("broker", "tls")[0]["status"] == "ok"
    found.has("broker", "warn", "dropped")
    found.has("broker", "fail", "its certificate is good until")
    assert found.worst("broker", "closed")["status"] == "fail"
    assert "uthorized" in found.worst("broker", "closed")["detail"]
    assert "verify failed" in found.worst("broker", "wrong-ca")["detail"]


def test_certificate_of_the_database(make_hub, own_postgres, make_database):
    def show(days):
        for path in certificate(own_postgres.dir, "server", days):
            path.chmod(0o600)
            if own_postgres.owner:
                shutil.chown(path, own_postgres.owner, own_postgres.owner)

    own_postgres.stop()
    show(2)
    crt = own_postgres.dir / "server.crt"
    own_postgres.settings.update(ssl="on", ssl_cert_file=crt, ssl_key_file=own_postgres.dir / "server.key")
    own_postgres.start()
    db = make_database(own_postgres)
    hub = make_hub(rules=RULES, broker=False, db=db, start=False)
    plain = hub.conf["database"]["conninfo"]

    def look(sslmode):
        hub.conf["database"]["conninfo"] = f"{plain} sslmode={sslmode}"
        hub.write_conf()
        return doctor(hub)

    for days, status in ((2, "fail"), (10, "warn"), (300, "ok")):
        show(days)
        db.rows("SELECT pg_reload_conf()")
        wait_until(lambda days=days: f"({days - 1} days)" in str(look("require").of("database")))
        found = look(f"verify-full sslrootcert={crt}")
        found.has("database", status, "its certificate is good until")
        found.has("database", "ok", "connected")
    assert "certificate" not in str(look("disable").of("database"))


def test_a_broker_that_tells_nothing_of_itself(make_hub, make_broker, folder):
    acl = folder / "acl"
    acl.write_text("topic readwrite city/#\n")
    acl.chmod(0o644)
    hub = make_hub(broker=make_broker(f"allow_anonymous true\nacl_file {acl}\n"), rules=RULES, start=False)
    found = doctor(hub)
    assert found.of("broker", "street")[0]["status"] == "ok"
    found.has("broker", "warn", "nothing of itself")


def test_a_spool_that_is_full_and_damaged(make_hub):
    hub = make_hub({"spool": {"max_size": "4M", "segment_size": "1M"}}, rules=RULES, broker=False)
    hub.stop()
    spool = hub.dir / "spool"
    (spool / "ballast").write_bytes(bytes(3_900_000))
    (spool / "damaged").mkdir(exist_ok=True)
    (spool / "damaged" / "x").write_bytes(b"rubbish")
    found = doctor(hub)
    found.has("spool", "fail", "%")
    found.has("spool", "warn", "set aside")
    hub.conf["spool"].update(max_size="900T", segment_size="64M")
    hub.write_conf()
    doctor(hub).has("disk", "warn", "free")


def test_a_hub_that_is_degraded(make_hub, own_postgres, make_database):
    hub = make_hub(rules=RULES, db=make_database(own_postgres))
    own_postgres.stop()
    hub.wait_part("database", "degraded")
    found = doctor(hub)
    assert found.worst("hub", "database")["status"] == "fail"
    assert found.worst("database")["status"] == "fail"
    own_postgres.start()


def test_usage(make_hub):
    hub = make_hub(rules={}, broker=False, start=False, migrate=False)
    assert hub.cmd("doctor", "--wrong", check=False).returncode == 2
    assert hub.cmd("doctor", "extra", check=False).returncode == 2
    assert "--quiet" in hub.cmd("doctor", "--help").out
    assert not hub.cmd("doctor", "--quiet", check=False).err
