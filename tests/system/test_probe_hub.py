"""The hub looks at streams: cameras that die, recover, go black; hubs that die; a prober that is at fault."""

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import GRIDS, wait_until
from video import servers

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
        return make_hub(broker=False, conf=conf, grids=GRIDS, devices=cameras, **{"rules": RULES, **kw})
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


def test_a_playlist_that_stands_still_is_no_picture(make_eye, web_video, database):
    """Its last piece shows a picture for ever: whoever comes back sees that it is the same one."""
    paths = ("/live/x.m3u8", "/session.m3u8")
    hub = make_eye([camera(web_video, i, path) for i, path in enumerate(paths)])
    wait_until(all_are(database, "online", 2), 40)
    web_video.held = web_video.second()
    wait_until(lambda: cases(database) == [("cam-0", "no-picture", True)], 90)
    wait_until(lambda: database.row("SELECT state, cause, substate FROM stream_now WHERE device = 'cam-0'") == (
        "offline", "no_packets", "session"), 30)
    (shown,) = hub.json_lines("stream", "show", "cam-0")
    assert "stands still" in str(shown), shown
    looks = hub.metric("gridhub_probe_readings_total")
    hub.wait_metric("gridhub_probe_readings_total", looks + 5, 60)
    assert states(database) == {"cam-0": "offline", "cam-1": "online"}  # and so it stays
    web_video.held = None
    wait_until(lambda: cases(database) == [("cam-0", "no-picture", False)], 90)
    wait_until(all_are(database, "online", 2), 30)


def test_a_host_that_is_gone_explains_its_cameras(make_eye, make_rtspd, rtspd, database):
    """Each of them is offline because of it, and has one case; those of another host are not touched."""
    other = make_rtspd(clips=servers.camera_clips(), options={"join": "key"}, hosts=2)
    hub = make_eye([camera(rtspd, i) for i in range(4)] + [camera(other, 9, stream=other.url("/good/9", host=other.host(2)))])
    wait_until(all_are(database, "online", 5), 20)
    rtspd.stop()
    wait_until(lambda: sorted(states(database).values()) == ["offline"] * 4 + ["online"], 40)
    wait_until(lambda: database.value("SELECT count(*) FROM stream_now WHERE cause = 'host_down'") == 4, 20)
    assert hub.metric("gridhub_probe_hosts_down") == 1
    wait_until(lambda: sorted(cases(database)) == [(f"cam-{i}", "offline", True) for i in range(4)], 20)


def test_a_recorder_that_is_gone_is_one_case(make_eye, make_rtspd, rtspd, database):
    """If its cameras name it as their parent."""
    recorder = {"id": "nvr-1", "class": "sensor", "adapter": "hub", "address": "nvr-1", "grid": "qx-yh-1-1-3"}
    make_eye([recorder, *(camera(rtspd, i, parent="nvr-1") for i in range(4))])
    wait_until(all_are(database, "online", 4), 20)
    rtspd.stop()
    one = lambda: database.rows("SELECT d.name, c.rule_id, c.recovered_at IS NULL FROM grid_case c JOIN device d ON d.id = c.device_id"
                                " WHERE c.state <> 9")
    wait_until(lambda: one() == [("nvr-1", "outage", True)], 60)
    listed = "SELECT count(*) FROM case_affected a JOIN grid_case c ON c.id = a.case_id WHERE c.rule_id = 'outage'"
    wait_until(lambda: database.value(listed) == 4, 30)


