"""gridhub replay: what it says of stored readings is what the hub did when they came."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from conftest import DEVICES, GRIDS, HUB, RULES, ROOT, topic_of, wait_until

READINGS = "SELECT count(*) FROM reading"
LIVE = """SELECT c.rule_id, d.name, to_char(c.first_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                 to_char(c.last_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), c.event_count,
                 to_char(c.recovered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
          FROM grid_case c JOIN device d ON d.id = c.device_id"""
OWN_RULES = """
rules:
  - id: t.hot
    class: any
    when: temp_c > 50.0 && humidity_pct < 60.0
    for: 300ms
    clear: temp_c < 45.0
    clear_for: 200ms
    kind: event-0592
    title: {zh-CN: "{device.name} {temp_c}"}
  - id: t.half
    class: bin
    when: fill_pct / 2 >= 45.5
    kind: event-0192
    title: {zh-CN: "{fill_pct}"}
    flap: {count: 3, within: 1m}
  - id: t.jump
    class: bin
    when: delta(fill_pct, '2s') > 60.0
    flap: off
    kind: event-0192
    title: {zh-CN: "{fill_pct}"}
  - id: t.average
    class: any
    when: avg(temp_c, 4) > 48.0 && count(temp_c > 50.0, '1s') >= 2
    flap: off
    kind: event-0592
    title: {zh-CN: "{temp_c}"}
  - id: t.risen
    class: bin
    event: true
    when: has(prev.fill_pct) && fill_pct - prev.fill_pct > 80.0
    kind: event-0192
    title: {zh-CN: "{fill_pct}"}
  - id: t.many
    class: any
    scope: grid
    when: devices(temp_c > 50.0, '1s') >= 3
    for: 100ms
    flap: off
    kind: event-0592
    title: {zh-CN: "{grid.name}"}
  - id: t.silent
    class: any
    silent: 10s
    flap: off
    kind: part-0591
    title: {zh-CN: "{device.name}"}
  - id: t.shadow
    class: any
    when: temp_c > 40.0
    shadow: true
    kind: event-0592
    title: {zh-CN: "{temp_c}"}
  - id: t.seen
    class: any
    event: true
    when: label in ['fire', 'smoke']
    kind: event-0591
    title: {zh-CN: "{label}"}
"""


def replay(hub, *argv, **kw):
    return hub.json_lines("replay", "--json", *argv, **kw)


def of_kind(lines, kind):
    return [line for line in lines if line["kind"] == kind]


def live_cases(database):
    return sorted(map(tuple, database.rows(LIVE)), key=str)


def replayed_cases(lines):
    return sorted(((c["rule"], c["device"], c["first_seen"], c["last_seen"], c["event_count"], c["recovered_at"])
                   for c in of_kind(lines, "case") if not c["shadow"]), key=str)


def iso(t):
    return t.astimezone(timezone.utc).isoformat(timespec="microseconds")


def pack_rules(extra):
    rules = {p.name: p.read_text() for p in (ROOT / "rules").glob("*.yaml")}
    return {**rules, "test.yaml": extra}


# ---- the same as live ----

BINS = [f"bin-{n}" for n in range(12)]
SENSORS = [f"sense-{n}" for n in range(6)]
MANY = ([{"id": b, "class": "bin", "adapter": "hub", "address": b, "grid": "qx-yh-1-1-3"} for b in BINS]
        + [{"id": s, "class": "sensor", "adapter": "hub", "address": s, "grid": "qx-yh-1-1", "interval": "5m"}
           for s in SENSORS])


def random_message(rng, n):
    """One message of some device: values around the thresholds, ints and doubles, at times late, without a time, or twice."""
    now = datetime.now(timezone.utc)
    bin_ = rng.random() < 0.7
    device = rng.choice(BINS if bin_ else SENSORS)
    fields = {"n": n, "note": rng.choice(["", "半满", "a\"\\\n", "x" * rng.randrange(400)])}
    if bin_:
        fields |= {"fill_pct": rng.choice([10, 10.0, 70, 84.9, 85, 91, 91.0, 95, 99.5]), "spill": rng.random() < 0.02}
    if rng.random() < 0.6:
        fields |= {"temp_c": rng.choice([20, 44, 46.5, 51.0, 55, 61.25, None]), "humidity_pct": rng.randrange(20, 90)}
    if not bin_:
        fields |= {"battery_pct": rng.choice([3, 5.0, 15, 80]), "smoke": rng.random() < 0.1}
    if rng.random() < 0.05:  # several readings in one message (SenML), not in the order of time
        return topic_of(device, "tele", "bin" if bin_ else "sensor"), [
            {"n": name, "v": value, "t": (now - timedelta(seconds=rng.choice([0, 0.2, 1, 2, 4000]))).timestamp()}
            for name in ("fill_pct", "temp_c", "humidity_pct") for value in rng.sample([10, 30.5, 55, 91.0, 95, 99.5], 2)]
    kind = "tele"
    if rng.random() < 0.1:
        kind = "event"
        fields |= {"wrong_drop": True, "label": rng.choice(["fire", "dog", "smoke"])}
    if rng.random() < 0.8:
        late = rng.choice([0, 0, 0, 0, 0.05, 0.4, 30, 4000])
        fields["ts"] = iso(now - timedelta(seconds=late))
    if rng.random() < 0.5:
        fields["seq"] = n
    return topic_of(device, kind, "bin" if bin_ else "sensor"), fields


def publish_some(publisher, rng, first, count):
    sent = []
    for n in range(first, first + count):
        message = rng.choice(sent) if sent and rng.random() < 0.05 else random_message(rng, n)
        sent.append(message)
        publisher.publish(*message, wait=False)
        if n % 100 == 99:
            time.sleep(0.12)  # holds of the test's rules run out between messages, and in the middle of them
    publisher.publish(topic_of(BINS[0]), {"n": first + count, "last": True})


def test_replay_opens_the_cases_that_live_opened(make_hub, database, publisher):
    rng = random.Random(int(os.environ.get("SEED", "20261121")))
    hub = make_hub(grids=GRIDS, devices=MANY, rules=pack_rules(OWN_RULES), conf={"intake": {"batch_time": "20ms"}})
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    killer = threading.Timer(0.9, hub.kill)
    killer.start()
    publish_some(publisher, rng, 0, 1500)  # the rest waits in the session
    killer.join()
    hub.start()
    publish_some(publisher, rng, 1501, 800)
    assert hub.restart().running
    publish_some(publisher, rng, 2302, 1000)
    for device in BINS[::2]:
        publisher.publish(topic_of(device), {"fill_pct": 10, "temp_c": 20, "spill": False, "humidity_pct": 50})
    wait_until(lambda: database.value("SELECT count(*) FROM reading WHERE fields ? 'last'") == 3, 30, why="the last readings")
    time.sleep(11)  # all holds are over, and all devices silent
    ended = datetime.now(timezone.utc)
    assert hub.stop() == 0

    lines = replay(hub, "--from", iso(began), "--to", iso(ended), "--closed-after", "never", "--cases")
    live, replayed = live_cases(database), replayed_cases(lines)
    assert [c for c in live if c not in replayed] == [c for c in replayed if c not in live] == []
    assert len(live) == len(replayed) > 30
    assert database.value("SELECT count(*) FROM grid_case WHERE recovered_at IS NOT NULL") > 3
    (summary,) = of_kind(lines, "summary")
    assert summary["readings"] == database.value(READINGS) > 2500
    cases = [c for c in of_kind(lines, "case") if not c["shadow"]]
    assert summary["shadow_opened"] > 5
    assert summary["opened"] == len(cases) == sum(r["opened"] for r in of_kind(lines, "rule") if not r["shadow"])
    assert summary["opened"] == sum(d["opened"] for d in of_kind(lines, "grid_day"))
    assert summary["opened"] == sum(d["opened"] for d in of_kind(lines, "leader_day"))
    assert sum(c["event_count"] for c in cases) == summary["opened"] + summary["folded"]
    assert {d["leader"] for d in of_kind(lines, "leader_day")} == {"张伟", "李敏"}


# ---- stored readings, put there by hand ----

@pytest.fixture
def stored(make_hub, database):
    """put(device, minute, fields, …): a reading so many minutes after `stored.start`; hub(rules) is made at first use."""
    class Stored:
        start = datetime(2026, 11, 2, 8, 0, tzinfo=timezone.utc)
        hub = None

        def make(self, rules=None, devices=DEVICES, **kw):
            self.hub = make_hub(grids=GRIDS, devices=devices, rules=rules or RULES, start=False, broker=False, **kw)
            self.ids = dict(database.rows("SELECT name, id FROM device"))
            database.rows("SELECT reading_make_partitions('2026-11-01', '2026-11-05')")
            return self

        def at(self, minute):
            return self.start + timedelta(minutes=minute)

        def put(self, device, minute, fields, kind=1, at=None):
            database.rows("INSERT INTO reading SELECT id, %s, %s, %s, %s, %s::jsonb FROM district", self.at(minute),
                          self.at(minute if at is None else at), self.ids[device], kind, json.dumps(fields))

        def replay(self, *argv, first=-600, last=600, **kw):
            return replay(self.hub, "--from", iso(self.at(first)), "--to", iso(self.at(last)), *argv, **kw)

    return Stored()


def rule_line(lines, rule, **more):
    (found,) = [line for line in of_kind(lines, "rule") if line["rule"] == rule and all(line[k] == v for k, v in more.items())]
    return found["opened"], found["folded"], found["recovered"]


def test_counts_by_rule_grid_and_leader_a_day(stored):
    s = stored.make()
    for minute in (0, 1, 2):
        s.put("bin-1", minute, {"fill_pct": 95})
    s.put("bin-1", 3, {"fill_pct": 10})
    s.put("bin-1", 124, {"fill_pct": 95})  # counts as closed two hours after it recovered
    s.put("bin-1", 8 * 60, {"fill_pct": 95})  # the next day in Shanghai
    s.put("bin-1", 8 * 60 + 1, {"wrong_drop": True}, kind=2)
    lines = s.replay()
    assert rule_line(lines, "bin-full") == (2, 3, 1)
    assert rule_line(lines, "wrong-drop") == (1, 0, 0)
    days = [(d["day"], d["opened"], d["folded"], d["recovered"]) for d in of_kind(lines, "grid_day")]
    assert days == [("2026-11-02", 2, 2, 1), ("2026-11-03", 1, 1, 0)]
    assert {(d["grid"], d["name"]) for d in of_kind(lines, "grid_day")} == {("qx-yh-1-1-3", "3号楼")}
    assert [(d["leader"], d["day"], d["opened"]) for d in of_kind(lines, "leader_day")] == [
        ("张伟", "2026-11-02", 2), ("张伟", "2026-11-03", 1)]
    never = s.replay("--closed-after", "never")
    assert rule_line(never, "bin-full") == (1, 4, 1)


def test_rows_come_in_the_order_of_arrival(stored, database):
    """A long row leaves a hole that a short one fills later, so that a partition is not in order."""
    s = stored.make(rules={"test.yaml": RULES["test.yaml"].replace("severity: high", "flap: off")})
    rng = random.Random(1)
    with database.connect() as c, c.cursor().copy("COPY reading FROM STDIN") as copy:
        for n in range(30000):
            at = s.at(n / 100).isoformat()
            pct = 95 if n % 2 == 0 else 10
            fields = json.dumps({"fill_pct": pct, "n": n, "pad": "x" * rng.choice([1, 5, 20, 300])})
            copy.write_row((1, at, at, s.ids["bin-1"], 1, fields))
    order = [n for (n,) in database.rows("SELECT (fields ->> 'n')::int FROM reading")]
    assert order != sorted(order)
    lines = s.replay("--closed-after", "0")
    assert rule_line(lines, "bin-full") == (15000, 0, 15000)


def test_values_come_back_through_jsonb_as_they_were(make_hub, database, publisher):
    """A double with a whole value stays one, and division tells."""
    rules = {"t.yaml": """
rules:
  - {id: int, class: bin, event: true, when: fill_pct / 2 * 2 != fill_pct, kind: event-0192, title: {zh-CN: x}}
  - {id: double, class: bin, event: true, when: fill_pct / 2 * 2 == fill_pct, kind: event-0192, title: {zh-CN: x}}
  - {id: "null", class: bin, event: true, when: "!has(fill_pct) && n >= 0", kind: event-0192, title: {zh-CN: x}}
"""}
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=rules, conf={"intake": {"batch_time": "20ms"}})
    values = ["91", "91.0", "1e2", "-0.0", "-7", "1e17", "1e19", "1e300", "1e-300", "9223372036854775807", "0.1", "null",
              "100000000000000000000.5", "123456789012345678.0", "-5e-320"]
    for n, value in enumerate(values):
        publisher.publish(topic_of("bin-1"), f'{{"fill_pct": {value}, "n": {n}}}')
    wait_until(lambda: database.value(READINGS) == len(values), why="all readings")
    time.sleep(0.3)
    lines = replay(hub, "--from", "10m", "--closed-after", "never", "--cases")
    assert replayed_cases(lines) == live_cases(database)
    assert {(r["rule"], r["opened"] + r["folded"]) for r in of_kind(lines, "rule")} == {("int", 3), ("double", 11), ("null", 1)}


def test_what_was_so_before_is_not_counted(stored):
    s = stored.make()
    s.put("bin-1", -30, {"fill_pct": 95})
    s.put("bin-1", 5, {"fill_pct": 96})
    s.put("bin-1", 6, {"fill_pct": 10})
    lines = s.replay("--cases", first=0)
    assert rule_line(lines, "bin-full") == (0, 1, 1)
    assert [c["before_range"] for c in of_kind(lines, "case")] == [True]
    (summary,) = of_kind(lines, "summary")
    assert (summary["readings"], summary["warm_up_readings"], summary["warm_up_cut"]) == (2, 1, False)


def test_the_difference_between_two_sets(stored, folder):
    s = stored.make()
    new = folder / "new"
    new.mkdir()
    (new / "new.yaml").write_text(RULES["test.yaml"].replace("fill_pct >= 90.0", "fill_pct >= 80.0").replace(
        "id: wrong-drop", "id: wrong-drop-2"))
    s.put("bin-1", 0, {"fill_pct": 85})
    s.put("bin-1", 1, {"fill_pct": 10})
    s.put("bin-1", 2, {"fill_pct": 95})
    s.put("bin-1", 3, {"wrong_drop": True}, kind=2)
    lines = s.replay("--rules", new, "--closed-after", "0")
    assert rule_line(lines, "bin-full", rules="in_force")[0] == 1
    assert rule_line(lines, "bin-full", rules="new")[0] == 2
    diff = {d["rule"]: d for d in of_kind(lines, "difference")}
    assert {rule: d["change"] for rule, d in diff.items()} == {"bin-full": "changed", "wrong-drop": "gone",
                                                              "wrong-drop-2": "new"}
    assert (diff["bin-full"]["more"], diff["bin-full"]["fewer"]) == (1, 0)
    assert diff["bin-full"]["examples_more"] == [{"device": "bin-1", "at": "2026-11-02T08:00:00.000000Z"}]
    assert diff["wrong-drop"]["fewer"] == diff["wrong-drop-2"]["more"] == 1
    assert [x["rules"] for x in of_kind(lines, "summary")] == ["in_force", "new"]


SILENT = {"test.yaml": """
rules:
  - {id: quiet, class: bin, silent: 10m, kind: part-0591, title: {zh-CN: "{device.name}"}}
"""}


def test_silence_is_replayed_and_a_gap_is_nobodys_silence(stored, database):
    s = stored.make(rules=SILENT)
    for minute in range(-1, 180, 2):  # another device of another adapter
        s.put("cam-1", minute, {"online": True})
    s.put("bin-1", -1, {"fill_pct": 10})
    for minute in (0, 5, 60, 65, 120):
        s.put("bin-1", minute, {"fill_pct": 10})
    lines = s.replay("--cases", "--closed-after", "0", first=0, last=125)
    assert [(c["device"], c["first_seen"], c["recovered_at"]) for c in of_kind(lines, "case") if not c["before_range"]] == [
        ("bin-1", "2026-11-02T08:15:00.000000Z", "2026-11-02T09:00:00.000000Z"),
        ("bin-1", "2026-11-02T09:15:00.000000Z", "2026-11-02T10:00:00.000000Z")]
    database.rows("INSERT INTO intake_gap SELECT id, 'x', 'hub', %s, %s FROM district", s.at(66), s.at(119))
    lines = s.replay("--cases", "--closed-after", "0", first=0, last=125)
    assert [c["first_seen"] for c in of_kind(lines, "case") if not c["before_range"]] == ["2026-11-02T08:15:00.000000Z"]
    assert of_kind(lines, "summary")[0]["gaps"] == 1
    # The hub was killed again at its first record, and away for as long.
    database.rows("UPDATE intake_gap SET to_at = %s", s.at(90))
    database.rows("INSERT INTO intake_gap SELECT id, 'x', 'hub', %s, %s FROM district", s.at(90), s.at(119))
    lines = s.replay("--cases", "--closed-after", "0", first=0, last=125)
    assert [c["first_seen"] for c in of_kind(lines, "case") if not c["before_range"]] == ["2026-11-02T08:15:00.000000Z"]


def test_windows_reach_back_before_the_range(stored):
    s = stored.make(rules={"test.yaml": """
rules:
  - {id: often, class: bin, when: "count(fill_pct > 90.0, '1d') >= 3", kind: event-0192, title: {zh-CN: x}}
"""})
    for minute in (-600, -300, 10):
        s.put("bin-1", minute, {"fill_pct": 95})
    lines = s.replay(first=0)
    assert rule_line(lines, "often") == (1, 0, 0)
    assert of_kind(lines, "summary")[0]["warm_up_from"] == "2026-11-01T08:00:00.000000Z"


def test_one_device_or_grid_alone(stored):
    s = stored.make(devices=[*DEVICES, {**DEVICES[0], "id": "bin-2", "address": "bin-2", "grid": "qx-yh-1"}])
    for device in ("bin-1", "bin-2"):
        s.put(device, 0, {"fill_pct": 95})
    assert rule_line(s.replay(), "bin-full")[0] == 2
    assert rule_line(s.replay("--device", "bin-2"), "bin-full")[0] == 1
    assert rule_line(s.replay("--grid", "qx-yh-1-1"), "bin-full")[0] == 1
    assert rule_line(s.replay("--grid", "qx-yh-1"), "bin-full")[0] == 2
    for wrong in (("--device", "bin-9"), ("--grid", "nowhere")):
        done = s.hub.cmd("replay", "--from", iso(s.at(0)), *wrong, check=False)
        assert done.returncode == 1 and f"there is no device{' bin-9' if wrong[1] == 'bin-9' else ' in the grid nowhere'}" in done.err


def test_removed_devices_are_counted_and_left_out(stored, database):
    s = stored.make()
    s.put("bin-1", 0, {"fill_pct": 95})
    s.put("smoke-1", 0, {"smoke": True})
    s.hub.cmd("device", "remove", "bin-1")
    lines = s.replay()
    assert rule_line(lines, "bin-full") == (0, 0, 0)
    assert of_kind(lines, "summary")[0]["readings_of_removed_devices"] == 1


@pytest.mark.parametrize("argv, code, why", [
    ([], 2, "--from is needed"),
    (["--from", "yesterday"], 2, "--from yesterday: a day"),
    (["--from", "2026-13-01"], 2, "--from 2026-13-01: a day"),
    (["--from", "2026-11-02", "--to", "2026-11-02"], 2, "--from must be before --to"),
    (["--from", "2026-11-02", "--closed-after", "soon"], 2, "--closed-after soon"),
    (["--from", "2026-11-02", "--rules", "/nonexistent"], 1, "/nonexistent: cannot load the rules"),
    (["--from", "2026-11-02", "more"], 2, 'unexpected "more"'),
    (["--from", "2026-10-02", "--to", "2026-10-05"], 1, "they are stored from 2026-11-02 (UTC) on"),
    (["--from", "2026-11-03", "--to", "2026-11-04"], 1,
     "no readings arrived between 2026-11-02T16:00:00.000000Z and 2026-11-03T16:00:00.000000Z"),
])
def test_what_cannot_be_is_said(stored, argv, code, why):
    s = stored.make()
    s.put("bin-1", 0, {"fill_pct": 95})
    done = s.hub.cmd("replay", *argv, check=False)
    assert (done.returncode, done.out) == (code, "")
    assert why in done.err


def test_without_any_reading_that_is_said(stored):
    s = stored.make()
    done = s.hub.cmd("replay", "--from", "7d", check=False)
    assert done.returncode == 1 and "no readings are stored" in done.err


def test_a_condition_that_ends_in_an_error_is_named(stored):
    s = stored.make(rules={"test.yaml": """
rules:
  - {id: bad, class: bin, when: 10 / fill_pct > 1, kind: event-0192, title: {zh-CN: x}}
"""})
    s.put("bin-1", 0, {"fill_pct": 1})
    assert of_kind(s.replay(), "summary")[0]["first_error"] is None
    s.put("bin-1", 1, {"fill_pct": 0})
    assert of_kind(s.replay(), "summary")[0]["first_error"] == "rule bad, device bin-1: divide by zero"


def test_tables_are_for_people(stored):
    s = stored.make()
    s.put("bin-1", 0, {"fill_pct": 95})
    done = s.hub.cmd("replay", "--from", "2026-11-02", "--to", "2026-11-03")
    assert all(json.loads(line)["kind"] for line in done.out.splitlines())
    assert "NOTE: readings are stored from 2026-11-02 (UTC) on" in done.err
    assert "bin-full" in done.err and "张伟" in done.err and "readings/s" in done.err


def test_ctrl_c_ends_it_with_what_it_has_and_a_lost_server_with_an_error(stored, database):
    s = stored.make()
    database.rows("""INSERT INTO reading SELECT d.id, t, t, %s, 1, jsonb_build_object('fill_pct', i %% 100)
        FROM district d, generate_series(1, 1000000) i, LATERAL (SELECT %s::timestamptz + i * interval '1 ms') x(t)""",
                  s.ids["bin-1"], s.start)
    busy = "SELECT pid FROM pg_stat_activity WHERE application_name = 'gridhub replay' AND datname = current_database()"
    sent = "SELECT 1 FROM pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > 100000"

    def in_the_middle(act):
        child = subprocess.Popen([str(HUB), "replay", "--json", "--from", iso(s.start), "--to", iso(s.at(600)),
                                  "--config", str(s.hub.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: database.rows(sent), 60, 0.001, "rows to flow")
        child.send_signal(signal.SIGSTOP)  # so that it is still in the middle when it is told, however busy the machine is
        act(child)
        child.send_signal(signal.SIGCONT)
        out, err = child.communicate(timeout=60)
        wait_until(lambda: not database.rows(busy), 60, why="the server to have noticed")
        return child.returncode, [json.loads(line) for line in out.splitlines()], err

    code, lines, err = in_the_middle(lambda child: child.send_signal(signal.SIGINT))
    (summary,) = of_kind(lines, "summary")
    assert (code, err) == (1, "") and summary["stopped"] and 0 < summary["readings"] < 1000000
    code, lines, err = in_the_middle(lambda _: database.rows(f"SELECT pg_terminate_backend(pid) FROM ({busy}) x"))
    assert (code, lines) == (1, []) and err.startswith("gridhub: database: ")
