"""gridhub device export: a mosquitto with its lists lets each device publish below its own topics, and nothing else."""

import json
import time

import paho.mqtt.client as mqtt
from conftest import DEVICES, GRIDS, RULES, free_port, topic_of, wait_until

OTHER = {**DEVICES[0], "id": "3号楼 bin:2", "address": "bin-2"}
FAKE = {**DEVICES[0], "id": "frigate", "address": "bin-3"}
MORE = {**DEVICES[0], "id": "bin 4", "address": "bin-4"}


def export(hub, *how, check=True):
    return hub.cmd("device", "export", *how, check=check)


def write_lists(hub, folder, key):
    """(acl_file, password_file) as the export says."""
    acl, users = folder / "acl", folder / "users"
    acl.write_text(export(hub, "--acl").out)
    users.write_text(export(hub, "--passwords", key).out)
    for path in (acl, users):
        path.chmod(0o600)
    return acl, users


def test_a_device_publishes_under_its_own_topics_only(make_hub, make_broker, make_publisher, folder, database):
    key = folder / "key"
    key.write_text("0123456789abcdef" * 4)
    key.chmod(0o600)
    hub = make_hub(broker=False, start=False, grids=GRIDS, devices=[*DEVICES, MORE], rules=RULES)
    hub.conf["mqtt"] = [{"name": "b", "url": "mqtt://127.0.0.1:1", "client_id": "h", "username": "hub", "subscriptions": [
        {"topic": "city/v1/#", "adapter": "hub"}, {"topic": "frigate/#", "adapter": "frigate"}]}]
    hub.write_conf()
    acl, users = write_lists(hub, folder, key)
    passwords = {row["username"]: row["password"] for row in hub.json_lines("device", "export", "--credentials", key)}
    assert set(passwords) == {"frigate", "bin-1", "smoke-1", "bin 4"} and len(set(passwords.values())) == 4
    assert oct(users.stat().st_mode).endswith("600") and not any(p in users.read_text() for p in passwords.values())
    # The listener of the test's witness is another one: it sees all that got through.
    own = f"per_listener_settings true\nallow_anonymous false\npassword_file {users}\nacl_file {acl}\n"
    port = free_port()
    broker = make_broker(own + f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    got = []
    witness = mqtt.Client("witness")
    witness.on_message = lambda _c, _u, m: got.append(m.topic)
    witness.connect("127.0.0.1", port)
    witness.subscribe("#", 1)
    witness.loop_start()
    time.sleep(0.3)
    try:
        mine = topic_of("bin-1")
        pub = make_publisher(broker, username="bin-1", password=passwords["bin-1"])
        for topic in (topic_of("smoke-1", cls="sensor"), topic_of("bin-1", cls="camera"), mine + "/x", "frigate/events",
                      "city/v1/qixia/g/bin/bin-1", "$SYS/x", "other", mine):
            pub.publish(topic, {"fill_pct": 1})
        wait_until(lambda: mine in got)
        make_publisher(broker, username="bin 4", password=passwords["bin 4"]).publish(topic_of("bin-4"), {"a": 1})
        camera = make_publisher(broker, username="frigate", password=passwords["frigate"])
        camera.publish(mine, {"fill_pct": 2})
        camera.publish("frigate/cam-1/status/detect", "online")
        wait_until(lambda: "frigate/cam-1/status/detect" in got)
        assert sorted(got) == sorted([mine, topic_of("bin-4"), "frigate/cam-1/status/detect"])
    finally:
        witness.disconnect()
        witness.loop_stop()
    refused = []
    wrong = mqtt.Client("wrong")
    wrong.username_pw_set("bin-1", passwords["smoke-1"])
    wrong.on_connect = lambda _c, _u, _f, rc: refused.append(rc)
    wrong.connect("127.0.0.1", broker.port)
    end = time.monotonic() + 10
    while not refused and time.monotonic() < end:
        wrong.loop(0.1)
    assert refused == [5]  # not authorised


def test_what_cannot_be_exported_is_named(make_hub, folder, broker):
    hub = make_hub(start=False, grids=GRIDS, devices=[*DEVICES, OTHER, FAKE])
    done = export(hub, "--acl", check=False)
    assert done.returncode == 1
    assert '"3号楼 bin:2": its id cannot be a user name' in done.err
    assert ("user frigate\ntopic readwrite" in done.out) and "bin-3" not in done.out and "bin-2" not in done.out
    assert '"frigate": the hub or a gateway has that user name' in done.err
    (folder / "short").write_text("short")
    (folder / "short").chmod(0o600)
    done = export(hub, "--passwords", folder / "short", check=False)
    assert done.returncode == 1 and "at least 32 characters" in done.err and done.out == ""
    for args in ((), ("--acl", "--passwords", "x"), ("--acl", "x"), ("--acl", "--broker", "none")):
        assert export(hub, *args, check=False).returncode == 2, args
    assert json.loads(hub.cmd("device", "list").out.splitlines()[0])["id"] == "3号楼 bin:2"
