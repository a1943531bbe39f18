"""Grids and devices: imported from CSV and JSON lines, listed, removed; every fault named with its line."""

import json
import resource
import time

import pytest
from conftest import DEVICES, GRIDS, wait_until

GRID_CSV = '''\
code,name,level,kind,parent,leader,deputy,endpoint
qx,栖霞区,0,,,,,
yh,尧化街道,1,comprehensive,qx,周主任,,leader
yh-1,"翠林社区, ""东""",2,dedicated,yh,王强,李敏,
'''
DEVICE_CSV = """\
id,title,class,adapter,address,grid,lon,lat,parent,interval,stream
bin-1,垃圾箱,bin,hub,,yh-1,118.9,32.1,,10m,
cam-1,摄像机,camera,frigate,front,yh-1,,,,,rtsp://127.0.0.1/1
lid-1,,sensor,zigbee2mqtt,street/lid-1,yh,,,bin-1,1h30m,
"""


@pytest.fixture
def hub(make_hub):
    return make_hub(broker=False, start=False)


@pytest.fixture
def district(hub):
    """A hub with GRID_CSV and DEVICE_CSV in its registry."""
    import_text(hub, "grid", GRID_CSV)
    import_text(hub, "device", DEVICE_CSV)
    return hub


def import_text(hub, what, text, *args, check=True, name=None):
    path = hub.dir / (name or f"{what}.csv")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = hub.cmd(what, "import", path, *args, check=check)
    done.counts = json.loads(done.out) if done.out else None
    return done


def counts(inserted=0, updated=0, unchanged=0, refused=0):
    return {"inserted": inserted, "updated": updated, "unchanged": unchanged, "refused": refused}


def faults(done):
    """(line, text) of each fault."""
    lines = [line.split(":", 2) for line in done.err.splitlines() if not line.startswith("gridhub:")]
    return [(int(line[1]), line[2].strip()) for line in lines]


def revision(hub):
    return hub.db.value("SELECT registry_rev FROM district WHERE name = 'qixia'")


def test_csv_goes_in_and_comes_out(hub):
    assert import_text(hub, "grid", GRID_CSV).counts == counts(inserted=3)
    assert import_text(hub, "device", DEVICE_CSV).counts == counts(inserted=3)
    assert hub.json_lines("grid", "list") == [
        {"code": "qx", "name": "栖霞区", "level": 0, "kind": "comprehensive"},
        {"code": "yh", "name": "尧化街道", "level": 1, "kind": "comprehensive", "parent": "qx", "leader": "周主任",
         "endpoint": "leader"},
        {"code": "yh-1", "name": '翠林社区, "东"', "level": 2, "kind": "dedicated", "parent": "yh", "leader": "王强",
         "deputy": "李敏"},
    ]
    assert hub.json_lines("device", "list") == [
        {"id": "bin-1", "title": "垃圾箱", "class": "bin", "adapter": "hub", "address": "bin-1", "grid": "yh-1",
         "lon": 118.9, "lat": 32.1, "interval_s": 600},
        {"id": "cam-1", "title": "摄像机", "class": "camera", "adapter": "frigate", "address": "front", "grid": "yh-1",
         "stream": "rtsp://127.0.0.1/1"},
        {"id": "lid-1", "class": "sensor", "adapter": "zigbee2mqtt", "address": "street/lid-1", "grid": "yh",
         "parent": "bin-1", "interval_s": 5400},
    ]


def test_lists_are_narrowed_by_grid_and_class(district):
    ids = lambda *args: [d["id"] for d in district.json_lines("device", "list", *args)]
    assert ids("--grid", "yh-1") == ["bin-1", "cam-1"]
    assert ids("--grid", "yh") == ["bin-1", "cam-1", "lid-1"]
    assert ids("--class", "camera") == ["cam-1"]
    assert ids("--grid", "yh", "--class", "sensor") == ["lid-1"]
    assert district.cmd("device", "list", "--grid", "nix", check=False).returncode == 1
    assert district.cmd("device", "list", "--class", "lamp", check=False).returncode == 2


def test_an_endpoint_that_is_not_configured_is_warned_of(hub):
    done = import_text(hub, "grid", GRID_CSV)
    assert done.counts == counts(inserted=3)
    assert 'grid.csv:3: warning: the configuration has no endpoint "leader"' in done.err
    hub.conf["endpoints"] = [{"name": "leader", "url": "http://127.0.0.1:1/"}]
    hub.write_conf()
    assert "warning" not in import_text(hub, "grid", GRID_CSV).err


