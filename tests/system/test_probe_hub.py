"""The hub looks at streams: cameras that die, recover, go black; hubs that die; a prober that is at fault."""

import signal
import time

import pytest
from conftest import GRIDS, free_port, wait_until

# Holds as short as tests want them; the shipped pack has minutes.
RULES = {"camera.yaml": """
rules:
  - id: offline
    class: camera
    outage: true
    when: online == false && !(has(cause) && cause in ['no_packets', 'no_keyframe', 'not_found', 'unauthorised', 'busy', 'prober'])
    kind: offline
    title: {zh-CN: "{device.name}离线（{cause}）", en: "{device.name} is offline ({cause})"}
  - id: no-picture
    class: camera
    when: online == false && has(cause) && cause in ['no_packets', 'no_keyframe', 'not_found', 'unauthorised']
    clear: online
    kind: offline
    title: {zh-CN: "{device.name}没有画面（{cause}）", en: "{device.name} shows nothing ({cause})"}
  - id: black
    class: camera
    when: has(luma_mean) && has(luma_sd) && luma_mean < 24.0 && luma_sd < 4.0 && has(snapshot)
    clear: "has(luma_mean) && luma_mean >= 28.0"
    kind: black
    title: {zh-CN: "{device.name}画面全黑（{snapshot}）", en: "The picture of {device.name} is black ({snapshot})"}
  - id: silent
    class: camera
    when: device.interval > duration('0s')
    silent: 10s
    kind: silent
    title: {zh-CN: "{device.name}无消息", en: "Nothing heard of {device.name}"}
"""}
# A whole schedule in seconds.
PROBE = {"allow_addresses": ["127.0.0.0/8"], "processes": 1, "threads": 16, "deadline": "5s", "watch": "1s", "retry": "300ms",
         "reach_every": "2s", "keyframe_every": "1s", "picture_every": 2, "watch_every": "0", "per_host": 8}


def camera(rtspd, i, path=None, **more):
    return {"id": f"cam-{i}", "title": f"摄像机{i}", "class": "camera", "grid": "qx-yh-1-1-3",
            "stream": rtspd.url(path or f"/good/{i}"), **more}


@pytest.fixture
def make_eye(make_hub):
    """make_eye(cameras, probe={…}, …) → a hub that looks at them."""
    def make(cameras=None, probe=None, **kw):
        conf = {"probe": {**PROBE, **(probe or {})}, **kw.pop("conf", {})}
        return make_hub(broker=False, conf=conf, grids=GRIDS, devices=cameras, rules=RULES, **kw)
    return make


def states(db):
    return dict(db.rows("SELECT device, state FROM stream_now"))


def cases(db, rule=None):
    """(device, rule, open and not recovered)"""
    return [row for row in db.rows("SELECT d.name, c.rule_id, c.recovered_at IS NULL FROM grid_case c JOIN device d ON d.id = c.device_id"
                                   " ORDER BY c.id") if rule in (None, row[1])]


def all_are(db, state, n):
    return lambda: list(states(db).values()) == [state] * n


def test_a_camera_dies_and_comes_back(make_eye, rtspd, database):
    hub = make_eye([camera(rtspd, i) for i in range(4)])
    wait_until(all_are(database, "online", 4), 20)
    assert cases(database) == []
    rtspd.set("/good/2", "/404")
    wait_until(lambda: cases(database) == [("cam-2", "no-picture", True)], 20)
    wait_until(lambda: states(database)["cam-2"] == "offline", 20)
    assert database.row("SELECT cause, online, offline, unknown, streams FROM online_now, stream_now WHERE code = 'qx'"
                        " AND device = 'cam-2'") == ("not_found", 3, 1, 0, 4)
    fields = database.value("SELECT fields FROM device_state JOIN device ON id = device_id WHERE name = 'cam-2'")
    assert fields["online"] is False and fields["cause"] == "not_found"
    rtspd.set("/good/2", "-")
    wait_until(lambda: cases(database) == [("cam-2", "no-picture", False)], 20)
    wait_until(all_are(database, "online", 4), 20)
    spans = database.rows("SELECT state FROM stream_span JOIN device ON id = device_id WHERE name = 'cam-2' ORDER BY from_at")
    assert spans == [(0,), (1,), (0,)]
    assert hub.metric('gridhub_probe_streams{state="online"}') == 4
    assert hub.health()["parts"]["probe"]["status"] == "ok"
