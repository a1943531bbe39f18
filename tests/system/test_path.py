"""The whole path: an MQTT message becomes a reading, a case, and a signed alert at the leader who answers for the grid."""

import json
import signal
import time

import pytest
from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until
from proxy import Proxy
from receiver import Receiver

READINGS = "SELECT count(*) FROM reading"
HISTORY = "SELECT what FROM case_event ORDER BY id"
GRID_OF_CASE = "SELECT g.code FROM grid_case c JOIN grid g ON g.id = c.grid_id JOIN device d ON d.id = c.device_id WHERE d.name = %s"


def fill(publisher, pct, device="bin-1", **more):
    publisher.publish(topic_of(device), {"fill_pct": pct, **more})


def wait_readings(database, n):
    wait_until(lambda: database.value(READINGS) == n, why=f"{n} readings")


def test_a_message_becomes_a_case_and_a_signed_alert(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver)
    fill(publisher, 95, note="半满")
    (alert,) = receiver.wait(1)

    assert database.row("SELECT d.name, r.kind, r.fields FROM reading r JOIN device d ON d.id = r.device_id") == (
        "bin-1", 1, {"fill_pct": 95, "note": "半满"})
    assert database.value("SELECT fields FROM device_state") == {"fill_pct": 95, "note": "半满"}
    case, *about = database.row("""SELECT c.id, d.name, g.code, c.rule_id, c.kind, s.name, c.event_count, c.title, c.fields
        FROM grid_case c JOIN device d ON d.id = c.device_id JOIN grid g ON g.id = c.grid_id
        JOIN case_state s ON s.state = c.state""")
    assert about == ["bin-1", "qx-yh-1-1-3", "bin-full", "bin_full", "dispatched", 1, "3号楼东侧垃圾箱已满95%",
                     {"fill_pct": 95, "note": "半满"}]
    assert database.rows(HISTORY) == [("filed",), ("dispatched",)]

    assert (alert.json["type"], alert.case) == ("case.opened", case)
    data = alert.json["data"]
    assert data["case"]["severity"] == "high" and data["case"]["event_count"] == 1
    assert data["grid"] == {"code": "qx-yh-1-1-3", "name": "3号楼", "leader": "张伟", "deputy": "陈静"}
    assert data["device"] == {"id": "bin-1", "class": "bin", "title": "3号楼东侧垃圾箱"}
    for part in ("重要", "3号楼东侧垃圾箱已满95%", "尧化街道 / 翠林社区 / 翠林一片 / 3号楼"):
        assert part in alert.text
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 0, why="the outbox to be empty")
    assert database.row("SELECT case_id, result, status, endpoint FROM delivery") == (case, "accepted", 200, "leader")
    assert not receiver.bad
    assert hub.health()["status"] == "ok"


def test_repeats_fold_recovery_is_recorded_and_a_second_time_recurs(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver)
    for pct in (95, 96, 97):
        fill(publisher, pct)
    wait_until(lambda: database.value("SELECT event_count FROM grid_case") == 3, why="three anomalies in one case")
    fill(publisher, 80)  # neither full nor clear: it stays as it is
    wait_readings(database, 4)
    assert database.row("SELECT event_count, recovered_at FROM grid_case") == (3, None)
    seen = database.value("SELECT last_seen FROM grid_case")

    fill(publisher, 10)
    wait_until(lambda: database.value("SELECT recovered_at FROM grid_case"), why="the case to recover")
    assert database.value("SELECT last_seen FROM grid_case") == seen  # a recovery is no sight of it
    fill(publisher, 99)
    wait_until(lambda: database.row("SELECT event_count, recovered_at FROM grid_case") == (4, None),
               why="the case to recur")
    assert database.rows(HISTORY) == [("filed",), ("dispatched",), ("recovered",), ("recurred",)]
    alerts = receiver.wait(3)
    assert [m.json["type"] for m in alerts] == ["case.opened", "case.recovered", "case.recurred"]
    # A recovery tells the case by its own title, and gives no advice.
    assert [m.text.splitlines()[0] for m in alerts[:2]] == [
        "【重要】3号楼东侧垃圾箱已满95%，请安排清运", "【已恢复】3号楼东侧垃圾箱已满95%"]
    assert len({m.case for m in alerts}) == 1 and len({m.id for m in alerts}) == 3
    assert "99%" in alerts[2].text
    assert hub.metric("gridhub_cases_opened_total") == 1