def test_bom_crlf_and_stdin(hub):
    text = "\ufeff" + GRID_CSV.replace("\n", "\r\n")
    done = hub.cmd("grid", "import", "-", input=text)
    assert json.loads(done.out) == counts(inserted=3)


def test_json_lines(hub):
    hub.import_("grid", GRIDS)
    done = hub.import_("device", DEVICES)
    assert json.loads(done.out) == counts(inserted=len(DEVICES))
    lines = json.dumps({"id": "n", "class": "bin", "adapter": "hub", "grid": "qx", "lon": 1.5, "lat": 2, "title": None})
    done = hub.cmd("device", "import", "-", "--format", "jsonl", input=lines + "\n\n")
    assert json.loads(done.out) == counts(inserted=1)
    assert hub.db.row("SELECT lon, lat, title FROM device WHERE name = 'n'") == (1.5, 2, None)


def test_a_second_import_changes_nothing_and_a_third_what_differs(district):
    before = revision(district)
    assert import_text(district, "device", DEVICE_CSV).counts == counts(unchanged=3)
    text = DEVICE_CSV.replace("10m", "20m").replace("lid-1,,", "lid-1,井盖,")
    assert import_text(district, "device", text).counts == counts(updated=2, unchanged=1)
    rows = dict(district.db.rows("SELECT name, rev FROM device"))
    assert rows["bin-1"] == rows["lid-1"] == revision(district) > before
    assert rows["cam-1"] == before


def test_columns_that_are_missing_keep_their_value(district):
    text = "id,class,adapter,grid,interval\nbin-1,bin,hub,yh-1,\nlid-1,sensor,zigbee2mqtt,yh,1h30m\n"
    assert import_text(district, "device", text).counts == counts(updated=1, unchanged=1)
    assert district.json_lines("device", "list", "--class", "bin") == [
        {"id": "bin-1", "title": "垃圾箱", "class": "bin", "adapter": "hub", "address": "bin-1", "grid": "yh-1",
         "lon": 118.9, "lat": 32.1}]
    assert import_text(district, "grid", "code,name,level\nyh,尧化,1\n").counts == counts(updated=1)
    assert district.json_lines("grid", "list")[1]["leader"] == "周主任"


def test_an_interval_is_of_a_year_at_most(district):
    """Multiples of it are added to times; these ran over."""
    text = "id,class,adapter,grid,interval\nbin-1,bin,hub,yh-1,{}\n"
    assert import_text(district, "device", text.format("106751990d"), check=False).counts["refused"] == 1
    assert import_text(district, "device", text.format("366d")).counts["refused"] == 0


def test_all_faults_are_listed_and_nothing_is_written(hub):
    text = GRID_CSV + ('a,甲,two,,qx,,,\nb,,1,,qx,,,\nc,丙,1,odd,nix,,,\nqx,again,0,,,,,\nd,丁,1,,"x"y,,,\ne,戊,1\n')
    done = import_text(hub, "grid", text, check=False)
    assert done.returncode == 1
    assert done.counts == counts(refused=6)
    found = faults(done)
    assert [line for line, _ in found] == [5, 6, 7, 7, 8, 9, 10]
    assert found[0][1] == 'column "level": value "two": expected a whole number from 0 to 9'
    assert found[1][1] == 'column "name": must not be empty'
    assert found[2][1] == 'column "kind": value "odd": expected one of comprehensive, dedicated'
    assert found[3][1] == 'column "parent": value "nix": no grid has this code'
    assert found[4][1] == 'column "code": value "qx": stands on line 2 already'
    assert "closing quote" in found[5][1]
    assert "3 cells, the header has 8" in found[6][1]
    assert hub.db.value("SELECT count(*) FROM grid") == 0


def test_partial_writes_the_good_lines(hub):
    text = GRID_CSV + "a,甲,two,,qx,,,\nb,乙,2,,a,,,\nc,丙,3,,b,,,\nd,丁,2,,yh,,,\n"
    done = import_text(hub, "grid", text, "--partial")
    assert done.counts == counts(inserted=4, refused=3)
    assert [line for line, _ in faults(done)] == [5, 6, 7]
    assert hub.db.rows("SELECT code FROM grid ORDER BY code") == [("d",), ("qx",), ("yh",), ("yh-1",)]


