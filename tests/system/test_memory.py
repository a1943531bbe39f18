"""What rules remember (windows, values before) survives kill -9 and stops: the result is that of a hub that was left alone."""

import re
import threading
import time

import pytest

from conftest import GRIDS, merge, topic_of, wait_until

# Event rules: each match is counted, so one reading that is forgotten or remembered twice shows.
RULES = {"test.yaml": """
rules:
  - id: drops
    class: bin
    when: count(wrong_drop, '5m') >= 4
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: warm
    class: bin
    when: avg(temp_c, '3m') > 25.0 && has(temp_c)
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: jump
    class: bin
    when: fill_pct - prev.fill_pct > 40.0
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: spread
    class: bin
    when: max(temp_c, 12) - min(temp_c, 12) > 14.0 && age.fill_pct < duration('20s')
    event: true
    kind: event-0192
    title: {zh-CN: "{device.name}"}
  - id: many
    class: bin
    when: devices(temp_c > 29.0, '1m') >= 5
    event: true
    kind: event-0192
    title: {zh-CN: "{grid.name}"}
"""}
DEVICES = 10
MESSAGES = 3000
STEP = 0.7  # seconds between the readings' own times
BINS = [{"id": f"bin-{d}", "class": "bin", "adapter": "hub", "address": f"bin-{d}", "grid": "qx-yh-1-1-3"}
        for d in range(DEVICES)]
CONF = {"intake": {"late": "3h"}, "log": {"level": "info"}}
RESULT = ("SELECT c.rule_id, d.name, c.event_count, ts_to_us(c.first_seen), ts_to_us(c.last_seen) "
          "FROM grid_case c JOIN device d ON d.id = c.device_id ORDER BY 1, 2")
MEMORIES = "SELECT d.name, m.data FROM device_memory m JOIN device d ON d.id = m.device_id ORDER BY 1"
READINGS = "SELECT count(*) FROM reading"


