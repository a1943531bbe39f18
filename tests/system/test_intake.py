"""Intake: versions, brokers, subscriptions, TLS, reconnects, retained and duplicate messages, back-pressure, PUBACKs."""

import os
import socket
import subprocess
import time

import paho.mqtt.client as mqtt
import pytest
from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until
from proxy import Proxy
from scripted import ScriptedBroker

READINGS = "SELECT count(*) FROM reading"
COUNTED = "SELECT coalesce(max(event_count), 0) FROM grid_case"
NUMBERS = "SELECT (fields->>'n')::int FROM reading ORDER BY 1"


@pytest.fixture
def start_hub(make_hub):
    """start_hub(wait=…, **what) → a hub with the district, its configuration changed by change(conf) first."""
    def start(change=None, wait="ok", devices=DEVICES, **what):
        hub = make_hub(grids=GRIDS, devices=devices, rules=RULES, start=False, **what)
        if change:
            change(hub.conf)
            hub.write_conf()
        hub.start(ready=wait is not None)
        if wait:
            hub.wait_part("mqtt", wait)
        return hub
    return start


def numbers(database):
    return [n for (n,) in database.rows(NUMBERS)]


# ---- brokers ----


@pytest.mark.parametrize("version", [3, 5])
def test_a_killed_broker_comes_back_and_is_subscribed_again(start_hub, broker, make_publisher, database, version):
    hub = start_hub(lambda conf: conf["mqtt"][0].update(version=version))
    make_publisher(broker).publish(topic_of("bin-1"), {"n": 1})
    wait_until(lambda: numbers(database) == [1])
    broker.kill()
    assert "broker street: " in hub.wait_part("mqtt", "degraded")["why"]
    assert hub.metric("gridhub_mqtt_connections_lost_total") == 1
    (broker.dir / "mosquitto.db").unlink(missing_ok=True)  # it forgets the session with all else
    broker.start()
    hub.wait_part("mqtt", "ok", timeout=30)
    make_publisher(broker).publish(topic_of("bin-1"), {"n": 2})
    wait_until(lambda: numbers(database) == [1, 2])
    assert hub.metric("gridhub_mqtt_connects_total") == 2


def test_a_broker_that_is_missing_at_the_start(start_hub, broker, make_publisher, database):
    broker.stop()
    hub = start_hub(wait="degraded")
    assert hub.wait_log("broker away", "broker=street")
    broker.start()
    hub.wait_part("mqtt", "ok", timeout=30)
    make_publisher(broker).publish(topic_of("bin-1"), {"n": 1})
    wait_until(lambda: numbers(database) == [1])


def test_several_brokers_and_dialects(start_hub, make_broker, make_publisher, database):
    first, second = make_broker(), make_broker()
    devices = [*DEVICES, {"id": "leak-1", "class": "sensor", "adapter": "zigbee2mqtt", "address": "cellar/leak",
                          "grid": "qx-yh-1"}]

    def change(conf):
        conf["mqtt"][0]["subscriptions"] = [{"topic": "city/v1/+/+/bin/#", "adapter": "hub"},
                                            {"topic": "home/city/v1/#", "adapter": "hub"}]
        conf["mqtt"].append({"name": "homes", "url": second.url, "client_id": "hub-homes", "version": 3,
                             "subscriptions": [{"topic": "zigbee2mqtt/#", "adapter": "zigbee2mqtt", "qos": 1},
                                               {"topic": "city/v1/#", "adapter": "hub", "qos": 0}]})
    hub = start_hub(change, broker=first, devices=devices)
    street, homes = make_publisher(first), make_publisher(second)
    street.publish(topic_of("bin-1"), {"n": 1})
    street.publish(topic_of("smoke-1", cls="sensor"), {"n": 100})  # nothing subscribes to it there
    homes.publish(topic_of("smoke-1", cls="sensor"), {"n": 2}, qos=2)
    homes.publish("zigbee2mqtt/cellar/leak", {"water_leak": True, "n": 3}, qos=2)
    street.publish("home/" + topic_of("bin-1"), {"n": 4})  # subscribed to, and not of the dialect
    wait_until(lambda: numbers(database) == [1, 2, 3])
    hub.wait_metric('gridhub_messages_rejected_total{reason="topic"}', 1)
    assert numbers(database) == [1, 2, 3]
    assert hub.metric("gridhub_mqtt_connects_total") == 2
    second.kill()
    assert "broker homes: " in hub.wait_part("mqtt", "degraded")["why"]
    street.publish(topic_of("bin-1"), {"n": 5})  # one broker's end is not the other's
    wait_until(lambda: 5 in numbers(database))