def test_unknown_columns_are_refused_with_the_nearest_name(hub):
    done = import_text(hub, "grid", "code,nmae,level,name\nqx,x,0,x\n", check=False)
    assert done.returncode == 1
    assert faults(done) == [(1, 'unknown column "nmae"; the nearest is "name"')]
    done = import_text(hub, "grid", "code,name\nqx,x\n", check=False)
    assert faults(done) == [(1, 'column "level" is missing')]
    done = import_text(hub, "grid", '{"code":"qx","name":"x","level":0,"lider":"y"}\n', check=False, name="g.jsonl")
    assert faults(done) == [(1, 'unknown column "lider"; the nearest is "leader"')]
    assert import_text(hub, "grid", "", check=False).returncode == 1


def test_cycles_are_refused(district):
    cycle = "code,name,level,parent\nqx,栖霞区,0,yh-1\n"
    done = import_text(district, "grid", cycle, check=False)
    assert faults(done) == [(2, 'column "parent": value "yh-1": the parents form a cycle, or lead into one')]
    done = import_text(district, "grid", "code,name,level,parent\na,a,1,b\nb,b,1,a\nc,c,1,c\n", "--partial")
    assert done.counts == counts(refused=3)
    devices = "id,class,adapter,grid,parent\nbin-1,bin,hub,yh-1,lid-1\n"
    done = import_text(district, "device", devices, check=False)
    assert faults(done) == [(2, 'column "parent": value "lid-1": the parents form a cycle')]


def test_bad_devices(district):
    text = ("id,class,adapter,address,grid,lon,lat,parent,interval\n"
            "a,lamp,hub,,yh,,,,\n"
            "b,bin,mqtt,,yh,,,,\n"
            "c,bin,hub,,nix,,,,\n"
            "d,bin,hub,,yh,181,0,,\n"
            "e,bin,hub,,yh,118.9,,,\n"
            "f,bin,hub,,yh,,,nix,\n"
            "g,bin,hub,,yh,,,,soon\n"
            "h,bin,hub,bin-1,yh,,,,\n"
            "i,bin,hub,same,yh,,,,\n"
            "j,bin,hub,same,yh,,,,\n"
            "k,bin,hub,,yh,nan,0,,\n").encode() + b"l\xff,bin,hub,,yh,,,,\n"
    done = import_text(district, "device", text, check=False)
    found = faults(done)
    assert [line for line, _ in found] == [2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13]
    for (_, fault), part in zip(found, ["camera, sensor, bin", "hub, zigbee2mqtt, frigate", "no grid has this code",
                                        "from -180 to 180", "lon and lat together", "no device has this id",
                                        "a duration such as", 'is the address of device "bin-1"', "on line 10 too",
                                        "from -180 to 180", "not UTF-8"]):
        assert part in fault
    assert done.counts == counts(refused=11)
    assert district.db.value("SELECT count(*) FROM device") == 3


def test_many_faults_are_counted_not_all_shown(hub):
    text = "code,name,level\n" + "".join(f"g{i},x,y\n" for i in range(3000))
    done = import_text(hub, "grid", text, check=False)
    assert done.counts == counts(refused=3000)
    lines = [line for line in done.err.splitlines() if not line.startswith("gridhub:")]
    assert len(lines) == 1001
    assert lines[-1].endswith("and 2000 errors more")


def test_two_devices_change_places(district):
    text = "id,class,adapter,address,grid\nbin-1,bin,hub,b-2,yh-1\nbin-2,bin,hub,bin-1,yh-1\n"
    assert import_text(district, "device", text).counts == counts(inserted=1, updated=1)
    text = "id,class,adapter,address,grid\nbin-1,bin,hub,bin-1,yh-1\nbin-2,bin,hub,b-2,yh-1\n"
    assert import_text(district, "device", text).counts == counts(updated=2)
    assert district.db.rows("SELECT name, address FROM device WHERE class = 3 ORDER BY name") == [
        ("bin-1", "bin-1"), ("bin-2", "b-2")]


def test_a_device_is_removed_and_comes_back(district):
    before = revision(district)
    assert district.json_lines("device", "remove", "cam-1") == [{"removed": "cam-1", "cases_closed": 0}]
    assert district.db.value("SELECT rev FROM device WHERE name = 'cam-1' AND removed_at IS NOT NULL") > before
    assert [d["id"] for d in district.json_lines("device", "list")] == ["bin-1", "lid-1"]
    again = district.cmd("device", "remove", "cam-1", check=False)
    assert again.returncode == 1 and 'no device has the id "cam-1"' in again.err
    assert revision(district) == before + 1  # what failed took no revision
    assert import_text(district, "device", DEVICE_CSV).counts == counts(updated=1, unchanged=2)
    assert len(district.json_lines("device", "list")) == 3


