"""What is not opened: within maintenance, under an outage of a device above; and what becomes of it when that is over."""

import pytest

from conftest import GRIDS, wait_until
from receiver import Receiver

RULES = """
rules:
  - id: any.offline
    outage: true
    when: online == false
    kind: part-0591
    title: {zh-CN: "{device.name}离线", en: "{device.name} is offline"}
  - id: any.hot
    when: temp_c > 50.0
    kind: event-0592
    title: {zh-CN: "{device.name}过热"}
  - id: any.press
    event: true
    when: pressed
    kind: event-0594
    title: {zh-CN: "{device.name}呼救"}
"""
SWITCH = {"id": "switch-1", "title": "1号交换机", "class": "sensor", "adapter": "hub", "address": "switch-1",
          "grid": "qx-yh-1-1-3"}
BELOW = [{"id": f"s-{i}", "class": "sensor", "adapter": "hub", "address": f"s-{i}", "grid": "qx-yh-1-1-3",
          "parent": "switch-1"} for i in range(1, 5)]


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


class Street:
    def __init__(self, hub, db, publisher):
        self.hub, self.db, self.publisher = hub, db, publisher

    def say(self, device, **fields):
        self.publisher.publish(f"city/v1/qixia/qx-yh-1-1-3/sensor/{device}/tele", fields)

    def cases(self, where="state <> 9"):
        """{(device, rule)} of the cases."""
        return {tuple(row) for row in self.db.rows(
            f"SELECT d.name, c.rule_id FROM grid_case c JOIN device d ON d.id = c.device_id WHERE {where}")}

    def held(self):
        return {row[0] for row in self.db.rows("SELECT d.name FROM held_case h JOIN device d ON d.id = h.device_id")}

    def maintenance(self, device):
        self.db.rows("INSERT INTO silence (district_id, maintenance, device_id, from_at, to_at, who, why) SELECT district_id, "
                     "true, id, now(), now() + interval '1 hour', 'ops', 'new lid' FROM device WHERE name = %s", device)

    def end_maintenance(self):
        self.db.rows("UPDATE silence SET to_at = now() + interval '1 millisecond'")


@pytest.fixture
def street(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=[SWITCH, *BELOW], rules={"r.yaml": RULES}, receiver=receiver)
    return Street(hub, database, publisher)


def test_maintenance_holds_cases_back(street, receiver):
    street.maintenance("s-1")
    for device in ("s-1", "s-2"):
        street.say(device, temp_c=60)
    street.say("s-1", pressed=True)  # an event is over at once
    wait_until(lambda: street.cases() == {("s-2", "any.hot")} and street.held() == {"s-1"})
    street.end_maintenance()
    wait_until(lambda: street.cases() == {("s-1", "any.hot"), ("s-2", "any.hot")}, 20)
    assert street.held() == set()
    wait_until(lambda: len(receiver.accepted) == 2)
    assert street.hub.metric("gridhub_cases_held_total") == 1


def test_what_passes_within_maintenance_was_not_there(street, receiver):
    street.maintenance("s-1")
    street.say("s-1", temp_c=60)
    wait_until(lambda: street.held() == {"s-1"})
    street.say("s-1", temp_c=61)
    street.say("s-1", temp_c=20)
    wait_until(lambda: street.held() == set())
    street.end_maintenance()
    street.say("s-2", temp_c=60)
    wait_until(lambda: street.cases("true") == {("s-2", "any.hot")})
    assert len(receiver.wait(1)) == 1


def test_a_case_that_was_open_before_recovers_within_maintenance(street):
    street.say("s-1", temp_c=60)
    wait_until(lambda: street.cases() == {("s-1", "any.hot")})
    street.maintenance("s-1")
    street.say("s-1", temp_c=20)
    wait_until(lambda: street.cases("recovered_at IS NOT NULL") == {("s-1", "any.hot")})


def test_what_is_below_an_outage_is_explained_by_it(street, receiver):
    street.say("switch-1", online=False)
    wait_until(lambda: street.cases() == {("switch-1", "any.offline")})
    for i in range(1, 5):
        street.say(f"s-{i}", online=False)
    street.say("s-1", temp_c=60)  # no outage: opened as ever
    wait_until(lambda: street.held() == {"s-1", "s-2", "s-3", "s-4"})
    wait_until(lambda: street.cases() == {("switch-1", "any.offline"), ("s-1", "any.hot")})
    assert street.db.value("SELECT count(*) FROM case_affected WHERE to_at IS NULL") == 4
    street.say("switch-1", online=True)
    for i in range(1, 4):
        street.say(f"s-{i}", online=True)
    wait_until(lambda: street.held() == {"s-4"})
    assert street.db.value("SELECT count(*) FROM case_affected WHERE to_at IS NULL") == 1
    street.db.rows("UPDATE grid_case SET recovered_at = now() - interval '6 minutes' WHERE recovered_at IS NOT NULL")
    wait_until(lambda: ("s-4", "any.offline") in street.cases(), 20)  # it is its own fault after all
    assert street.held() == set()