def message(n, start):
    """Of device n % DEVICES; what it says looks random and is not."""
    x = (n * 2654435761 >> 7) % 1000
    fields = {"seq": n // DEVICES, "ts": int((start + n * STEP) * 1000)}
    if x % 3 != 0:
        fields["temp_c"] = 15.0 + x % 17
    if x % 4 == 1:
        fields["fill_pct"] = float(x % 97)
    if x % 7 == 2:
        fields["wrong_drop"] = x % 2 == 0
    if len(fields) == 2:
        fields["battery_pct"] = 50
    return topic_of(f"bin-{n % DEVICES}"), fields


def unpacked(data):
    """As hub/zeros.h says."""
    return re.sub(rb"\0(.)", lambda m: bytes(m[1][0]), bytes(data), flags=re.DOTALL)


class Stream(threading.Thread):
    """Publishes all messages in about ten seconds; `sent` counts them."""

    def __init__(self, publisher, start):
        super().__init__(daemon=True)
        self.publisher, self.start_at, self.sent, self.error = publisher, start, 0, None

    def run(self):
        try:
            for at in range(0, MESSAGES, 50):
                self.publisher.publish_many(message(n, self.start_at) for n in range(at, at + 50))
                self.sent = at + 50
                time.sleep(0.15)
        except BaseException as e:  # noqa: BLE001  shown by the test
            self.error = e


def run_through(make_hub, db, broker, publisher, start, ends, conf=None):
    """All messages through a hub that ends (killed or stopped) so many times; what came of it, and what it remembers."""
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES, db=db, broker=broker, conf=merge(dict(CONF), conf or {}))
    stream = Stream(publisher, start)
    stream.start()
    for i, how in enumerate(ends, 1):
        wait_until(lambda i=i: stream.sent >= MESSAGES * i // (len(ends) + 1) or stream.error, 60, 0.01)
        assert not stream.error
        hub.kill() if how == "kill" else hub.stop()
        hub.start()
    stream.join(60)
    assert stream.error is None and stream.sent == MESSAGES
    wait_until(lambda: db.value(READINGS) >= MESSAGES, 60)
    assert hub.stop() == 0 and db.value(READINGS) == MESSAGES
    return hub, db.rows(RESULT), [(name, unpacked(data)[12:-8]) for name, data in db.rows(MEMORIES)]


@pytest.mark.parametrize("ends", [("kill",) * 5, ("stop",) * 3, ("kill", "stop", "kill", "kill", "stop", "kill")],
                         ids=["kills", "stops", "both"])
def test_the_result_is_that_of_a_hub_left_alone(make_hub, make_broker, make_publisher, make_database, ends):
    start = time.time() - MESSAGES * STEP - 60
    results = []
    for how in ((), ends):
        broker = make_broker()
        results.append(run_through(make_hub, make_database(), broker, make_publisher(broker), start, how)[1:])
    (alone, kept), (ended, kept_too) = results
    assert {row[0] for row in alone} == {"drops", "warm", "jump", "spread", "many"} and len(alone) >= 4 * DEVICES
    assert sum(row[2] for row in alone) > MESSAGES / 3
    assert ended == alone
    assert len(kept) == DEVICES and kept_too == kept


def test_a_spool_that_lost_records_says_what_it_means(make_hub, database, broker, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES, conf=CONF)
    now = time.time()
    for n in range(40):
        publisher.publish(*message(n, now - 60))
    wait_until(lambda: database.value(READINGS) == 40)
    hub.stop()
    hub.start()
    assert hub.wait_log("memories=10", "records_seen_again=0")
    hub.kill()
    for path in (hub.dir / "spool").iterdir():
        path.unlink()
    hub.start()
    assert "devices=10" in hub.wait_log("memories of rules are from another spool")
    publisher.publish(topic_of("bin-1"), {"fill_pct": 1.0, "n": 41})
    wait_until(lambda: database.value(READINGS) == 41)
    assert hub.stop() == 0

    database.rows("UPDATE device_memory SET data = '\\x00' || data WHERE device_id = (SELECT min(device_id) FROM device_memory)")
    hub.start()
    hub.wait_log("memories of rules that cannot be read")
    assert hub.stop() == 0


def test_devices_of_which_nothing_is_remembered_have_no_row(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES, conf=CONF)
    publisher.publish(topic_of("bin-1"), {"fill_pct": 1.0})
    publisher.publish(topic_of("bin-2"), {"battery_pct": 77})  # no rule reads it
    wait_until(lambda: database.value(READINGS) == 2)
    assert hub.stop() == 0
    assert [row[0] for row in database.rows(MEMORIES)] == ["bin-1"]
    hub.json_lines("device", "list")
    hub.cmd("device", "remove", "bin-1")


def test_a_spool_that_fills_has_memories_saved_sooner(make_hub, database, broker, publisher):
    """It would have to keep all records since a memory changed; that must not hold brokers back."""
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES,
                   conf={**CONF, "spool": {"max_size": "4M", "segment_size": "1M"}})
    start, note = time.time() - 60, "x" * 5000
    for at in range(0, 1000, 100):
        publisher.publish_many((topic, {**fields, "note": note}) for topic, fields in
                               (message(n, start) for n in range(at, at + 100)))
        wait_until(lambda at=at: database.value(READINGS) == at + 100)
    cursor = database.row("SELECT memory_from_seq, last_seq FROM ingest_cursor")
    kept = hub.json_lines("spool", "list")
    assert 1 < kept[0]["first_seq"] and sum(segment["bytes"] for segment in kept) <= 3 << 20
    assert kept[0]["first_seq"] <= cursor[0] + 1 and database.value("SELECT count(*) FROM device_memory") == DEVICES
    assert hub.metric("gridhub_mqtt_held_total") == 0
    hub.kill()
    hub.start()
    assert "memories=10" in hub.wait_log("rules remember", "memories=10")
    assert "lack records" not in hub.log and hub.stop() == 0