def test_a_device_that_was_registered_by_itself_gets_its_name(district):
    db = district.db
    db.rows("""INSERT INTO device (district_id, name, class, adapter, address, grid_id, auto, rev)
               SELECT d.id, 'hub:b-9', 3, 'hub', 'b-9', g.id, true, 1 FROM district d, grid g WHERE g.code = 'qx'""")
    db.rows("""INSERT INTO unknown_device (district_id, adapter, address, class, first_seen, last_seen, messages, topic, payload)
               SELECT id, 'hub', 'b-9', 3, now(), now(), 1, 't', 'x' FROM district""")
    old = db.value("SELECT id FROM device WHERE auto")
    text = "id,class,adapter,address,grid\nbin-9,bin,hub,b-9,yh-1\n"
    assert import_text(district, "device", text).counts == counts(updated=1)
    assert db.row("SELECT id, name, auto FROM device WHERE address = 'b-9'") == (old, "bin-9", False)
    assert db.value("SELECT count(*) FROM unknown_device") == 0


def test_unknown_and_rejected_are_listed(hub):
    db = hub.db
    hub.cmd("grid", "list")  # makes the district
    db.rows("""INSERT INTO unknown_device (district_id, adapter, address, class, first_seen, last_seen, messages, topic, payload)
               SELECT id, 'hub', 'b-9', 3, now(), now(), 7, 'city/x', $1 FROM district""".replace("$1", "%s"),
            '{"fill":"满"}'.encode() + b"\xff\x00\"\\")
    db.rows("""INSERT INTO rejected_message (district_id, at, source, topic, reason, detail, payload)
               SELECT id, now(), 'street', 'a/"b', 'json', 'line 1', '' FROM district""")
    (unknown,) = hub.json_lines("device", "unknown")
    assert unknown["payload"] == '{"fill":"满"}\ufffd\x00"\\'
    assert (unknown["address"], unknown["class"], unknown["messages"]) == ("b-9", "bin", 7)
    (rejected,) = hub.json_lines("device", "rejected")
    assert (rejected["topic"], rejected["reason"], rejected["payload"]) == ('a/"b', "json", "")


def test_a_hundred_thousand_devices(district):
    rows = "".join(f"s-{i},传感器{i},sensor,hub,,yh-1,118.{i % 1000},32.1,,10m,{'p-0' if i % 7 else ''}\n"
                   for i in range(100000))
    text = "id,title,class,adapter,address,grid,lon,lat,stream,interval,parent\np-0,,bin,hub,,yh,,,,,\n" + rows
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = import_text(district, "device", text)
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert done.counts == counts(inserted=100001)
    assert "read 100001 rows" in done.err
    assert district.db.value("SELECT count(*) FROM device WHERE parent_id IS NOT NULL") == 85714 + 1
    assert import_text(district, "device", text).counts == counts(unchanged=100001)
    assert took < 10  # of its own: the machine may be busy