def test_down_and_up_again_in_one_batch_says_what_is_now(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver, conf={"database": {"timeout": "60s"}})
    fill(publisher, 95)
    receiver.wait(1)
    with database.connect(autocommit=False) as other:  # holds the commits up, so that what comes next is one batch
        other.execute("SELECT * FROM ingest_cursor FOR UPDATE")
        for n in range(4):
            fill(publisher, 95)
            hub.wait_metric("gridhub_readings_total", min(n + 2, 4))
        for pct in (10, 98):
            fill(publisher, pct)
    wait_until(lambda: database.row("SELECT event_count, recovered_at FROM grid_case") == (6, None), why="the last anomaly")
    wait_until(lambda: receiver.accepted[-1].json["type"] == "case.recurred", why="the alert of the second time")
    again = receiver.accepted[-1]
    assert again.json["data"]["fields"] == {"fill_pct": 98} and "98%" in again.text


def test_an_event_folds_and_never_recovers(make_hub, database, publisher, receiver):
    make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver)
    for n in range(3):
        publisher.publish(topic_of("bin-1", "event"), {"seq": n, "wrong_drop": True})
    wait_until(lambda: database.value("SELECT event_count FROM grid_case") == 3, why="three events in one case")
    assert database.value("SELECT count(*) FROM case_event WHERE what = 'filed'") == 1
    assert database.value("SELECT recovered_at FROM grid_case") is None


def test_the_nearest_grid_with_an_endpoint_answers(make_hub, database, publisher, receiver, folder):
    near = Receiver()
    try:
        secret = folder / "near.secret"
        secret.write_text(near.secret + "\n")
        secret.chmod(0o600)
        grids = [{**g, "endpoint": "near"} if g["code"] == "qx-yh-1-1" else g for g in GRIDS]
        grids.append({"code": "alone", "name": "飞地", "level": 1})
        devices = [*DEVICES, {"id": "bin-2", "class": "bin", "adapter": "hub", "grid": "qx-yh-1"},
                   {"id": "bin-3", "class": "bin", "adapter": "hub", "grid": "alone"}]
        hub = make_hub(grids=grids, devices=devices, rules=RULES, receiver=receiver, start=False)
        hub.conf["endpoints"].append({"name": "near", "url": near.url, "secret_file": str(secret)})
        hub.write_conf()
        hub.start()
        for device in ("bin-1", "bin-2", "bin-3"):
            fill(publisher, 95, device)
        assert near.wait(1)[0].json["data"]["grid"]["code"] == "qx-yh-1-1-3"
        assert receiver.wait(1)[0].json["data"]["grid"]["code"] == "qx-yh-1"

        # Nobody answers for bin-3: the case is there, the alert is dead from the start, and both are to be seen.
        wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 3, why="three cases")
        hub.wait_metric("gridhub_alerts_without_endpoint_total", 1)
        assert database.row("SELECT endpoint, dead_at IS NOT NULL, dead_reason FROM outbox WHERE endpoint IS NULL") == (
            None, True, "no grid up to the root names an endpoint")
        assert database.value("SELECT c.state FROM grid_case c JOIN outbox o ON o.case_id = c.id "
                              "WHERE o.endpoint IS NULL") == 1  # not dispatched
        hub.wait_metric("gridhub_outbox_dead", 1)
        assert len(near.accepted) == len(receiver.accepted) == 1
    finally:
        near.stop()


