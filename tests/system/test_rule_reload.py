"""SIGHUP in the middle of holds and windows: rules that did not change do not notice; what changed counts from then on."""

import datetime
import time
import zoneinfo

from conftest import DEVICES, GRIDS, topic_of, wait_until

ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
UNCHANGED = """
  - id: full
    class: bin
    when: fill_pct >= 90.0
    for: 6s
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: drops
    class: bin
    when: count(wrong_drop, '5m') >= 4
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: jump
    class: bin
    when: fill_pct - prev.fill_pct > 40.0
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
"""
CHANGING = """
  - id: hot
    class: bin
    when: temp_c > {limit}
    kind: event-0192
    title: {{zh-CN: "{{device.name}}"}}
  - id: smoke
    class: bin
    when: smoke
    event: true
    during: shop
    kind: event-0192
    title: {{zh-CN: "{{device.name}}"}}
"""
SHOP = "zone: Asia/Shanghai\nschedules: [{{name: shop, hours: [\"{:%H:%M}-{:%H:%M}\"]}}]\n"
CASES = "SELECT rule_id, event_count, ts_to_us(first_seen), recovered_at IS NOT NULL FROM grid_case ORDER BY rule_id, id"


def rules(limit, extra=""):
    return "rules:" + extra + UNCHANGED + CHANGING.format(limit=limit)


def shop(from_h, to_h):
    now = datetime.datetime.now(ZONE)
    return SHOP.format(now + datetime.timedelta(hours=from_h), now + datetime.timedelta(hours=to_h))


def test_a_reload_changes_nothing_for_rules_that_did_not_change(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules={"test.yaml": rules(30.0), "schedules.yaml": shop(2, 3)})
    folder = hub.dir / "rules"
    sent = 0

    def send(kind="tele", **fields):
        nonlocal sent
        sent += 1
        at = int(time.time() * 1000)
        publisher.publish(topic_of("bin-1", kind), {"ts": at, "seq": sent, **fields})
        wait_until(lambda: database.value("SELECT count(*) FROM reading") == sent)
        return at * 1000

    def reload(text, schedules):
        before = hub.metric('gridhub_rule_reloads_total{result="ok"}')
        (folder / "test.yaml").write_text(text)
        (folder / "schedules.yaml").write_text(schedules)
        hub.reload()
        hub.wait_metric('gridhub_rule_reloads_total{result="ok"}', before + 1)

    send(fill_pct=20.0)
    began = send(fill_pct=95.0, temp_c=40.0)  # full is pending, hot fires, jump matched
    for _ in range(3):
        send("event", wrong_drop=True)
    send("event", smoke=True)  # passed over: the shop is shut
    wait_until(lambda: [row[:2] for row in database.rows(CASES)] == [("hot", 1), ("jump", 1)])
    other = "\n  - id: other\n    when: battery_pct < 5.0\n    kind: event-0192\n    title: {zh-CN: x}\n"
    reload(rules(35.0, other), shop(-1, 1))  # another place in the set for all, another limit, and the shop is open

    wait_until(lambda: ("hot", True) in [(row[0], row[3]) for row in database.rows(CASES)])  # it is another rule now
    send("event", wrong_drop=True)  # the fourth: the window has the three from before
    send("event", smoke=True)
    send(fill_pct=96.0)  # no jump: the value before was 95
    wait_until(lambda: [row[0] for row in database.rows(CASES)] == ["drops", "full", "hot", "jump", "smoke"], 20)
    rows = {row[0]: row for row in database.rows(CASES)}
    assert rows["full"][2] == began + 6_000_000  # as if nothing had been
    assert rows["drops"][1] == 1 and rows["jump"][1] == 1 and rows["smoke"][1] == 1

    reload(rules(35.0), shop(-1, 1))
    send(fill_pct=97.0)
    wait_until(lambda: {row[0]: row[1] for row in database.rows(CASES)}["full"] >= 2)
    (folder / "test.yaml").write_text("rules: [{id: broken}]\n")
    hub.reload()
    hub.wait_metric('gridhub_rule_reloads_total{result="refused"}', 1)
    send("event", wrong_drop=True)
    wait_until(lambda: {row[0]: row[1] for row in database.rows(CASES)}["drops"] == 2)
    assert database.value("SELECT count(*) FROM case_event WHERE what = 'recurred' AND case_id = "
                          "(SELECT id FROM grid_case WHERE rule_id = 'full')") == 0