def test_two_hubs_share_a_subscription(start_hub, broker, publisher, database):
    def change(conf):
        conf["mqtt"][0]["subscriptions"] = [{"topic": "$share/qixia/city/v1/#", "adapter": "hub"}]
    hubs = [start_hub(change) for _ in range(2)]
    publisher.publish_many((topic_of("bin-1"), {"n": n, "fill_pct": 95}) for n in range(400))
    wait_until(lambda: database.value(READINGS) >= 400)
    taken = [hub.metric("gridhub_mqtt_messages_total") for hub in hubs]
    assert sum(taken) == 400 and min(taken) > 0, taken
    assert numbers(database) == list(range(400))
    assert database.rows("SELECT event_count FROM grid_case") == [(400,)]  # both count into one case
    assert database.value("SELECT count(*) FROM ingest_cursor") == 2


def test_a_broker_that_drops_messages_is_noticed(start_hub, make_broker, make_publisher):
    """Its own counter says so: somebody's queue was too short, and it may be ours next time."""
    broker = make_broker("allow_anonymous true\nmax_queued_messages 10\n")
    hub = start_hub(broker=broker)
    assert hub.metric("gridhub_broker_dropped_messages") == 0
    away = mqtt.Client("somebody", clean_session=False)
    subscribed = []
    away.on_connect = lambda c, *_: c.subscribe("other/#", 1)
    away.on_subscribe = lambda *_: subscribed.append(True)
    away.connect("127.0.0.1", broker.port)
    away.loop_start()
    wait_until(lambda: subscribed)
    away.disconnect()
    away.loop_stop()
    make_publisher(broker).publish_many(("other/x", b"x") for _ in range(100))
    hub.wait_metric("gridhub_broker_dropped_messages", 80)
    assert "max_queued_messages" in hub.wait_log("level=warn", "drops messages", "broker=street")


# ---- who is who ----