def test_the_registry_changes_while_the_hub_runs(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, rules=RULES)
    device = {"id": "bin-1", "class": "bin", "adapter": "hub", "grid": "qx-yh-1-1-3"}

    def until_counted(pct, readings):
        """Time from the change until a message is seen with it."""
        began = time.monotonic()

        def sent_and_in():
            fill(publisher, pct)
            time.sleep(0.2)
            return database.value(READINGS) > readings
        wait_until(sent_and_in, 10, why="the change to be seen")
        return time.monotonic() - began

    fill(publisher, 95)
    hub.wait_metric("gridhub_unknown_device_messages_total", 1)
    assert database.value(READINGS) == 0
    hub.import_("device", [device])
    assert until_counted(95, 0) < 5  # a second by the design; the machine may be busy
    assert database.value(GRID_OF_CASE, "bin-1") == "qx-yh-1-1-3"
    database.rows("UPDATE grid_case SET state = 9, closed_at = now()")

    hub.import_("device", [{**device, "grid": "qx-yh-1"}])
    wait_until(lambda: hub.log.count("devices_changed=1") == 2, 10, why="the hub to see the move")
    moved = "SELECT count(*) FROM grid_case c JOIN grid g ON g.id = c.grid_id WHERE g.code = 'qx-yh-1'"

    def opened_there():
        for pct in (10, 95):
            fill(publisher, pct)
        return database.value(moved) == 1
    wait_until(opened_there, 10, 0.3, why="a case in the grid that the device went to")

    hub.cmd("device", "remove", "bin-1")
    unknown = hub.metric("gridhub_unknown_device_messages_total")

    def not_known():
        fill(publisher, 50)
        return hub.metric("gridhub_unknown_device_messages_total") > unknown
    wait_until(not_known, 10, 0.3, why="the device to be gone")
    before = database.value(READINGS)
    fill(publisher, 50)
    hub.wait_metric("gridhub_unknown_device_messages_total", unknown + 2)
    assert database.value(READINGS) == before


def test_unknown_devices_register_themselves_in_the_holding_grid(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, rules=RULES, conf={"intake": {"unknown": "register", "holding_grid": "hold"}})
    fill(publisher, 20, "new-1")
    publisher.publish(topic_of("new-2", cls="sensor"), {"temperature": 20})
    rows = "SELECT d.name, d.class, d.auto, g.code FROM device d JOIN grid g ON g.id = d.grid_id ORDER BY 1"
    wait_until(lambda: database.rows(rows) == [("hub/new-1", 3, True, "hold"), ("hub/new-2", 2, True, "hold")])
    hub.wait_metric("gridhub_devices_registered_total", 2)

    def counted():
        fill(publisher, 20, "new-1")
        return database.value(READINGS) > 0
    wait_until(counted, 10, 0.2, why="a message of the device that registered itself")
    assert hub.json_lines("device", "unknown") == []
    assert [d["id"] for d in hub.json_lines("device", "list", "--grid", "hold")] == ["hub/new-1", "hub/new-2"]


def test_unknown_devices_are_kept_in_bounded_number(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, rules=RULES, conf={"intake": {"unknown_max": 5, "batch_time": "500ms"}})
    for n in range(4):
        fill(publisher, 1, f"u-{n}")
    hub.wait_metric("gridhub_unknown_device_messages_total", 4)
    wait_until(lambda: len(hub.json_lines("device", "unknown")) == 4)
    publisher.publish_many((topic_of(f"v-{n}"), {"fill_pct": 1}) for n in range(50))
    fill(publisher, 2, "u-0")  # a known unknown goes on being counted
    hub.wait_metric("gridhub_unknown_device_messages_total", 55)
    wait_until(lambda: database.value("SELECT messages FROM unknown_device WHERE address = 'u-0'") == 2)
    assert database.value("SELECT count(*) FROM unknown_device") == 5
    (last,) = [d for d in hub.json_lines("device", "unknown") if d["address"] == "u-0"]
    assert json.loads(last["payload"]) == {"fill_pct": 2} and last["class"] == "bin"


def test_devices_register_themselves_in_bounded_number(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, rules=RULES, conf={"intake": {"unknown": "register", "unknown_max": 5}})
    for n in range(3):
        fill(publisher, 1, f"u-{n}")
    hub.wait_metric("gridhub_devices_registered_total", 3)
    publisher.publish_many((topic_of(f"v-{n}"), {"fill_pct": 1}) for n in range(50))
    hub.wait_metric("gridhub_unknown_device_messages_total", 53)
    hub.wait_metric("gridhub_devices_registered_total", 5)
    wait_until(lambda: 3 <= len(hub.json_lines("device", "unknown")) <= 5, why="more of them to be kept aside")
    assert len(hub.json_lines("device", "list", "--grid", "holding")) == 5
    hub.cmd("device", "remove", "hub/u-0")  # makes room for one that is heard again
    fill(publisher, 1, "v-49")
    hub.wait_metric("gridhub_devices_registered_total", 6)
    assert database.value("SELECT count(*) FROM device WHERE auto AND removed_at IS NULL") == 5


