"""What the prober believes when many streams fail at once: a dead host is one cause, a city that fails is doubted first."""

import pytest
from conftest import GRIDS, free_port, wait_until

RULES = {"camera.yaml": """
rules:
  - id: offline
    class: camera
    when: online == false
    kind: offline
    title: {zh-CN: "{device.name}离线（{cause}）", en: "{device.name} is offline ({cause})"}
"""}
PROBE = {"allow_addresses": ["127.0.0.0/8"], "processes": 1, "threads": 32, "deadline": "5s", "picture_every": 0,
         "watch_every": "0", "per_host": 8}


@pytest.fixture
def make_eye(make_hub):
    """make_eye({camera: URL}, {setting of probe: value}) → a hub that looks at them."""
    def make(cameras, probe):
        devices = [{"id": name, "title": name, "class": "camera", "grid": "qx-yh-1-1-3", "stream": url}
                   for name, url in cameras.items()]
        return make_hub(broker=False, conf={"probe": {**PROBE, **probe}}, grids=GRIDS, devices=devices, rules=RULES)
    return make


def believed(db):
    """{camera: (state, cause)}"""
    return {name: (state, cause or None) for name, state, cause in db.rows("SELECT device, state, cause FROM stream_now")}


def spans(db, name):
    """What was believed of it, in order, since it was first seen: o(nline), x (offline), ? (unknown)"""
    rows = db.rows(f"SELECT state FROM stream_span JOIN device ON id = device_id WHERE name = '{name}' ORDER BY from_at")
    return "".join("ox?"[state] for (state,) in rows).lstrip("?")


def all_online(db, n):
    return lambda: sum(state == "online" for state, _ in believed(db).values()) == n


def test_a_dead_host_is_one_cause(make_eye, make_rtspd, database):
    port = free_port()
    recorder, other = make_rtspd(port=port), make_rtspd()
    at_recorder = {f"channel-{i}": recorder.url(f"/good/{i}") for i in range(6)}
    hub = make_eye({**at_recorder, "other-1": other.url("/good/1"), "other-2": other.url("/good/2")},
                   {"retry": "500ms", "reach_every": "2s", "keyframe_every": "2s"})
    wait_until(all_online(database, 8), 40)
    recorder.stop()
    wait_until(lambda: {believed(database)[name] for name in at_recorder} == {("offline", "host_down")}, 60)
    wait_until(lambda: hub.metric("gridhub_probe_hosts_down") == 1, 10)
    assert all(believed(database)[name][0] == "online" for name in ("other-1", "other-2"))
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case WHERE recovered_at IS NULL") == 6, 40)
    make_rtspd(port=port)
    wait_until(all_online(database, 8), 90)
    wait_until(lambda: hub.metric("gridhub_probe_hosts_down") == 0, 10)
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case WHERE recovered_at IS NULL") == 0, 40)
    assert database.value("SELECT count(*) FROM grid_case") == 6
    assert spans(database, "channel-3") == "oxo"
    assert spans(database, "other-1") == "o"


def test_a_city_that_fails_is_doubted_first(make_eye, make_rtspd, database):
    cameras = make_rtspd(hosts=16)
    hub = make_eye({f"cam-{i}": cameras.url(f"/good/{i}", host=cameras.host(i)) for i in range(1, 17)},
                   {"retry": "5s", "reach_every": "0", "keyframe_every": "4s"})
    wait_until(all_online(database, 16), 60)
    for i in range(1, 13):
        cameras.set(f"/good/{i}", "/404")
    wait_until(lambda: sum(b == ("unknown", "prober") for b in believed(database).values()) == 12, 60)
    hub.wait_part("probe", "degraded", timeout=20)
    # the four others go on, so it is the twelve that are believed in the end: after four retries
    wait_until(lambda: sum(b == ("offline", "not_found") for b in believed(database).values()) == 12, 120)
    hub.wait_part("probe", "ok", timeout=20)
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 12, 40)
    for i in range(1, 17):
        assert "?" in spans(database, f"cam-{i}") or i > 12
        assert spans(database, f"cam-{i}") == "o" or i <= 12
