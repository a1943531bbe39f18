"""The command lines of rosters and silences: what they take, refuse, and what then holds."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from conftest import GRIDS, wait_until
from receiver import Receiver

ROSTER = """
people:
  - {name: 张伟, title: 网格长, endpoints: [leader], quiet: "22:00-07:00"}
  - {name: 陈静, endpoints: [leader, second]}
duties:
  - {grid: qx-yh-1-1-3, person: 张伟, days: [mon, tue, wed, thu, fri], hours: "08:00-20:00", holidays: never}
  - {grid: qx-yh-1-1-3, person: 陈静, rank: 1}
  - {grid: qx-yh-1, person: 张伟, hours: "20:00-08:00"}
  - {grid: qx-yh-1-1, person: 陈静, holidays: only}
absences:
  - {person: 张伟, from: "2026-12-01T00:00:00+08:00", to: "2026-12-03T00:00:00+08:00", substitute: 陈静}
  - {person: 张伟, from: "2026-12-07T00:00:00+08:00", to: "2026-12-08T00:00:00+08:00"}
"""
SCHEDULES = """
zone: Asia/Shanghai
schedules:
  - {name: day, hours: ["08:00-20:00"]}
holidays:
  - {from: 2026-12-24, to: 2026-12-25, name: test}
"""


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


@pytest.fixture
def hub(make_hub, receiver):
    hub = make_hub(receiver=receiver, broker=False, grids=GRIDS, rules={"schedules.yaml": SCHEDULES}, start=False,
                   devices=[{"id": "s-1", "class": "sensor", "adapter": "hub", "grid": "qx-yh-1-1-3"}])
    hub.conf["endpoints"].append({**hub.conf["endpoints"][0], "name": "second"})
    hub.write_conf()
    return hub


def load(hub, text, check=True):
    path = hub.dir / "roster.yaml"
    path.write_text(text)
    return hub.cmd("duty", "load", path, check=check)


def who(hub, grid, at):
    return json.loads(hub.cmd("duty", "list", "--grid", grid, "--at", at).out)["person"]


@pytest.mark.parametrize("grid, at, person", [
    ("qx-yh-1-1-3", "2026-11-25T10:00:00+08:00", "张伟"),  # a Wednesday, in his hours
    ("qx-yh-1-1-3", "2026-11-25T07:59:59+08:00", "陈静"),
    ("qx-yh-1-1-3", "2026-11-25T20:00:00+08:00", "陈静"),
    ("qx-yh-1-1-3", "2026-11-28T10:00:00+08:00", "陈静"),  # a Saturday
    ("qx-yh-1-1-3", "2026-12-24T10:00:00+08:00", "陈静"),  # a holiday
    ("qx-yh-1-1-3", "2026-12-02T10:00:00+08:00", "陈静"),  # away, with a substitute
    ("qx-yh-1-1-3", "2026-12-07T10:00:00+08:00", "陈静"),  # away without: the next by rank
    ("qx-yh-1", "2026-11-25T23:00:00+08:00", "张伟"),  # past midnight
    ("qx-yh-1", "2026-11-26T07:59:00+08:00", "张伟"),
    ("qx-yh-1", "2026-11-26T08:00:00+08:00", "周主任"),  # nobody: the grid above has an endpoint
    ("qx-yh-1-1", "2026-12-25T12:00:00+08:00", "陈静"),  # only on holidays
    ("qx-yh-1-1", "2026-12-23T22:00:00+08:00", "张伟"),  # else the grid above
])
def test_who_is_told(hub, grid, at, person):
    assert json.loads(load(hub, ROSTER).out) == {"people": 2, "duties": 4, "absences": 2}
    assert who(hub, grid, at) == person


def test_list_says_all_grids_and_quiet_hours(hub):
    load(hub, ROSTER)
    rows = [json.loads(line) for line in hub.cmd("duty", "list", "--at", "2026-11-25T23:00:00+08:00").out.splitlines()]
    assert [r["grid"] for r in rows] == sorted(g["code"] for g in GRIDS)
    by = {r["grid"]: r for r in rows}
    assert by["qx-yh-1"]["quiet_until"].startswith("2026-11-2")
    assert by["qx-yh-1-1-3"]["endpoints"] == ["leader", "second"] and by["qx-yh-1-1-3"]["quiet_until"] is None
    assert by["qx"]["person"] is None


@pytest.mark.parametrize("old, new, says", [
    ("endpoints: [leader]", "endpoints: [nobody]", ":3:40: key \"endpoints\": the configuration has no endpoint \"nobody\""),
    ("endpoints: [leader]", "endpoints: []", "1 to 8"),
    ("22:00-07:00", "22:00-25:00", "\"22:00-25:00\""),
    ("person: 陈静, rank: 1", "person: 陈静静, rank: 1", "no \"陈静静\""),
    ("[mon, tue,", "[mon, die,", "expected mon"),
    ("08:00-20:00", "8-20", "\"8-20\""),
    ("holidays: never", "holidays: nie", "nie"),
    ("name: 陈静", "name: 张伟", "twice"),
    ("to: \"2026-12-03", "to: \"2026-11-03", "second after the first"),
    ("substitute: 陈静", "substitute: X", "no \"X\""),
    ("rank: 1", "rank: 100", "100"),
    ("grid: qx-yh-1,", "grid: nowhere,", "no grid \"nowhere\""),
    ("title: 网格长", "titel: 网格长", "titel"),
])
def test_a_fault_changes_nothing(hub, database, old, new, says):
    load(hub, ROSTER)
    assert old in ROSTER
    done = load(hub, ROSTER.replace(old, new), check=False)
    assert done.returncode == 1 and says in done.err, done.err
    assert database.row("SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM duty), "
                        "(SELECT count(*) FROM absence)") == (2, 4, 2)


def test_all_faults_are_told_at_once(hub):
    done = load(hub, ROSTER.replace("[leader]", "[nobody]").replace("rank: 1", "rank: x").replace("tue", "die"), check=False)
    assert done.returncode == 1
    assert all(says in done.err for says in ("nobody", "rank", "mon, tue", "3 faults"))


def test_a_roster_takes_the_place_of_the_one_before(hub, database):
    load(hub, ROSTER)
    load(hub, "people:\n  - {name: 李敏, endpoints: [second]}\nduties:\n  - {grid: qx, person: 李敏}\n")
    assert who(hub, "qx", "2026-11-25T10:00:00+08:00") == "李敏"
    assert database.value("SELECT count(*) FROM absence") == 0


# ---- silences ----


def silence(hub, *argv, check=True):
    return hub.cmd("silence", *argv, check=check)


ADD = ("add", "--for", "2h", "--by", "ops", "--reason", "works")


def test_a_silence_from_its_beginning_to_its_end(hub, database):
    number = json.loads(silence(hub, *ADD, "--grid", "qx-yh-1", "--kind", "event-0192").out)["id"]
    (one,) = [json.loads(line) for line in silence(hub, "list").out.splitlines()]
    assert (one["id"], one["grid"], one["kind"], one["device"], one["state"], one["by"], one["maintenance"]) == (
        number, "qx-yh-1", "event-0192", None, "on", "ops", False)
    silence(hub, "end", number, "--by", "ops2")
    assert silence(hub, "list").out == ""
    (one,) = [json.loads(line) for line in silence(hub, "list", "--all").out.splitlines()]
    assert one["state"] == "over" and "ops2" in one["reason"]
    assert silence(hub, "end", number, "--by", "ops", check=False).returncode == 1


def test_maintenance_to_come(hub):
    silence(hub, "add", "--device", "s-1", "--maintenance", "--from", "2099-01-01T00:00:00+08:00", "--to",
            "2099-01-02T00:00:00+08:00", "--by", "ops", "--reason", "new lid")
    (one,) = [json.loads(line) for line in silence(hub, "list").out.splitlines()]
    assert one["state"] == "to come" and one["maintenance"] and one["device"] == "s-1"


@pytest.mark.parametrize("argv, code, says", [
    (ADD, 2, "what is to be silent"),
    (("add", "--kind", "x", "--by", "ops", "--reason", "r"), 2, "--for or --to"),
    (("add", "--kind", "x", "--for", "2h", "--to", "2099-01-01T00:00:00Z", "--by", "o", "--reason", "r"), 2, "one of the two"),
    ((*ADD[:3], "--kind", "x"), 2, "--by and --reason"),
    ((*ADD, "--kind", ""), 2, "empty"),
    (("add", "--kind", "x", "--for", "400d", "--by", "o", "--reason", "r"), 2, "366d"),
    (("add", "--kind", "x", "--to", "2020-01-01T00:00:00Z", "--by", "o", "--reason", "r"), 2, "before it begins"),
    (("add", "--kind", "x", "--to", "tomorrow", "--by", "o", "--reason", "r"), 2, "tomorrow"),
    ((*ADD, "--device", "nothing"), 1, "no device nothing"),
    ((*ADD, "--grid", "nowhere"), 1, "no grid nowhere"),
    (("end", "7", "--by", "ops"), 1, "no such silence"),
    (("end", "x", "--by", "ops"), 2, "number"),
    (("end", "7"), 2, "--by"),
    (("list", "--kind", "x"), 2, "list"),
    (("list", "more"), 2, "more"),
])
def test_what_a_silence_refuses(hub, argv, code, says):
    done = silence(hub, *argv, check=False)
    assert done.returncode == code and says in done.err, done.err


def test_the_end_of_a_silence_tells_what_still_holds(hub, database, receiver):
    hub.start()
    number = json.loads(silence(hub, *ADD, "--kind", "k").out)["id"]
    database.rows("INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert) "
                  "SELECT district_id, 1, 1, 'r', id, 'k', 1, 'case.opened', 'leader', '{\"case\": {\"id\": 1}, \"text\": \"x\"}' "
                  "FROM grid WHERE code = 'qx-yh'")
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now() + interval '30 seconds'") == 1)
    assert receiver.accepted == []
    silence(hub, "end", number, "--by", "ops")
    assert len(receiver.wait(1)) == 1


def test_a_new_roster_tells_what_waits_for_quiet_hours(hub, database, receiver):
    now = datetime.now(timezone(timedelta(hours=8)))
    quiet = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    load(hub, "people:\n  - {name: 张伟, endpoints: [leader], quiet: \"" + quiet + "\"}\n"
         "duties:\n  - {grid: qx-yh-1-1-3, person: 张伟}\n")
    hub.start()
    database.rows("INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert) "
                  "SELECT district_id, 1, 1, 'r', id, 'k', 1, 'case.opened', 'leader', '{\"case\": {\"id\": 1}, \"text\": \"x\"}' "
                  "FROM grid WHERE code = 'qx-yh-1-1-3'")
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now() + interval '50 seconds'") == 1)
    assert load(hub, "people: []\nduties: [{grid: nowhere, person: X}]\n", check=False).returncode == 1
    assert database.value("SELECT count(*) FROM owed WHERE due_at > now()") == 1  # a roster with a fault wakes nothing
    assert receiver.accepted == []
    load(hub, "people:\n  - {name: 陈静, endpoints: [second]}\nduties:\n  - {grid: qx-yh-1-1-3, person: 陈静}\n")
    assert len(receiver.wait(1)) == 1
    assert database.value("SELECT count(*) FROM owed") == 0
    wait_until(lambda: database.value("SELECT endpoint FROM delivery") == "second")


@pytest.mark.parametrize("quiet", ["22:00-22:00", "00:00-24:00"])
def test_nobody_is_quiet_all_day(hub, quiet):
    answer = load(hub, ROSTER.replace("22:00-07:00", quiet), check=False)
    assert answer.returncode != 0 and "all day" in answer.err
