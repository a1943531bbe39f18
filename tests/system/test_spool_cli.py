"""`gridhub spool list|verify|show`, and what the hub does with a spool that rotted while it was away."""

import pytest
from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until
from proxy import Proxy

NUMBERS = "SELECT (fields->>'n')::int FROM reading ORDER BY 1"


@pytest.fixture
def proxy(postgres):
    p = Proxy(postgres.port)
    yield p
    p.close()


@pytest.fixture
def hub(make_hub, proxy, publisher):
    """A hub that was killed with messages 1 to 5 in its spool and none in the database."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, start=False)
    hub.conf["database"]["conninfo"] = proxy.through(hub.conf["database"]["conninfo"])
    hub.write_conf()
    proxy.refuse()
    hub.start()
    hub.wait_part("mqtt", "ok")
    for n in range(1, 6):
        publisher.publish(topic_of("bin-1"), {"n": n})
    hub.wait_metric("gridhub_mqtt_messages_total", 5)
    hub.kill()
    return hub


def segment(hub):
    (path,) = (hub.dir / "spool").glob("*.seg")
    return path


def rot(path, what):
    """Change one bit of the first place where these bytes stand; returns where."""
    data = bytearray(path.read_bytes())
    at = data.index(what)
    data[at] ^= 1
    path.write_bytes(data)
    return at


def test_a_spool_is_listed_verified_and_shown(hub, publisher):
    (listed,) = hub.json_lines("spool", "list")
    assert (listed["records"], listed["first_seq"], listed["last_seq"], listed["damaged"], listed["torn"]) == (5, 1, 7, 0, False)
    assert listed["bytes"] == segment(hub).stat().st_size and listed["segment"] == segment(hub).name
    assert listed["markers"] == 2
    assert hub.json_lines("spool", "verify") == [{"records": 5, "markers": 2, "damaged": 0}]
    shown = hub.json_lines("spool", "show")
    assert [r["payload"] for r in shown] == [f'{{"n": {n}}}' for n in range(1, 6)]
    assert {(r["broker"], r["topic"], r["retained"], r["dup"], r["cut"]) for r in shown} == {
        ("street", topic_of("bin-1"), False, False, False)}
    assert [r["seq"] for r in hub.json_lines("spool", "show", "--from", "2", "--limit", "3")] == [3, 4, 5]
    assert [(r["broker"], r["marker"]) for r in hub.json_lines("spool", "show", "--markers", "--limit", "2")] == [
        ("", "started"), ("street", "connected")]
    before = segment(hub).read_bytes()

    hub.start(ready=False)  # looking takes no lock and changes nothing
    hub.wait_part("mqtt", "ok")
    publisher.publish(topic_of("bin-1"), b"\xff\0binary")
    hub.wait_metric("gridhub_mqtt_messages_total", 1)
    last = hub.json_lines("spool", "show", "--from", "8")[0]
    assert last["payload_hex"] == b"\xff\0binary".hex()
    assert segment(hub).read_bytes().startswith(before)
    assert hub.json_lines("spool", "verify", hub.dir / "spool") == [{"records": 6, "markers": 4, "damaged": 0}]


def test_bad_usage_and_missing_folders(hub):
    for argv in (["show", "--from", "x"], ["show", "--limit", "-1"], ["list", "--from", "1"], ["verify", "a", "b"]):
        done = hub.cmd("spool", *argv, check=False)
        assert done.returncode == 2 and done.err, argv
    done = hub.cmd("spool", "list", "/nix/spool", check=False)
    assert done.returncode == 1 and "/nix/spool" in done.err


def test_a_rotten_record_is_found_set_aside_and_counted(hub, proxy, database):
    at = rot(segment(hub), b'{"n": 3}')
    done = hub.cmd("spool", "verify", check=False)
    assert done.returncode == 1 and "damaged" in done.err
    place, total = hub.json_lines("spool", "verify", check=False)
    assert place["from"] < at < place["to"] and not place["torn"] and total == {"records": 4, "markers": 2, "damaged": 1}
    assert [r["seq"] for r in hub.json_lines("spool", "show")] == [3, 4, 6, 7]
    assert hub.json_lines("spool", "list")[0]["damaged_bytes"] == place["to"] - place["from"]

    proxy.accept()
    hub.start()
    wait_until(lambda: database.rows(NUMBERS) == [(1,), (2,), (4,), (5,)])
    hub.wait_metric("gridhub_spool_damaged_total", 1)
    assert "damaged place skipped" in hub.wait_log("mod=spool", "damaged")
    (copy,) = (hub.dir / "spool" / "damaged").iterdir()
    assert len(copy.read_bytes()) == place["to"] - place["from"] and b'"n": ' in copy.read_bytes()
    assert hub.health()["status"] == "ok" and hub.stop() == 0


def test_a_torn_end_is_told_and_cut(hub, proxy, database):
    path = segment(hub)
    path.write_bytes(path.read_bytes()[:-3])
    assert hub.json_lines("spool", "list")[0]["torn"] is True
    torn, total = hub.json_lines("spool", "verify")  # no damage: exit status 0
    assert torn["torn"] and total == {"records": 4, "markers": 2, "damaged": 0}
    proxy.accept()
    hub.start()
    wait_until(lambda: database.rows(NUMBERS) == [(1,), (2,), (3,), (4,)])
    assert "torn tail cut off" in hub.log
    assert hub.metric("gridhub_spool_damaged_total") == 0
    hub.wait_part("mqtt", "ok")
    assert hub.json_lines("spool", "verify") == [{"records": 4, "markers": 4, "damaged": 0}]