def test_a_black_picture_is_kept_as_evidence(make_eye, rtspd, database, folder):
    hub = make_eye([camera(rtspd, 1), camera(rtspd, 2)])
    wait_until(lambda: database.value("SELECT count(*) FROM device_state WHERE fields ? 'luma_mean'") == 2, 30)
    rtspd.set("/good/2", "/good/clip=black")
    wait_until(lambda: cases(database) == [("cam-2", "black", True)], 30)
    fields, number = database.row("SELECT fields, id FROM grid_case")
    picture = fields["snapshot"]
    wait_until(lambda: database.value("SELECT count(*) FROM snapshot WHERE id = %s", picture) == 1, 10)
    (shown,) = hub.json_lines("case", "show", number)
    assert picture in [one["id"] for one in shown["snapshots"]]
    (written,) = hub.json_lines("stream", "snapshot", picture, "--out", folder / "black.jpg")
    jpeg = (folder / "black.jpg").read_bytes()
    assert jpeg[:3] == b"\xff\xd8\xff" and jpeg[-2:] == b"\xff\xd9" and written["bytes"] == len(jpeg)
    assert hub.cmd("stream", "snapshot", "cam-2", "--out", "-", check=False).returncode == 0
    assert hub.cmd("stream", "snapshot", "cam-1", check=False).returncode == 1
    (one,) = hub.json_lines("stream", "list", "--grid", "qx", "--state", "online")[1:]
    assert one["device"] == "cam-2" and one["snapshots"] >= 1  # black is online: a keyframe comes
    rtspd.set("/good/2", "-")
    wait_until(lambda: cases(database) == [("cam-2", "black", False)], 30)


def test_a_restart_marks_nothing(make_eye, rtspd, database):
    """Neither offline nor silent, whether it was stopped or killed, and however long ago."""
    hub = make_eye([camera(rtspd, i, interval="1s") for i in range(3)])
    wait_until(all_are(database, "online", 3), 20)
    spans = database.value("SELECT count(*) FROM stream_span")
    for end in (hub.stop, hub.kill):
        end()
        time.sleep(4)
        hub.start()
        looks = hub.metric("gridhub_probe_readings_total")
        hub.wait_metric("gridhub_probe_readings_total", looks + 9, 30)
    time.sleep(11)  # past the rule of silence
    wait_until(all_are(database, "online", 3), 20)
    assert cases(database) == [] and database.value("SELECT count(*) FROM stream_span") == spans
    assert database.value("SELECT count(*) FROM intake_gap WHERE adapter = 'probe'") >= 2
    assert database.value("SELECT count(*) FROM probe_gap WHERE share IN (SELECT share FROM stream)") >= 1  # while it was stopped


def test_another_hub_takes_over_from_a_dead_one(make_eye, make_rtspd, database):
    """Within a minute; what the dead one had opened is closed by the other, and nothing is opened twice."""
    rtspd = make_rtspd(clips=servers.camera_clips(), options={"join": "key"}, hosts=17)
    cameras = [camera(rtspd, i, stream=rtspd.url(f"/good/{i}", host=rtspd.host(i + 1))) for i in range(16)]
    first = make_eye(cameras)
    second = make_eye(None, migrate=False)
    held = lambda: sorted(n for (n,) in database.rows("SELECT count(*) FROM probe_share WHERE holder IS NOT NULL GROUP BY holder"))
    wait_until(lambda: held() == [32, 32], 40)
    wait_until(all_are(database, "online", 16), 40)
    mine = {name for (name,) in database.rows("SELECT device FROM stream_now WHERE hub = %s", spool_id(first))}
    assert mine and len(mine) < 16
    sick = sorted(mine)[0]
    rtspd.set("/good/" + sick[4:], "/404")
    wait_until(lambda: cases(database) == [(sick, "no-picture", True)], 30)
    wait_until(lambda: database.value("SELECT count(*) FROM rule_state WHERE phase <> 0") == 1, 10)
    first.kill()
    died = time.monotonic()
    wait_until(lambda: held() == [64] and database.value("SELECT count(*) FROM stream_now WHERE hub = %s", spool_id(second)) == 16, 60)
    took = time.monotonic() - died
    wait_until(lambda: database.value("SELECT min(looked_at) > now() - interval '10 s' FROM stream_state"), 30)
    assert cases(database) == [(sick, "no-picture", True)]
    rtspd.set("/good/" + sick[4:], "-")
    wait_until(lambda: cases(database) == [(sick, "no-picture", False)], 30)
    wait_until(all_are(database, "online", 16), 20)
    first.start()
    wait_until(lambda: held() == [32, 32], 40)
    wait_until(all_are(database, "online", 16), 20)  # what was let go is unknown until the other takes it
    time.sleep(3)
    assert cases(database) == [(sick, "no-picture", False)] and all_are(database, "online", 16)()
    print(f"taken over after {took:.1f} s")


