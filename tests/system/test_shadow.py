"""Rules that only count, and rules that flap."""

import datetime
import zoneinfo

from conftest import DEVICES, GRIDS, topic_of, wait_until

RULES = {"test.yaml": """
rules:
  - id: full
    class: bin
    when: fill_pct >= 90.0
    kind: event-0192
    flap: {count: 3, within: 1m}
    title: {zh-CN: "{device.name}已满", en: "{device.name} is full"}
  - id: full-try
    class: bin
    when: fill_pct >= 80.0
    shadow: true
    kind: event-0192
    title: {zh-CN: "{device.name}快满"}
  - id: drop-try
    class: bin
    when: wrong_drop
    event: true
    shadow: true
    kind: event-0192
    title: {zh-CN: "{device.name}投放错误"}
"""}
ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")
SHADOW = "SELECT rule_id, day, opened, folded, recovered FROM rule_shadow ORDER BY rule_id, day"


def send(publisher, at, **fields):
    kind = "event" if "wrong_drop" in fields else "tele"
    publisher.publish(topic_of("bin-1", kind), {"ts": int(at.timestamp() * 1000), **fields})


def test_shadow_rules_are_counted_by_day_and_open_nothing(make_hub, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver,
                   conf={"intake": {"late": "3d"}, "time_zone": "Asia/Shanghai"})
    now = datetime.datetime.now(ZONE)
    today = now.date()
    day = datetime.timedelta(days=1)
    noon = datetime.datetime.combine(today - day, datetime.time(0, 10), ZONE)  # yesterday, and the day before in UTC
    for minute, fill in enumerate((85, 86, 20, 85)):
        send(publisher, noon + datetime.timedelta(minutes=minute), fill_pct=fill)
    for second in range(3):
        send(publisher, now - datetime.timedelta(seconds=9 - second), wrong_drop=True)
    send(publisher, now, fill_pct=88)
    expected = [("drop-try", today, 3, 0, 0), ("full-try", today - day, 2, 1, 1), ("full-try", today, 0, 1, 0)]
    if now.hour == 0 and now.minute == 0:
        return  # a few seconds around midnight would fall into two days
    wait_until(lambda: database.rows(SHADOW) == expected, why="the counts")
    assert hub.metric("gridhub_rule_shadow_anomalies_total") == 8
    hub.kill()  # what it counted is in, and its state too
    hub.start()
    send(publisher, now + datetime.timedelta(seconds=1), fill_pct=10)
    wait_until(lambda: database.rows(SHADOW)[-1] == ("full-try", today, 0, 1, 1))
    for table in ("grid_case", "case_event", "outbox", "delivery"):
        assert database.value(f"SELECT count(*) FROM {table}") == 0
    assert not receiver.accepted

    lines = hub.json_lines("rule", "shadow")
    assert lines[0] == {"rule": "full-try", "day": str(today - day), "opened": 2, "folded": 1, "recovered": 1}
    assert [line["rule"] for line in hub.json_lines("rule", "shadow", "--from", today)] == ["drop-try", "full-try"]
    assert hub.json_lines("rule", "shadow", "--to", today - day) == lines[:1]
    assert len(hub.json_lines("rule", "shadow", "--rule", "full-try")) == 2
    for bad in (["--from", "2026-3-2"], ["--to", "today"], ["--from", "2026-02-30"], ["more"], ["--nix"]):
        assert hub.cmd("rule", "shadow", *bad, check=False).returncode == 2, bad


def test_a_live_case_recovers_when_its_rule_only_counts_from_now_on(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    send(publisher, datetime.datetime.now(ZONE), fill_pct=95)
    wait_until(lambda: database.value("SELECT count(*) FROM grid_case") == 1)
    path = hub.dir / "rules" / "test.yaml"
    hub.kill()
    path.write_text(path.read_text().replace("    flap: {count: 3, within: 1m}\n", "    shadow: true\n"))
    hub.start()  # the state that the database has is of another rule now
    wait_until(lambda: database.value("SELECT recovered_at IS NOT NULL FROM grid_case"))
    send(publisher, datetime.datetime.now(ZONE), fill_pct=96)
    wait_until(lambda: database.value("SELECT opened FROM rule_shadow WHERE rule_id = 'full'") == 1)
    assert database.row("SELECT count(*), sum(event_count) FROM grid_case") == (1, 1)


def test_flapping_is_told_once_and_then_held_open(make_hub, database, publisher, receiver):
    make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver, conf={"intake": {"ahead": "5m"}})
    at = datetime.datetime.now(ZONE) - datetime.timedelta(seconds=2)
    for n in range(20):
        send(publisher, at + n * datetime.timedelta(milliseconds=100), fill_pct=95 if n % 2 == 0 else 10)
        wait_until(lambda seen=n + 1: database.value("SELECT count(*) FROM reading") == seen, interval=0.01)
    history = "SELECT what FROM case_event ORDER BY id"
    told = ["filed", "dispatched", "recovered", "recurred", "recovered", "recurred", "flapping"]
    assert [row[0] for row in database.rows(history)] == told
    assert database.row("SELECT event_count, recovered_at FROM grid_case") == (10, None)
    alerts = receiver.wait(5)
    assert [m.json["type"] for m in alerts] == ["case.opened", "case.recovered", "case.recurred", "case.recovered",
                                                "case.recurred"]
    assert ["反复波动" in m.text for m in alerts] == [False, False, False, False, True]

    send(publisher, at + datetime.timedelta(seconds=63), fill_pct=10)
    wait_until(lambda: database.value("SELECT recovered_at IS NOT NULL FROM grid_case"), why="a minute of quiet")
    last = receiver.wait(6)[-1]
    assert last.json["type"] == "case.recovered" and "反复" not in last.text
    assert [row[0] for row in database.rows(history)] == [*told, "recovered"]