def test_rules_are_read_again_and_bad_ones_are_refused(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    pack = hub.dir / "rules" / "test.yaml"
    good = pack.read_text()

    pack.write_text(good.replace("fill_pct >= 90.0", "fill_pct >= 90.0 &&"))
    hub.reload()
    assert "old ones stay" in hub.wait_part("rules", "degraded")["why"]
    assert hub.metric('gridhub_rule_reloads_total{result="refused"}') == 1
    assert "test.yaml:5:30: " in hub.wait_log("error", "test.yaml")
    fill(publisher, 95)
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 1, why="a case by the old rules")

    pack.write_text(good.replace("fill_pct >= 90.0", "fill_pct >= 50.0").replace("bin-full", "bin-half-full"))
    hub.reload()
    hub.wait_part("rules", "ok")
    assert hub.metric('gridhub_rule_reloads_total{result="ok"}') == 1
    wait_until(lambda: database.value("SELECT recovered_at FROM grid_case"), why="the gone rule's case to recover")
    fill(publisher, 60)
    wait_until(lambda: database.rows("SELECT rule_id FROM grid_case ORDER BY 1") == [("bin-full",), ("bin-half-full",)])


def test_a_hold_goes_on_over_a_restart(make_hub, database, publisher, receiver):
    pack = RULES["test.yaml"].replace("    kind: bin_full", "    for: 3s\n    kind: bin_full")
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules={"test.yaml": pack}, receiver=receiver)
    fill(publisher, 95)
    wait_until(lambda: database.value("SELECT count(*) FROM rule_state") == 1, why="the hold to be remembered")
    assert database.value("SELECT count(*) FROM grid_case") == 0
    hub.kill()
    hub.start()
    (alert,) = receiver.wait(1, timeout=20)  # without a further message, and with the words of the one before
    assert "95%" in alert.text
    first, sent = database.row("SELECT c.first_seen, r.at FROM grid_case c, reading r")
    assert (first - sent).total_seconds() >= 3


@pytest.mark.parametrize("language, zone, words", [
    ("zh-CN", "Asia/Shanghai", ["【重要】3号楼东侧垃圾箱已满95%", "网格：尧化街道 / ", "设备：3号楼东侧垃圾箱", "时间：2026年11月21日 20:00:00"]),
    ("en", "Europe/Berlin", ["[high] 3号楼东侧垃圾箱 is 95 % full", "Grid: 尧化街道 / ", "Device: 3号楼东侧垃圾箱",
                             "Time: 2026-11-21 13:00:00 CET"]),
])
def test_the_alert_speaks_the_language_of_the_district(make_hub, publisher, receiver, language, zone, words):
    make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver,
             conf={"language": language, "time_zone": zone, "intake": {"late": "3650d"}})
    fill(publisher, 95, ts="2026-11-21T20:00:00+08:00")
    (alert,) = receiver.wait(1)
    for part in words:
        assert part in alert.text


def test_the_end_drains_and_a_second_start_goes_on(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver)
    total = 3000
    publisher.publish_many((topic_of("bin-1"), {"seq": n, "fill_pct": 95}) for n in range(total))
    hub.wait_metric("gridhub_mqtt_messages_total", 1)
    assert hub.stop(timeout=40) == 0
    spooled = len(hub.json_lines("spool", "show"))
    assert 0 < spooled <= total
    assert database.value(READINGS) == spooled  # all that was acknowledged is in
    fill(publisher, 95, seq=total)  # while the hub is away: the broker keeps it for the session

    hub.start()
    wait_until(lambda: database.value(READINGS) == total + 1, 30, why="the rest to come")
    assert database.row("SELECT event_count, recovered_at FROM grid_case") == (total + 1, None)
    assert database.value("SELECT count(*) FROM case_event WHERE what = 'recurred'") == 0  # still the same firing
    fill(publisher, 10)
    wait_until(lambda: database.value("SELECT recovered_at FROM grid_case"), why="recovery in the second run")
    assert [m.json["type"] for m in receiver.wait(2)] == ["case.opened", "case.recovered"]
    assert hub.stop(timeout=40) == 0