def spool_id(hub):
    return (hub.dir / "spool" / "id").read_text().strip()


def test_a_prober_at_fault_says_nothing(make_eye, rtspd, database):
    held = {"camera.yaml": RULES["camera.yaml"].replace("clear: online", "clear: online\n    for: 20s")}
    hub = make_eye([camera(rtspd, i, interval="1s") for i in range(3)], probe={"canary": rtspd.url("/good/canary")}, rules=held)
    wait_until(all_are(database, "online", 3), 20)
    for path in ("/good/canary", "/good/0", "/good/1"):
        rtspd.set(path, "/404")
    hub.wait_part("probe", "degraded", timeout=40)
    wait_until(lambda: sorted(states(database).values()) == ["online", "unknown", "unknown"], 40)
    time.sleep(25)  # what was taken for offline before the canary was looked at again is withdrawn
    assert cases(database) == []
    assert hub.metric("gridhub_probe_at_fault") == 1
    for path in ("/good/canary", "/good/0", "/good/1"):
        rtspd.set(path, "-")
    wait_until(all_are(database, "online", 3), 60)
    hub.wait_part("probe", "ok", timeout=40)
    assert cases(database) == []


def test_maintenance_is_no_fault(make_eye, rtspd, database):
    hub = make_eye([camera(rtspd, i) for i in range(3)])
    wait_until(all_are(database, "online", 3), 20)
    hub.cmd("silence", "add", "--maintenance", "--device", "cam-1", "--for", "1h", "--by", "李敏", "--reason", "换机")
    rtspd.set("/good/1", "/404")
    wait_until(lambda: states(database)["cam-1"] == "maintenance", 20)
    wait_until(lambda: database.value("SELECT state FROM stream_state JOIN device ON id = device_id WHERE name = 'cam-1'") == 1, 30)
    (rate,) = hub.json_lines("stream", "rate", "--grid", "qx")
    assert (rate["streams"], rate["online"], rate["maintenance"], rate["online_pct"]) == (3, 2, 1, 100.0)
    assert cases(database) == []
    want = {"online": 2, "offline": 0, "unknown": 0, "maintenance": 1}
    row = 'gridhub_probe_grid_streams{{grid="{}",level="{}",state="{}"}}'.format
    want = {row(grid, level, state): n for level, grid in enumerate(("qx", "qx-yh")) for state, n in want.items()}
    told = lambda: {name: n for name, n in hub.metrics().items() if name.startswith("gridhub_probe_grid_streams")}
    wait_until(lambda: told() == want, 150, why="the grids' gauges")  # asked for each minute
    assert hub.metric("gridhub_probe_grids_left_out") == 0


def test_grids_in_metrics_are_bounded(make_hub, database):
    """The district comes first; what is left out is counted."""
    towns = [{"code": f"qx-{i}", "name": f"{i}街道", "level": 1, "parent": "qx"} for i in range(70)]
    cameras = [{"id": f"c-{i}", "class": "camera", "grid": f"qx-{i}", "stream": f"rtsp://127.0.0.1:1/{i}"} for i in range(70)]
    hub = make_hub(broker=False, conf={"probe": PROBE}, grids=[GRIDS[0], *towns], devices=cameras, rules=RULES)
    hub.wait_metric("gridhub_probe_grids_left_out", 7, 150)
    told = {name: n for name, n in hub.metrics().items() if name.startswith("gridhub_probe_grid_streams")}
    assert len(told) == 64 * 4
    assert sum(n for name, n in told.items() if 'grid="qx",level="0"' in name) == 70
    assert sum(n for name, n in told.items() if 'level="1"' in name) == 63