def test_several_below_the_same_device_are_one_outage(street, receiver):
    for i in (1, 2, 3):
        street.say(f"s-{i}", online=False)
    wait_until(lambda: street.cases() == {("switch-1", "outage")}, 20)
    assert street.held() == {"s-1", "s-2", "s-3"}
    street.say("s-4", online=False)
    street.say("switch-1", online=False)  # the same outage again
    wait_until(lambda: street.held() == {"s-1", "s-2", "s-3", "s-4", "switch-1"})
    opened = next(m for m in receiver.accepted if m.json["data"]["case"]["rule"] == "outage")
    assert opened.text.startswith("【重要】1号交换机下3台设备失联")
    assert opened.json["data"]["fields"]["devices"] == ["s-1", "s-2", "s-3"]
    for device in ("s-1", "s-2", "s-3", "s-4", "switch-1"):
        street.say(device, online=True)
    wait_until(lambda: street.cases("recovered_at IS NOT NULL AND state <> 9") == {("switch-1", "outage")}, 20)
    assert street.cases() == {("switch-1", "outage")}
    wait_until(lambda: any(m.text.startswith("【已恢复】1号交换机下3台") for m in receiver.accepted))


def test_two_below_are_two_cases(street):
    for i in (1, 2):
        street.say(f"s-{i}", online=False)
    wait_until(lambda: street.cases() == {("s-1", "any.offline"), ("s-2", "any.offline")})


def test_an_outage_survives_a_kill(street):
    for i in (1, 2, 3):
        street.say(f"s-{i}", online=False)
    wait_until(lambda: street.cases() == {("switch-1", "outage")}, 20)
    street.hub.kill()
    street.hub.start()
    for i in (1, 2, 3):
        street.say(f"s-{i}", online=True)
    wait_until(lambda: street.cases("recovered_at IS NOT NULL AND state <> 9") == {("switch-1", "outage")}, 20)


def all_offline_then_online(street):
    for online in (False, True):
        for i in (1, 2, 3):
            street.say(f"s-{i}", online=online)
        wait_until(lambda: street.cases("outage AND state <> 9 AND (recovered_at IS NOT NULL) = " + str(online)), 20)
        if not online:
            wait_until(lambda: street.held() == {"s-1", "s-2", "s-3"}, 20)


def test_an_outage_that_comes_again_is_the_same_case(street, receiver):
    for _ in range(2):
        all_offline_then_online(street)
    assert street.cases() == {("switch-1", "outage")}
    history = street.db.rows("SELECT what FROM case_event e JOIN grid_case c ON c.id = e.case_id WHERE c.rule_id = 'outage' "
                             "AND what <> 'dispatched' ORDER BY e.id")
    assert [what for what, in history] == ["filed", "recovered", "recurred", "recovered"]
    assert street.db.value("SELECT count(*) FROM case_affected WHERE to_at IS NULL") == 0
    wait_until(lambda: street.db.value("SELECT count(*) FROM owed") == 0, 60)


def test_devices_with_cases_of_last_week_are_one_outage_too(street):
    for i in (1, 2, 3):
        street.say(f"s-{i}", online=False)
        wait_until(lambda: street.cases("recovered_at IS NULL") == {(f"s-{i}", "any.offline")})
        street.say(f"s-{i}", online=True)
        wait_until(lambda: not street.cases("recovered_at IS NULL"))
        street.db.rows("UPDATE grid_case SET opened_at = now() - interval '7 days', first_seen = now() - interval '7 days'")
    for i in (1, 2, 3):
        street.say(f"s-{i}", online=False)
    wait_until(lambda: street.cases() == {("switch-1", "outage")}, 20)
    assert street.db.value("SELECT first_seen > now() - interval '1 hour' FROM grid_case WHERE rule_id = 'outage'")


def test_what_a_maintenance_held_is_opened_when_it_is_over_however_much(make_hub, database, publisher):
    """More than one statement takes at once, both of a batch and of what is released."""
    n = 2500
    devices = [{"id": f"t-{i}", "class": "sensor", "adapter": "hub", "address": f"t-{i}", "grid": "qx-yh-1-1-3"} for i in range(n)]
    make_hub(grids=GRIDS, devices=devices, rules={"r.yaml": RULES}, conf={"intake": {"batch_time": "5s"}})

    def say(**fields):
        publisher.publish_many((f"city/v1/qixia/qx-yh-1-1-3/sensor/t-{i}/tele", fields) for i in range(n))

    database.rows("INSERT INTO silence (district_id, maintenance, kind, from_at, to_at, who, why) SELECT id, true, 'event-0592', "
                  "now(), now() + interval '1 hour', 'ops', 'x' FROM district")
    say(temp_c=60)
    wait_until(lambda: database.value("SELECT count(*) FROM held_case") == n, 60)
    database.rows("UPDATE silence SET to_at = now() + interval '1 millisecond'")
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == n, 60)
    assert database.value("SELECT count(*) FROM held_case") == 0
    say(temp_c=20)
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case WHERE recovered_at IS NOT NULL") == n, 60)
    say(temp_c=60)
    wait_until(lambda: database.value("SELECT count(*) FROM case_event WHERE what = 'recurred'") == n, 60)
    assert database.value("SELECT count(*) FROM grid_case WHERE recovered_at IS NULL AND event_count >= 2") == n