@pytest.mark.parametrize(("rules", "told"), [
    ({"test.yaml": RULES["test.yaml"].replace(">= 90.0", ">= 99.0")}, True),
    ({"test.yaml": RULES["test.yaml"].replace("id: bin-full", "id: another")}, False),
], ids=["changed", "gone"])
def test_what_a_rule_had_open_recovers_when_the_next_start_has_it_no_more(make_hub, database, publisher, receiver, rules,
                                                                         told):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver)
    fill(publisher, 95)
    receiver.wait(1)
    assert hub.stop(timeout=40) == 0
    for name, text in rules.items():
        (hub.dir / "rules" / name).write_text(text)
    hub.start()
    wait_until(lambda: database.value("SELECT recovered_at FROM grid_case"), why="the case to recover")
    assert database.value("SELECT count(*) FROM rule_state") == 0
    assert database.rows(HISTORY) == [("filed",), ("dispatched",), ("recovered",)]
    if told:
        assert receiver.wait(2)[1].json["type"] == "case.recovered"
    else:
        assert database.value("SELECT count(*) FROM outbox") == 0


def test_a_second_signal_ends_at_once_and_loses_nothing(make_hub, database, publisher):
    proxy = Proxy(database.server.port)
    try:
        hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, start=False)
        hub.conf["database"]["conninfo"] = proxy.through(hub.conf["database"]["conninfo"])
        hub.write_conf()
        hub.start()
        hub.wait_part("database", "ok")
        proxy.refuse()
        publisher.publish_many((topic_of("bin-1"), {"n": n}) for n in range(100))
        hub.wait_metric("gridhub_mqtt_messages_total", 100)
        hub.process.send(signal.SIGTERM)
        hub.wait_log("msg=stopping")
        time.sleep(0.3)
        assert hub.running  # it would like to commit what is in the spool, and waits for the database
        began = time.monotonic()
        hub.process.send(signal.SIGINT)
        assert hub.wait_end() == 1 and time.monotonic() - began < 12  # of the 20 s it would have waited
        proxy.accept()
        hub.start()
        wait_readings(database, 100)
    finally:
        proxy.close()


def test_what_the_database_refuses_is_set_aside_and_the_rest_goes_on(make_hub, database, publisher, receiver):
    """A constraint stands for whatever PostgreSQL may refuse: a batch must not stop the district for ever."""
    bins = DEVICES + [{**DEVICES[0], "id": "bin-2", "address": "bin-2"}]
    hub = make_hub(grids=GRIDS, devices=bins, rules=RULES, receiver=receiver)
    database.rows("ALTER TABLE reading ADD CONSTRAINT no_poison CHECK (NOT fields ? 'poison')")
    database.rows("ALTER TABLE grid_case ADD CONSTRAINT no_poison CHECK (NOT fields ? 'poison')")
    publisher.publish_many([(topic_of("bin-1"), {"fill_pct": 95, "poison": 1}), (topic_of("bin-1"), {"fill_pct": 96}),
                            (topic_of("bin-2"), {"fill_pct": 97})])
    (alert,) = receiver.wait(1)
    assert "97%" in alert.text
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 2, why="the good readings")
    aside = database.rows("SELECT topic, reason, detail FROM rejected_message ORDER BY topic")
    assert [row[:2] for row in aside] == [("grid_case", "database"), ("reading", "database")]
    assert all("no_poison" in row[2] for row in aside)
    assert "95%" in bytes(database.value("SELECT payload FROM rejected_message WHERE topic = 'grid_case'")).decode()
    assert hub.metric('gridhub_messages_rejected_total{reason="database"}') == 2
    publisher.publish(topic_of("bin-1"), {"fill_pct": 40})
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 3, why="readings after it")
    wait_until(lambda: hub.health()["status"] == "ok", why="health")