def test_looks_go_on_while_the_database_is_away(make_eye, rtspd, own_postgres, make_database):
    db = make_database(own_postgres)
    hub = make_eye([camera(rtspd, i) for i in range(3)], db=db)
    wait_until(all_are(db, "online", 3), 20)
    own_postgres.kill()
    hub.wait_part("database", "degraded", timeout=30)
    rtspd.set("/good/1", "/404")
    looks = hub.metric("gridhub_probe_readings_total")
    hub.wait_metric("gridhub_probe_readings_total", looks + 10, 40)
    own_postgres.start()
    wait_until(lambda: cases(db) == [("cam-1", "no-picture", True)], 60)
    wait_until(lambda: states(db) == {"cam-0": "online", "cam-1": "offline", "cam-2": "online"}, 30)
    since, back = db.row("SELECT since, pg_postmaster_start_time() FROM stream_now WHERE device = 'cam-1'")
    assert since < back  # it is known since when
    assert db.value("SELECT count(*) FROM probe_gap WHERE share IN (SELECT share FROM stream)") == 0  # it was looked at all the time


def test_a_worker_that_dies_takes_no_camera_along(make_eye, rtspd, database):
    hub = make_eye(None)
    children = lambda: [int(pid) for path in hub.process_tasks() for pid in path.read_text().split()]
    hub.process_tasks = lambda: list((PROC / str(hub.process.pid) / "task").glob("*/children"))
    wait_until(lambda: database.value("SELECT count(*) FROM probe_share WHERE holder IS NOT NULL") == 64, 20)
    assert not [pid for pid in children() if "--worker" in cmdline(pid)]  # no stream: nobody to look
    hub.import_("device", [camera(rtspd, i) for i in range(3)])
    wait_until(all_are(database, "online", 3), 40)
    workers = [pid for pid in children() if "--worker" in cmdline(pid)]
    assert len(workers) == 1
    os.kill(workers[0], signal.SIGKILL)
    looks = hub.metric("gridhub_probe_readings_total")
    hub.wait_metric("gridhub_probe_worker_restarts_total", 1, 30)
    hub.wait_metric("gridhub_probe_readings_total", looks + 6, 40)
    assert states(database) == {f"cam-{i}": "online" for i in range(3)} and cases(database) == []


PROC = Path("/proc")


def cmdline(pid):
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def test_a_new_view_is_accepted_by_people(make_eye, rtspd, database):
    hub = make_eye([camera(rtspd, 1)])
    wait_until(all_are(database, "online", 1), 20)
    assert hub.json_lines("stream", "accept", "cam-1") == [{"accepted": "cam-1"}]
    assert hub.cmd("stream", "accept", "nobody", check=False).returncode == 1
    wait_until(lambda: database.row("SELECT accept_at IS NULL, baseline::text <> '{}' FROM stream_baseline") == (True, True), 40)


def test_settings_are_read_anew(make_eye, rtspd, database):
    hub = make_eye([camera(rtspd, 1)], probe={"allow_addresses": []})
    hub.wait_metric('gridhub_probe_looks_total{depth="keyframe"}', 1, 20)
    time.sleep(3)
    assert database.value("SELECT count(*) FROM stream_state WHERE state = 0") == 0  # this machine is not on the list
    hub.conf["probe"]["allow_addresses"] = ["127.0.0.0/8"]
    hub.write_conf()
    hub.reload()
    wait_until(all_are(database, "online", 1), 40)
    hub.conf["probe"]["night"] = "25:00-06:00"
    hub.write_conf()
    hub.reload()
    hub.wait_log("the new settings of probe are bad", "probe.night")
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and "expected sun, or 19:00-06:00" in done.err


def test_no_broker_can_speak_for_the_prober(make_eye):
    hub = make_eye(None, start=False)
    hub.conf["mqtt"] = [{"name": "probe", "url": "mqtt://127.0.0.1:1", "client_id": "x",
                         "subscriptions": [{"topic": "city/v1/#", "adapter": "hub"}]}]
    hub.write_conf()
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and 'key "name": "probe" is what the hub\'s own looks are called' in done.err


