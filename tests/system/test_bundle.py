"""What is owed to grid leaders becomes messages: few, complete, to who is on duty, whatever is killed meanwhile."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

from conftest import GRIDS, wait_until
from receiver import Receiver


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


class Owed:
    """Puts rows into `owed` as the store does."""

    def __init__(self, db):
        self.db = db
        self.district = db.value("SELECT id FROM district WHERE name = 'qixia'")
        self.grid = db.value("SELECT id FROM grid WHERE endpoint IS NOT NULL ORDER BY id LIMIT 1")

    def put(self, n=1, first=1, kind="event-0192", event="case.opened", severity=1, grid=None, endpoint="leader"):
        self.db.rows(
            "INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert) "
            "SELECT %s, %s + i, %s + i, 'r', %s, %s, %s, %s, %s, jsonb_build_object('case', jsonb_build_object('id', %s + i, "
            "'title', 't' || i, 'kind_name', '垃圾满溢'), 'grid', jsonb_build_object('name', '3号楼'), 'text', 'x') "
            "FROM generate_series(0, %s) i",
            self.district, first, first, grid or self.grid, kind, severity, event, endpoint, first, n - 1)

    def left(self):
        return self.db.value("SELECT (SELECT count(*) FROM owed) + (SELECT count(*) FROM outbox)")

    def person(self, name, *endpoints, quiet=(None, None)):
        self.db.rows("INSERT INTO person (district_id, name, endpoints, quiet_from, quiet_to) VALUES (%s, %s, %s, %s, %s)",
                     self.district, name, list(endpoints), *quiet)

    def duty(self, person, **columns):
        names = "".join(f", {c}" for c in columns)
        marks = ", %s" * len(columns)
        self.db.rows(f"INSERT INTO duty (district_id, grid_id, person{names}) VALUES (%s, %s, %s{marks})",
                     self.district, self.grid, person, *columns.values())


@pytest.fixture
def setup(make_hub, database, receiver):
    """setup(endpoints…) → (hub, Owed): no broker, grouping with a wait of 2 s, and more receivers by name."""

    def make(wait="2s", interval="20s", **more):
        hub = make_hub({"notify": {"group_wait": wait, "group_interval": interval}}, receiver=receiver, broker=False,
                       rules={}, grids=GRIDS, start=False)
        first = hub.conf["endpoints"][0]
        for name, other in more.items():
            hub.conf["endpoints"].append({**first, "name": name, "url": first["url"].replace(
                str(receiver.port), str(other.port))})
        hub.write_conf()
        hub.start()
        return hub, Owed(database)

    return make


def ids(message):
    data = message.json["data"]
    return data["digest"]["ids"] if "digest" in data else [data["case"]["id"]]


def test_a_storm_is_three_messages_and_none_is_missing(setup, receiver):
    _, owed = setup()
    for second in range(5):
        owed.put(40, first=1 + 40 * second)
        time.sleep(0.8)
    wait_until(lambda: owed.left() == 0, 30)
    told = [i for m in receiver.accepted for i in ids(m)]
    assert sorted(told) == list(range(1, 201))
    assert len(receiver.accepted) <= 3
    last = receiver.accepted[-1].json
    assert last["type"] == "case.digest" and "垃圾满溢" in last["data"]["text"]


def test_a_digest_is_kept_in_the_history_of_each_case(setup, receiver, database):
    hub, owed = setup()
    owed.put(30)
    wait_until(lambda: owed.left() == 0)
    assert database.value("SELECT cardinality(cases) FROM delivery WHERE cases IS NOT NULL") == 30


def test_killed_while_it_bundles_and_sends(setup, receiver, database):
    """What was owed is told, and told twice only under the same id."""
    hub, owed = setup(wait="1s", interval="3s")
    receiver.delay = 0.05
    for round_ in range(5):
        owed.put(60, first=1 + 60 * round_, kind=f"k{round_ % 2}")
        time.sleep(0.4)
        hub.kill()
        hub.start()
    wait_until(lambda: owed.left() == 0, 120)
    told = {}
    for m in receiver.accepted:
        for i in ids(m):
            told.setdefault(i, set()).add(m.id)
    assert sorted(told) == list(range(1, 301))
    assert all(len(messages) == 1 for messages in told.values())


def test_who_is_on_duty(setup, receiver, database):
    day, night = Receiver(secret=receiver.secret), Receiver(secret=receiver.secret)
    try:
        _, owed = setup(day=day, night=night)
        china = datetime.now(timezone(timedelta(hours=8)))
        hour = timedelta(hours=1)
        owed.person("白班", "day")
        owed.person("夜班", "night")
        owed.duty("白班", from_time=(china + 3 * hour).time(), to_time=(china + 4 * hour).time())
        owed.duty("夜班", from_time=(china - hour).time(), to_time=(china + hour).time(), rank=1)
        owed.put(1, first=1)
        night.wait(1)
        # 夜班 is away, 白班 stands in, although it is not his shift
        database.rows("INSERT INTO absence (district_id, person, from_at, to_at, substitute) VALUES "
                      "(%s, '夜班', now() - interval '1 hour', now() + interval '1 hour', '白班')", owed.district)
        owed.put(1, first=2, kind="other")
        day.wait(1)
        # and nobody stands in: the grid's own endpoint
        database.rows("UPDATE absence SET substitute = NULL")
        owed.put(1, first=3, kind="third")
        receiver.wait(1)
        assert [ids(r.accepted[0]) for r in (night, day, receiver)] == [[1], [2], [3]]
    finally:
        day.stop()
        night.stop()


def test_the_next_endpoint_of_a_person(setup, receiver, database):
    second = Receiver(secret=receiver.secret)
    try:
        hub, owed = setup(second=second)
        owed.person("张伟", "leader", "second")
        owed.duty("张伟")
        receiver.behave(always="status:404")  # for good
        owed.put(1, first=1)
        assert ids(second.wait(1)[0]) == [1]
        receiver.behave(always="500")  # three times
        owed.put(1, first=2, kind="other")
        assert ids(second.wait(2)[1]) == [2]
        wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 0)
    finally:
        second.stop()


@pytest.fixture
def second(receiver):
    r = Receiver(secret=receiver.secret)
    yield r
    r.stop()


def test_a_disabled_endpoint_hands_on_what_comes_after(setup, receiver, second):
    hub, owed = setup(second=second)
    owed.person("张伟", "leader", "second")
    owed.duty("张伟")
    receiver.behave("410")
    owed.put(1, first=1)
    assert ids(second.wait(1)[0]) == [1]
    owed.put(1, first=2, kind="other")
    owed.put(1, first=3, kind="fire", severity=3)
    assert sorted(ids(m)[0] for m in second.wait(3, timeout=45)) == [1, 2, 3]
    wait_until(lambda: owed.left() == 0)
    assert len(receiver.seen) == 1 and len(set(second.ids())) == len(second.seen) == 3
    assert not second.bad


def test_with_all_endpoints_disabled_it_waits_for_the_first(setup, receiver, second, database):
    hub, owed = setup(second=second)
    owed.person("张伟", "leader", "second")
    owed.duty("张伟")
    database.rows("INSERT INTO endpoint_state VALUES (%s, 'leader', now(), 'gone'), (%s, 'second', now(), 'gone')",
                  owed.district, owed.district)
    owed.put(1, first=1)
    hub.wait_part("notify", "degraded", "leader")
    hub.cmd("webhook", "enable", "leader")
    assert ids(receiver.wait(1)[0]) == [1]
    assert second.seen == []


def case_of(database, owed, number, grid):
    """A case as the store leaves it when its grid names no endpoint."""
    database.rows("INSERT INTO grid_case (district_id, id, device_id, rule_id, grid_id, kind, severity, state, title, fields, "
                  "first_seen, last_seen, event_count, opened_stream, opened_batch) OVERRIDING SYSTEM VALUE "
                  "VALUES (%s, %s, %s, 'r', %s, 'k', 1, 1, 't', '{}', now(), now(), 1, 's', 1)", owed.district, number, number, grid)
    owed.put(1, first=number, kind="k", grid=grid, endpoint=None)


def test_what_died_for_want_of_an_endpoint_goes_to_who_is_told_now(setup, receiver, second, database):
    hub, owed = setup(second=second)
    bare = dict(database.rows("SELECT code, id FROM grid WHERE code = 'qx'"))["qx"]
    for number in (1, 2):
        case_of(database, owed, number, bare)
    wait_until(lambda: database.value("SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL AND endpoint IS NULL") == 2)
    same = dict(database.rows("SELECT case_id, message_id::text FROM outbox"))

    done = hub.cmd("webhook", "retry", "--all-dead", check=False)
    assert done.returncode == 1 and not done.out
    assert "0 dead letters put back" in done.err and "2 left" in done.err
    assert database.value("SELECT count(*) FROM outbox WHERE dead_reason IS NOT NULL") == 2

    owed.grid = bare
    owed.person("张伟", "second", "leader")
    owed.duty("张伟")
    (line,) = hub.json_lines("webhook", "retry", "--case", 1)
    assert (line["case"], line["endpoint"]) == (1, "second")
    assert second.wait(1)[0].id == same[1]
    assert database.value("SELECT state FROM grid_case WHERE id = 1") == 2
    assert database.row("SELECT what, reason FROM case_event WHERE case_id = 1") == ("dispatched", "second")

    database.rows("DELETE FROM person")
    hub.conf["notify"]["default_endpoint"] = "leader"
    hub.write_conf()
    (hub.dir / "rules" / "bad.yaml").write_text("rules: 7\n")  # who is on duty may hang on holidays; alerts go all the same
    done = hub.cmd("webhook", "retry", "--all-dead")
    assert json.loads(done.out)["endpoint"] == "leader" and "left" not in done.err and "holidays" in done.err
    assert receiver.wait(1)[0].id == same[2]
    wait_until(lambda: owed.left() == 0)


def test_quiet_hours_keep_all_but_urgent_ones(setup, receiver, database):
    _, owed = setup()
    china = datetime.now(timezone(timedelta(hours=8)))
    end = china + timedelta(hours=2)
    owed.person("张伟", "leader", quiet=((china - timedelta(hours=2)).time(), end.time()))
    owed.duty("张伟")
    owed.put(3, first=1)
    owed.put(1, first=9, severity=3, kind="fire")
    assert ids(receiver.wait(1)[0]) == [9]
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now() + interval '30 seconds'") == 3)
    # looked at again within a minute, for the shift may end before the quiet hours do
    assert database.value("SELECT max(due_at) <= now() + interval '1 minute' FROM owed")
    database.rows("UPDATE person SET quiet_from = NULL, quiet_to = NULL")
    database.rows("UPDATE owed SET due_at = now()")
    assert ids(receiver.wait(2)[1]) == [1, 2, 3]


@pytest.mark.parametrize("column", ["kind", "rule_id", "grid_id", "device_id"])
def test_a_silence_holds_back_what_matches(setup, receiver, database, column):
    hub, owed = setup()
    value = {"kind": "noisy", "rule_id": "r", "device_id": 1,
             "grid_id": database.value("SELECT id FROM grid WHERE parent_id IS NULL")}[column]
    database.rows(f"INSERT INTO silence (district_id, maintenance, {column}, from_at, to_at, who, why) VALUES "
                  "(%s, false, %s, now() - interval '1 minute', now() + interval '1 hour', 'ops', 'works')",
                  owed.district, value)
    owed.put(1, first=1, kind="noisy")
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now() + interval '30 seconds'") == 1)
    owed.put(1, first=1, kind="noisy", event="case.recovered")  # within the silence: nobody hears of it
    database.rows("UPDATE owed SET due_at = now()")
    wait_until(lambda: owed.left() == 0)
    assert hub.metric("gridhub_alerts_silenced_total") == 2
    assert receiver.accepted == []


def test_a_digest_that_died_comes_back_by_any_of_its_cases(setup, receiver, database):
    hub, owed = setup()
    receiver.behave(always="status:404")
    owed.put(20)
    wait_until(lambda: database.value("SELECT count(*) FROM outbox WHERE dead_at IS NOT NULL") == 1)
    receiver.behave(always="200")
    (line,) = hub.cmd("webhook", "list", "--dead", "--case", 17).out.splitlines()
    assert json.loads(line)["cases"] == list(range(1, 21)) and json.loads(line)["case"] is None
    hour = timedelta(hours=1)
    now = datetime.now(timezone.utc)
    for argv, n in [(("--case", 21), 0), (("--since", (now + hour).isoformat()), 0), (("--until", (now - hour).isoformat()), 0),
                    (("--case", 17, "--since", (now - hour).isoformat(), "--until", (now + hour).isoformat()), 1)]:
        done = hub.cmd("webhook", "retry", *argv, check=False)
        assert (done.returncode, len(done.out.splitlines())) == (0 if n else 1, n), argv
    receiver.wait(1)
    wait_until(lambda: owed.left() == 0)
    attempts = [json.loads(x) for x in hub.cmd("webhook", "list", "--attempts", "--case", 20).out.splitlines()]
    assert [a["result"] for a in attempts] == ["accepted", "dead"]
    assert hub.cmd("webhook", "retry", "--all-dead", "--case", 1, check=False).returncode == 2


def test_what_waits_is_listed(setup, database):
    hub, owed = setup(wait="1h", interval="2h")
    owed.put(1, first=1)
    wait_until(lambda: owed.left() == 0)
    owed.put(2, first=2)
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now()") == 2)
    lines = [json.loads(x) for x in hub.cmd("webhook", "list", "--pending").out.splitlines()]
    assert [(x["case"], x["state"]) for x in lines] == [(3, "waiting"), (2, "waiting")]


def test_a_digest_leads_to_its_worst_case(setup, receiver):
    hub, owed = setup()
    hub.stop()
    hub.conf["notify"]["case_url"] = "https://hub.example/case/{case}"
    hub.write_conf()
    owed.put(3, first=5)
    hub.start()
    (message,) = receiver.wait(1)
    assert "digest" in message.json["data"]
    assert b"https://hub.example/case/5" in message.body


def test_what_is_beyond_a_rate_becomes_a_digest_and_is_not_dropped(make_hub, database, receiver):
    """A receiver that takes one message in a second, and sixty cases of twenty kinds within a few."""
    hub = make_hub({"notify": {"group_wait": "1s", "group_interval": "2s"}}, receiver=receiver, broker=False, rules={},
                   grids=GRIDS, start=False)
    hub.conf["endpoints"][0]["rate"] = "1/s"
    hub.write_conf()
    hub.start()
    owed = Owed(database)
    for i in range(60):
        owed.put(1, first=1 + i, kind=f"k{i % 20}")
        if i % 20 == 19:
            time.sleep(1)
    wait_until(lambda: owed.left() == 0, 90)
    told = sorted(i for m in receiver.accepted for i in ids(m))
    assert told == list(range(1, 61))
    assert len(receiver.accepted) < 20 and any("digest" in m.json["data"] for m in receiver.accepted)
    at = sorted(m.at for m in receiver.seen)
    assert all(later - earlier > 0.9 for earlier, later in zip(at, at[1:]))