def make_certificates(folder):
    """A CA, and a server's and a client's certificate of it; another CA that vouches for nobody."""
    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for ca in ("ca", "other"):
        openssl("req", "-x509", *new, "-days", "2", "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-subj", f"/CN={ca}")
    for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        (folder / "ext").write_text(extension + "\n")
        openssl("req", "-new", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", f"{name}.crt")


def write_users(folder, **users):
    path = folder / "users"
    path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
    subprocess.run(["mosquitto_passwd", "-U", path], check=True, capture_output=True)
    path.chmod(0o644)
    return path


def write_secret(path, text):
    path.touch(0o600)
    path.write_text(text + "\n")
    return str(path)


def test_tls_with_client_certificate_and_password(start_hub, make_broker, make_publisher, folder, database):
    make_certificates(folder)
    users = write_users(folder, hub="of the hub")
    with socket.create_server(("127.0.0.1", 0)) as s:
        tls_port = s.getsockname()[1]
    broker = make_broker(f"per_listener_settings true\nallow_anonymous true\nlistener {tls_port} 127.0.0.1\n"
                         f"cafile {folder}/ca.crt\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\n"
                         f"require_certificate true\npassword_file {users}\n")
    good = {"url": f"mqtts://127.0.0.1:{tls_port}", "ca_file": f"{folder}/ca.crt", "cert_file": f"{folder}/client.crt",
            "key_file": f"{folder}/client.key", "username": "hub",
            "password_file": write_secret(folder / "password", "of the hub")}
    publisher = make_publisher(broker)
    hub = start_hub(lambda conf: conf["mqtt"][0].update(good), broker=broker)
    publisher.publish(topic_of("bin-1"), {"n": 1})
    wait_until(lambda: numbers(database) == [1])
    hub.stop()

    for change, told in (({"ca_file": f"{folder}/other.crt"}, "certificate"),  # it vouches for somebody else
                         ({"cert_file": None, "key_file": None}, ""),
                         ({"password_file": write_secret(folder / "bad", "a guess")}, "uthori")):
        hub.conf["mqtt"][0].update({**good, **change})
        hub.conf["mqtt"][0] = {k: v for k, v in hub.conf["mqtt"][0].items() if v}
        hub.write_conf()
        (hub.dir / "hub.log").unlink()
        hub.start()
        why = hub.wait_part("mqtt", "degraded")["why"]
        assert told in why and len(why) > len("broker street: "), (change, why)
        assert "why=" in hub.wait_log("broker away")
        assert "a guess" not in hub.log and hub.metric("gridhub_mqtt_connects_total") == 0
        assert hub.stop() == 0


@pytest.mark.parametrize("version", [3, 5])
def test_a_wrong_password_is_said_and_tried_again(start_hub, make_broker, make_publisher, folder, database, version):
    users = write_users(folder, hub="old", device="device")
    broker = make_broker(f"allow_anonymous false\npassword_file {users}\n")
    hub = start_hub(lambda conf: conf["mqtt"][0].update(username="hub", version=version,
                                                        password_file=write_secret(folder / "password", "new")),
                    broker=broker, wait="degraded")
    assert "uthori" in hub.wait_part("mqtt", "degraded")["why"]  # not authorized, Not authorised
    write_users(folder, hub="new", device="device")
    broker.restart()
    hub.wait_part("mqtt", "ok", timeout=40)
    make_publisher(broker, username="device", password="device").publish(topic_of("bin-1"), {"n": 1})
    wait_until(lambda: numbers(database) == [1])


@pytest.mark.parametrize("version", [3, 5])
def test_the_password_changes_while_the_hub_runs(start_hub, make_broker, make_publisher, folder, database, version):
    """By a restart of the broker. At a SIGHUP mosquitto 2.0 throws the hub out, forgets what it may read until it is back, and
    loses what comes meanwhile."""
    users = write_users(folder, hub="old", device="device")
    acl = folder / "acl"
    acl.write_text("user hub\ntopic read city/#\ntopic read $SYS/#\nuser device\ntopic write city/#\n")
    acl.chmod(0o644)
    broker = make_broker(f"allow_anonymous false\npassword_file {users}\nacl_file {acl}\n")
    password = folder / "password"
    hub = start_hub(lambda conf: conf["mqtt"][0].update(username="hub", version=version,
                                                        password_file=write_secret(password, "old")), broker=broker)
    make_publisher(broker, username="device", password="device").publish(topic_of("bin-1"), {"n": 0})
    write_secret(folder / "password.new", "new")
    os.replace(folder / "password.new", password)
    write_users(folder, hub="new", device="device")
    broker.restart()
    make_publisher(broker, username="device", password="device").publish_many((topic_of("bin-1"), {"n": n}) for n in range(1, 101))
    hub.wait_metric("gridhub_mqtt_connects_total", 2, timeout=40)
    wait_until(lambda: numbers(database) == list(range(101)))
    password.chmod(0o644)  # a secret that others may read is not taken; the hub has one yet
    broker.restart()
    hub.wait_log("level=warn", "password not read anew", "broker=street")
    hub.wait_metric("gridhub_mqtt_connects_total", 3, timeout=40)


# ---- what came before, and what comes twice ----


@pytest.mark.parametrize("version", [3, 5])
def test_retained_state_counts_and_retained_events_do_not(start_hub, broker, publisher, database, version):
    publisher.publish(topic_of("bin-1", "state"), {"n": 1, "fill_pct": 95}, retain=True)
    publisher.publish(topic_of("bin-1", "tele"), {"n": 2}, retain=True)
    publisher.publish(topic_of("bin-1", "event"), {"n": 3, "wrong_drop": True}, retain=True)
    hub = start_hub(lambda conf: conf["mqtt"][0].update(version=version))
    hub.wait_metric("gridhub_stale_retained_total", 2)
    publisher.publish(topic_of("bin-1", "event"), {"n": 4}, retain=True)  # live, though the broker keeps it
    wait_until(lambda: numbers(database) == [1, 4])
    assert database.rows("SELECT rule_id FROM grid_case") == [("bin-full",)]
    assert hub.metric("gridhub_stale_retained_total") == 2


def test_the_same_message_twice_counts_once(start_hub, broker, publisher, database):
    hub = start_hub()
    for mark in ({"seq": 7}, {"ts": wall_clock()}):
        for _ in range(3):
            publisher.publish(topic_of("bin-1", "event"), {"wrong_drop": True, **mark})
    hub.wait_metric("gridhub_duplicates_total", 4)
    for _ in range(2):  # without a mark they may well be two
        publisher.publish(topic_of("bin-1", "event"), {"wrong_drop": True})
    wait_until(lambda: database.value(COUNTED) == 4)
    assert database.value(READINGS) == 4 and hub.metric("gridhub_duplicates_total") == 4
    hub.restart()
    publisher.publish(topic_of("bin-1", "event"), {"wrong_drop": True, "seq": 7})  # it remembers from its spool
    hub.wait_metric("gridhub_duplicates_total", 1)
    assert database.value(COUNTED) == 4


def wall_clock():
    return int(time.time() * 1000)


# ---- acknowledgements, with a broker that is looked into ----


@pytest.fixture
def scripted():
    broker = ScriptedBroker()
    yield broker
    broker.close()


def spooled(hub):
    """Packet identifiers of what stands in the spool."""
    return [record["mid"] for record in hub.json_lines("spool", "show")]


@pytest.mark.parametrize("version", [3, 5])
def test_a_refused_subscription_is_said_and_tried_again(start_hub, scripted, database, version):
    scripted.refused = {"zigbee2mqtt/#"}
    hub = start_hub(lambda conf: conf["mqtt"][0].update(version=version), broker=scripted, wait="degraded")
    assert "subscription" in hub.wait_part("mqtt", "degraded")["why"]
    scripted.refused = set()
    hub.wait_part("mqtt", "ok", timeout=30)
    scripted.publish(1, topic_of("bin-1"), b'{"n":1}')
    wait_until(lambda: numbers(database) == [1])


@pytest.mark.parametrize("version", [3, 5])
def test_what_a_killed_hub_did_not_get_acknowledged_comes_again_and_counts_once(start_hub, scripted, database, version):
    event = topic_of("bin-1", "event")
    hub = start_hub(lambda conf: conf["mqtt"][0].update(version=version), broker=scripted, wait=None)
    scripted.wait_subscribed(1)
    for mid in range(1, 21):
        scripted.publish(mid, event, b'{"wrong_drop":true}')
    scripted.wait_ack(20)
    wait_until(lambda: database.value(COUNTED) == 20)
    hub.kill()
    hub.start(ready=False)
    scripted.wait_subscribed(2)
    for mid in range(11, 21):  # as if ten PUBACKs had been lost
        scripted.publish(mid, event, b'{"wrong_drop":true}', dup=True)
    scripted.publish(21, event, b'{"wrong_drop":true}', dup=True)  # flagged, and yet never seen here
    scripted.publish(22, event, b'{"wrong_drop":true}')
    scripted.wait_ack(22)
    wait_until(lambda: database.value(COUNTED) == 22)
    hub.wait_metric("gridhub_duplicates_total", 10)
    assert database.value(READINGS) == 22 and database.value(COUNTED) == 22


def test_topics_that_a_broker_should_not_have_let_through(start_hub, scripted, database):
    hub = start_hub(broker=scripted, wait="ok")
    odd = [b"city/v1/q/g/bin/a\tb/tele", b"city/v1/q/g/bin/\x01/tele", b"city/v1/q/g/bin/\xff\xfe/tele",
           b"city/v1/q/g/bin/\xc0\x80/tele", b"city/v1/q/g/bin/\x7f/tele", b"city/v1/q/g/bin/+/tele"]
    for mid, topic in enumerate(odd, 1):
        scripted.publish(mid, topic, b'{"fill_pct":95}')
    scripted.publish(99, topic_of("bin-1"), b'{"n":1}')
    scripted.wait_ack(99)  # all are acknowledged: nobody could mend them by sending them again
    assert scripted.acks == [*range(1, len(odd) + 1), 99]
    wait_until(lambda: numbers(database) == [1])
    kept = len(hub.json_lines("device", "rejected")) + len(hub.json_lines("device", "unknown"))
    assert kept == len(odd)
    assert {row["reason"] for row in hub.json_lines("device", "rejected")} <= {"topic", "shape"}
    assert hub.health()["status"] == "ok"


def test_no_message_is_acknowledged_before_it_is_in_the_spool(start_hub, scripted, database):
    """Each PUBACK as it arrives is held against the spool's file; and a full spool acknowledges nothing."""
    proxy = Proxy(database.server.port)
    early = []

    def change(conf):
        conf["database"]["conninfo"] = proxy.through(conf["database"]["conninfo"])
        conf["spool"].update(max_size="4M", segment_size="1M")
    try:
        hub = start_hub(change, broker=scripted, wait=None)
        scripted.wait_subscribed(1)
        hub.wait_part("database", "ok")
        scripted.on_ack = lambda mid: mid in range(1, 1000, 50) and mid not in spooled(hub) and early.append(mid)
        for mid in range(1, 1001):
            scripted.publish(mid, topic_of("bin-1"), b'{"n":%d}' % mid)
        scripted.wait_ack(1000)
        assert not early and scripted.acks == list(range(1, 1001))
        wait_until(lambda: database.value(READINGS) == 1000)

        proxy.refuse()
        payload = b'{"note":"' + b"x" * 200_000 + b'"}'
        scripted.on_ack = None
        try:
            for mid in range(1001, 1041):  # 8 MB, twice what fits
                scripted.publish(mid, topic_of("bin-1"), payload)
        except OSError:
            pass  # it has left
        hub.wait_part("spool", "degraded")
        hub.kill()  # with a message in its hands that it had no room for
        acknowledged = {mid for mid in scripted.acks if mid > 1000}
        kept = {mid for mid in spooled(hub) if mid > 1000}
        assert acknowledged and acknowledged <= kept and len(kept) < 40
    finally:
        proxy.close()


def test_a_full_spool_holds_the_broker_back_and_nothing_is_lost(start_hub, broker, publisher, database):
    proxy = Proxy(database.server.port)

    def change(conf):
        conf["database"]["conninfo"] = proxy.through(conf["database"]["conninfo"])
        conf["spool"].update(max_size="4M", segment_size="1M")
    try:
        hub = start_hub(change)
        hub.wait_part("database", "ok")
        total, note = 1000, "x" * 10_000
        for round_no in range(2):  # a second time: the room came back
            held = hub.metric("gridhub_mqtt_held_total")
            proxy.refuse()
            first = round_no * total
            publisher.publish_many((topic_of("bin-1"), {"n": n, "note": note}) for n in range(first, first + total))
            hub.wait_part("mqtt", "degraded", "the spool is tight")
            assert hub.wait_part("spool", "degraded")["why"]
            assert hub.metric("gridhub_mqtt_held_total") > held
            assert hub.metric("gridhub_mqtt_messages_total") < first + total
            size = sum(path.stat().st_size for path in (hub.dir / "spool").glob("*.seg"))
            assert size <= 4 << 20
            proxy.accept()
            wait_until(lambda n=first + total: database.value(READINGS) >= n, 60, why="all messages to be in")
            hub.wait_part("mqtt", "ok", timeout=30)
            hub.wait_part("spool", "ok")
        assert numbers(database) == list(range(2 * total))
        wait_until(lambda: hub.health()["status"] == "ok", 30)  # notify, too, finds its way back
    finally:
        proxy.close()


def test_what_is_too_large_is_cut_and_kept_aside(start_hub, broker, publisher, database):
    hub = start_hub()
    publisher.publish(topic_of("bin-1"), b"[" + b" " * (300 << 10) + b"]")
    hub.wait_metric('gridhub_messages_rejected_total{reason="size"}', 1)
    publisher.publish(topic_of("bin-1"), {"n": 1})
    wait_until(lambda: numbers(database) == [1])
    record = hub.json_lines("spool", "show", "--limit", "1")[0]
    assert record["cut"] and record["bytes"] == (300 << 10) + 2 and len(record["payload"]) == 4096
    (rejected,) = hub.json_lines("device", "rejected")
    assert rejected["reason"] == "size" and str((300 << 10) + 2) in rejected["detail"]
    assert rejected["payload"].startswith("[ ")
