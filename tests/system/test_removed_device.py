"""A device is taken out of the registry while its cases are open; two hubs fold the same cases at once."""

import json
import threading
import time

import pytest

from conftest import GRIDS, ROOT, wait_until

RULES = {"r.yaml": """
rules:
  - id: any.hot
    when: temp_c > 50.0
    flap: off
    kind: event-0592
    title: {zh-CN: "{device.name}过热"}
  - id: grid.hot
    scope: grid
    when: devices(temp_c > 50.0, '1h') >= 2
    flap: off
    kind: event-0592
    title: {zh-CN: "{grid.name}多处过热"}
"""}
DEVICES = [{"id": f"s-{i}", "class": "sensor", "adapter": "hub", "address": f"s-{i}", "grid": "qx-yh-1-1-3"}
           for i in range(1, 5)]


class Street:
    def __init__(self, hub, db, publisher):
        self.hub, self.db, self.publisher = hub, db, publisher

    def say(self, device, **fields):
        self.publisher.publish(f"city/v1/qixia/qx-yh-1-1-3/sensor/{device}/tele", fields)

    def cases(self, rule, where="true"):
        return self.db.rows(f"SELECT c.id, d.name, c.state FROM grid_case c JOIN device d ON d.id = c.device_id "
                            f"WHERE c.rule_id = %s AND {where} ORDER BY c.id", rule)

    def remove(self, device):
        before = self.hub.metric("gridhub_unknown_device_messages_total")
        done = json.loads(self.hub.cmd("device", "remove", device).out)
        n = iter(range(10**6))

        def gone():  # until the hub itself knows
            self.say(device, n=next(n))
            return self.hub.metric("gridhub_unknown_device_messages_total") > before
        wait_until(gone, 30)
        return done["cases_closed"]

    def history(self, case):
        return self.db.rows("SELECT what, actor, reason FROM case_event WHERE case_id = %s ORDER BY id", case)


@pytest.fixture
def street(make_hub, database, publisher):
    return Street(make_hub(grids=GRIDS, devices=DEVICES, rules=RULES), database, publisher)


def test_its_own_cases_are_closed_and_what_was_held_is_forgotten(street):
    street.say("s-1", temp_c=60.0)
    (case,) = wait_until(lambda: street.cases("any.hot"))
    street.db.rows("INSERT INTO held_case (district_id, device_id, rule_id, grid_id, kind, severity, title, fields, n, first_us, "
                   "last_us, alert, outage) SELECT 1, device_id, 'held', grid_id, kind, 1, title, '{}', 1, 1, 1, '{}', false "
                   "FROM grid_case")
    assert street.remove("s-1") == 1
    assert street.cases("any.hot") == [(case[0], "s-1", 9)]
    assert street.history(case[0])[-1] == ("closed", "registry", "the device s-1 was removed")
    assert street.db.value("SELECT count(*) FROM held_case") == 0
    assert street.db.value("SELECT closed_at IS NOT NULL FROM grid_case")
    street.hub.import_("device", DEVICES)  # it comes back, and is what it was: hot

    def hot_again():
        street.say("s-1", temp_c=61.0 + time.time() % 1)
        return len(street.cases("any.hot")) == 2
    wait_until(hot_again, 30)


def test_a_case_of_its_grid_goes_over_to_another_device(street):
    street.say("s-1", temp_c=60.0)
    street.say("s-2", temp_c=60.0)
    ((case, host, _),) = wait_until(lambda: street.cases("grid.hot"))
    assert street.db.value("SELECT of_grid FROM grid_case WHERE id = %s", case)
    assert street.remove(host) == 1  # the one of its own
    assert street.cases("grid.hot") == [(case, host, 2)]
    assert street.history(case)[-1][0] == "device removed"

    def another():
        street.say("s-3", temp_c=60.0 + time.time() % 1)
        street.say("s-4", temp_c=60.0 + time.time() % 1)
        return street.cases("grid.hot", f"d.name <> '{host}'")
    ((same, _, state),) = wait_until(another, 30)
    assert same == case and state != 9 and len(street.cases("grid.hot")) == 1
    assert "device changed" in [what for what, _, _ in street.history(case)]


def test_the_last_device_of_a_grid_takes_the_case_with_it(street):
    street.say("s-1", temp_c=60.0)
    street.say("s-2", temp_c=60.0)
    ((case, host, _),) = wait_until(lambda: street.cases("grid.hot"))
    for device in [d["id"] for d in DEVICES if d["id"] != host]:
        street.hub.cmd("device", "remove", device)
    street.hub.cmd("device", "remove", host)
    assert street.cases("grid.hot") == [(case, host, 9)]


STORE_CASE = (ROOT / "sql" / "query" / "store_case.sql").read_text()


def fold(c, fired, seen):
    """What a hub's batch says of two devices whose cases are open: one fires again, the other is seen."""
    devices = sorted([fired, seen])
    two = {name: "{" + ",".join([value] * 2) + "}" for name, value in {"one": "1", "text": "x", "json": '"{}"', "no": "f"}.items()}
    c.execute("EXECUTE fold(1, 'hub', 1, %s, '{r,r}', %s, %s, %s, %s, %s, %s, %s, %s, %s, '{0,0}', %s, %s, %s, %s, %s, %s, %s, %s)" % tuple(
        "'" + v + "'" for v in (
            "{%d,%d}" % tuple(devices), two["one"], two["text"], two["one"], two["text"], two["json"],
            "{" + ",".join("t" if d == fired else "f" for d in devices) + "}", two["one"], two["one"], two["one"],
            two["text"], two["json"], two["text"], two["no"], two["no"], two["no"], two["no"], two["text"])))


def test_two_hubs_that_fold_the_same_cases_do_not_lock_one_another_out(street):
    """One has fired what the other has seen, and the other way round; a third holds them up, so that both are at it at once."""
    street.hub.stop()
    db = street.db
    db.rows("INSERT INTO grid_case (district_id, device_id, rule_id, grid_id, kind, severity, state, title, fields, first_seen, "
            "last_seen, event_count, opened_stream, opened_batch) "
            "SELECT 1, n, 'r', 1, 'k', 1, 1, 't', '{}', now(), now(), 1, 'x', 1 FROM generate_series(1, 2) n")
    with db.connect() as holder, db.connect() as one, db.connect() as other:
        for c in (one, other):
            c.autocommit = True
            c.execute("PREPARE fold AS " + STORE_CASE)
        holder.autocommit = False
        holder.execute("SELECT FROM grid_case WHERE device_id = 1 FOR UPDATE")
        failed, threads = [], []
        for c, fired, seen in ((other, 1, 2), (one, 2, 1)):
            def run(c=c, fired=fired, seen=seen):
                try:
                    fold(c, fired, seen)
                except Exception as e:  # told below
                    failed.append(e)
            threads.append(threading.Thread(target=run))
            threads[-1].start()
            wait_until(lambda n=len(threads): failed or db.value(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'EXECUTE fold%%'") == n)
        holder.rollback()
        for t in threads:
            t.join(30)
    assert not failed, failed
    assert db.rows("SELECT device_id, event_count FROM grid_case ORDER BY 1") == [(1, 3), (2, 3)]