def test_streams_and_their_passwords(hub):
    """Kept apart from the URL, shown to nobody, and kept when a list that was exported comes back."""
    hub.import_("grid", GRIDS)
    first = "rtsp://ad%40min:ge:he%2Fim@10.1.2.3/ch1?x=1"
    row = {"id": "c-1", "class": "camera", "grid": "qx", "stream": first, "substream": "rtsp://10.1.2.3:554/ch2", "ptz": "yes"}

    def put(expected, **change):
        line = {k: v for k, v in {**row, **change}.items() if v is not None}
        done = hub.cmd("device", "import", "-", "--format", "jsonl", input=json.dumps(line), check=False)
        assert "heim" not in done.err + done.out
        if isinstance(expected, str):
            assert done.returncode == 1 and expected in done.err, done.err
        else:
            assert json.loads(done.out) == counts(**expected), done.out + done.err

    stored = lambda: hub.db.row("SELECT t.url, s.login, t.sub_url, s.sub_login, t.host, t.ptz FROM stream t"
                                " LEFT JOIN stream_secret s USING (district_id, device_id)")
    put({"inserted": 1})
    put({"unchanged": 1})
    assert stored() == ("rtsp://10.1.2.3/ch1?x=1", "ad%40min:ge:he%2Fim", "rtsp://10.1.2.3:554/ch2", None, "10.1.2.3:554", True)
    assert hub.db.value("SELECT stream::text FROM stream").find("heim") == -1
    (shown,) = hub.json_lines("device", "list")
    assert shown["stream"] == "rtsp://ad%40min:***@10.1.2.3/ch1?x=1" and shown["adapter"] == "probe"
    assert shown["address"] == "c-1" and shown["ptz"] == "yes"
    put({"unchanged": 1}, stream=shown["stream"])
    put({"updated": 1}, stream="rtsp://other:***@10.1.2.3/ch9")
    assert stored()[:2] == ("rtsp://10.1.2.3/ch9", "other:ge:he%2Fim")
    put("the stored password was given for another host", stream="rtsp://other:***@10.6.6.6/ch9")
    put("no password is stored", substream="rtsp://u:***@10.1.2.3/ch2")
    put({"updated": 1}, stream=None, substream=None, ptz=None, title="门口")  # columns that are not there keep their value
    assert stored()[:2] == ("rtsp://10.1.2.3/ch9", "other:ge:he%2Fim")
    put("needs a stream to look at", stream="", substream="")
    put({"updated": 1}, stream="", substream="", adapter="hub")
    assert hub.db.value("SELECT count(*) FROM stream") == hub.db.value("SELECT count(*) FROM stream_secret") == 0
    put("needs class camera", **{"class": "sensor"}, adapter="hub")
    # What two readers could read differently is refused; what is taken is taken apart in the same way here and there.
    for odd in ("he#im", "he?im", "he/im", "he@im", "he:im", "he im", "he%40im", "he\\\\im", "he[im]", "heim%2F@x"):
        line = {**row, "id": "odd", "stream": f"rtsp://u:{odd}@10.1.2.3/ch1", "substream": ""}
        hub.cmd("device", "import", "-", "--format", "jsonl", input=json.dumps(line), check=False)
        for (url,) in hub.db.rows("SELECT url FROM stream JOIN device ON id = device_id WHERE name = 'odd'"):
            assert url == "rtsp://10.1.2.3/ch1", odd


def test_the_channels_of_a_recorder_belong_to_one_share(hub):
    hub.import_("grid", GRIDS)
    hub.import_("device", [{"id": f"c-{i}", "class": "camera", "grid": "qx", "stream": f"rtsp://10.0.{i // 64}.1/ch{i % 64}"}
                           for i in range(640)])
    assert hub.db.value("SELECT count(*) FROM (SELECT host FROM stream GROUP BY host HAVING count(DISTINCT share) > 1) x") == 0
    assert hub.db.value("SELECT count(DISTINCT share) FROM stream") > 5
    hub.import_("device", [{"id": f"m-{i}", "class": "camera", "grid": "qx", "stream": f"rtsp://media.example/{i}"}
                           for i in range(640)])
    assert hub.db.value("SELECT count(DISTINCT share) FROM stream WHERE host LIKE 'media%%'") == 64


def test_a_running_hub_sees_an_import_within_a_second(make_hub, publisher):
    """Unknown, imported, heard, moved to another grid, removed, unknown again."""
    hub = make_hub(grids=GRIDS, devices=[])
    topic = "city/v1/qixia/qx-yh-1/bin/late-1/tele"

    def publish_until(what):
        start = time.monotonic()

        def seen():
            publisher.publish(topic, {"temp_c": 20})
            return what()

        wait_until(seen, 10, interval=0.1)
        return time.monotonic() - start

    readings = lambda: hub.db.value("SELECT count(*) FROM reading")
    publish_until(lambda: [d["address"] for d in hub.json_lines("device", "unknown")] == ["late-1"])
    assert readings() == 0
    hub.import_("device", [{"id": "late-1", "class": "bin", "adapter": "hub", "grid": "qx-yh-1"}])
    assert publish_until(lambda: readings() > 0) < 2.5  # a second for the registry, and a batch
    assert hub.json_lines("device", "unknown") == []
    hub.cmd("device", "remove", "late-1")
    publish_until(lambda: hub.json_lines("device", "unknown"))


def test_a_missing_file_and_bad_usage(hub):
    done = hub.cmd("grid", "import", "/nix", check=False)
    assert done.returncode == 1 and "/nix: cannot open" in done.err
    assert hub.cmd("grid", "import", check=False).returncode == 2
    assert hub.cmd("grid", "import", "x", "--format", "xml", check=False).returncode == 2
    assert hub.cmd("device", "lsit", check=False).returncode == 2
    assert hub.cmd("device", "remove", check=False).returncode == 2
    assert "substream" in hub.cmd("device", "import", "--help").out