def test_rates_by_time(make_eye, database):
    """Four cameras over ten hours: always on, half of it off, in maintenance for a part, and nobody looked for a part."""
    hub = make_eye([{"id": f"c-{i}", "class": "camera", "grid": "qx-yh-1-1-3" if i < 3 else "qx-yh-1",
                     "stream": f"rtsp://10.0.0.{i}/"} for i in range(4)], start=False)
    database.rows("UPDATE stream SET added_at = now() - interval '20 h', share = (SELECT right(name, 1)::int FROM device WHERE id = device_id)")
    database.rows("""INSERT INTO stream_span SELECT t.district_id, device_id, now() - interval '12 h', 0, '' FROM stream t""")
    database.rows("""INSERT INTO stream_span SELECT t.district_id, device_id, now() - interval '5 h', 1, 'timeout' FROM stream t
                     JOIN device d ON d.id = device_id WHERE d.name IN ('c-1', 'c-2')""")
    database.rows("""INSERT INTO silence (district_id, maintenance, device_id, from_at, to_at, who, why)
                     SELECT district_id, true, id, now() - interval '4 h', now() + interval '1 h', 'x', 'y' FROM device WHERE name = 'c-2'""")
    database.rows("INSERT INTO probe_share SELECT id, n, 'hub', now() + interval '1 h' FROM district, generate_series(0, 63) n")
    database.rows("INSERT INTO probe_gap SELECT id, 3, now() - interval '9 h', now() - interval '6 h' FROM district")
    hours = dict((name, tuple(round(x / 3600, 1) for x in rest)) for name, *rest in database.rows(
        """SELECT d.name, online_s, offline_s, unknown_s, maintenance_s FROM district x,
           stream_time(x.id, now() - interval '10 h', now() + interval '9 h') s JOIN device d ON d.id = s.device_id"""))
    assert hours == {"c-0": (10, 0, 0, 0), "c-1": (5, 5, 0, 0), "c-2": (5, 1, 0, 4), "c-3": (7, 0, 3, 0)}
    rate = {one["grid"]: one for one in hub.json_lines("stream", "rate", "--hours", 10)}
    assert rate["qx-yh-1-1-3"]["online_pct"] == round(100 * 20 / 26, 2) and rate["qx"]["online_pct"] == round(100 * 27 / 33, 2)
    assert (rate["qx"]["unknown_h"], rate["qx"]["maintenance_h"]) == (3, 4)
    # What is asked for step by step is what the view says.
    database.rows("INSERT INTO stream_state SELECT district_id, device_id, right(device_id::text, 1)::int % 2, '', '', now(), now() FROM stream")
    now = hub.json_lines("stream", "rate")
    assert len(now) == 5 and now[0]["maintenance"] == 1 and {one["streams"] for one in now} == {4, 3}
    assert now == [dict(zip(now[0], (*row[:-1], row[-1] and float(row[-1])))) for row in database.rows(
        "SELECT code, name, level, streams, online, offline, unknown, maintenance, online_pct FROM online_now ORDER BY level, code")]
    # Whoever has no hub is unknown since its lease ran out, whatever was believed then.
    database.rows("UPDATE probe_share SET expires_at = now() - interval '2 h' WHERE share = 0")
    assert database.row("SELECT state, cause, round(extract(epoch FROM now() - since)) FROM stream_now WHERE device = 'c-0'") == (
        "unknown", "no_hub", 7200)
    assert database.value("""SELECT round(unknown_s) FROM district x, stream_time(x.id, now() - interval '10 h', now()) s
                             JOIN device d ON d.id = s.device_id WHERE d.name = 'c-0'""") == 7200
    assert database.value("SELECT count(*) FROM online_by_hour WHERE code = 'qx'") in (20, 21)


def test_a_hub_among_others_stops_when_it_cannot_renew(make_eye, make_rtspd, own_postgres, make_database):
    """Another one may have taken over; but once the database is back they share again."""
    db = make_database(own_postgres)
    rtspd = make_rtspd(clips=servers.camera_clips(), options={"join": "key"}, hosts=9)
    hubs = [make_eye([camera(rtspd, i, stream=rtspd.url(f"/good/{i}", host=rtspd.host(i + 1))) for i in range(8)], db=db)]
    hubs.append(make_eye(None, db=db, migrate=False))
    held = lambda: [hub.metric("gridhub_probe_shares") for hub in hubs]
    wait_until(lambda: held() == [32, 32], 40)
    own_postgres.kill()
    wait_until(lambda: held() == [0, 0], 60)
    for hub in hubs:
        hub.wait_log("the leases could not be renewed")
    own_postgres.start()
    wait_until(lambda: held() == [32, 32], 60)
    wait_until(all_are(db, "online", 8), 40)
    assert cases(db) == []
