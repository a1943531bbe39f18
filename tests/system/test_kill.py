"""kill -9 of the hub while messages come in: nothing lost, nothing doubled.

MESSAGES and KILLS in the environment make it larger (tests/bench/kill). Every message has a number of its own, so the
table of readings tells which ones are in, and how often. Every device sends a known number of anomalies: its cases must
have counted exactly so many, and each case must have been announced under one id.
"""

import os
import threading
import time

from conftest import wait_until

MESSAGES = int(os.environ.get("MESSAGES", "5000"))
KILLS = int(os.environ.get("KILLS", "3"))
DEVICES = 50
RATE = 2500  # messages a second, so that the kills fall into the run
PER_DEVICE = MESSAGES // DEVICES
CALM = 3  # readings of a device before its bin is full
DROP_EVERY = 10  # one of so many messages of a device is a wrong drop, an event

GRIDS = [{"code": "g", "name": "g", "level": 1, "leader": "l", "endpoint": "leader"}]
BINS = [{"id": f"bin-{d}", "class": "bin", "adapter": "hub", "address": f"bin-{d}", "grid": "g"} for d in range(DEVICES)]
RULES = {"kill.yaml": """
rules:
  - id: full
    class: bin
    when: fill_pct >= 90.0
    kind: bin_full
    title: {zh-CN: "{device.name} {fill_pct}"}
  - id: drop
    class: bin
    when: wrong_drop
    event: true
    kind: wrong_drop
    title: {zh-CN: "{device.name}"}
"""}


def message(n):
    """(topic, payload) of message number n."""
    device, k = n % DEVICES, n // DEVICES
    if k % DROP_EVERY == DROP_EVERY - 1:
        return f"city/v1/q/g/bin/bin-{device}/event", {"seq": k, "n": n, "wrong_drop": True}
    return f"city/v1/q/g/bin/bin-{device}/tele", {"seq": k, "n": n, "fill_pct": 95.0 if k >= CALM else 20.0}


DROPS = PER_DEVICE // DROP_EVERY
FULLS = PER_DEVICE - DROPS - CALM


class Stream(threading.Thread):
    """Publishes all messages at RATE; `sent` counts them, `error` keeps what went wrong."""

    def __init__(self, publisher):
        super().__init__(daemon=True)
        self.publisher, self.sent, self.error = publisher, 0, None

    def run(self):
        try:
            began = time.monotonic()
            for at in range(0, MESSAGES, 100):
                time.sleep(max(0.0, began + at / RATE - time.monotonic()))
                self.publisher.publish_many(message(n) for n in range(at, at + 100))
                self.sent = at + 100
        except BaseException as e:  # noqa: BLE001  shown by the test
            self.error = e


def test_killed_hub_loses_and_doubles_nothing(make_hub, database, broker, publisher, receiver):
    assert MESSAGES % DEVICES == 0 and MESSAGES % 100 == 0 and PER_DEVICE % DROP_EVERY == 0
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES, receiver=receiver,
                   conf={"notify": {"lease": "10s"}, "log": {"level": "info"}})
    stream = Stream(publisher)
    stream.start()
    for kill in range(1, KILLS + 1):
        wait_until(lambda: stream.sent >= MESSAGES * kill // (KILLS + 1) or stream.error, 120, 0.005)
        hub.kill()
        hub.start(ready=False)
    stream.join(300)
    assert stream.error is None and stream.sent == MESSAGES
    hub.wait_until_ready()

    # Every message is in, and none twice.
    distinct = "SELECT count(DISTINCT fields->>'n') FROM reading"
    end = time.monotonic() + 60
    while database.value(distinct) < MESSAGES and time.monotonic() < end:
        time.sleep(0.2)
    wait_until(lambda: hub.metric("gridhub_spool_backlog_records") == 0, 60)
    lost = MESSAGES - database.value(distinct)
    doubled = database.value("SELECT count(*) FROM reading") - MESSAGES + lost

    # One case for each cause, which counted each anomaly once.
    cases = database.rows("SELECT rule_id, event_count, count(*) FROM grid_case GROUP BY 1, 2 ORDER BY 1, 2")
    filed = database.value("SELECT count(*) FROM case_event WHERE what = 'filed'")

    # Each case was announced, and under one id however often it was sent.
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 0, 60, why="no alert to be owed")
    opened = {}
    for m in receiver.accepted:
        if m.json["type"] == "case.opened":
            opened.setdefault(m.case, set()).add(m.id)
    print(f"\n{MESSAGES} messages, {KILLS} kills: {lost} lost, {doubled} readings doubled, {len(opened)} cases announced, "
          f"{filed} filed, {hub.starts} starts; (rule, anomalies, cases): {cases}")
    assert (lost, doubled) == (0, 0)
    assert cases == [("drop", DROPS, DEVICES), ("full", FULLS, DEVICES)]
    assert filed == 2 * DEVICES == len(opened)
    assert all(len(ids) == 1 for ids in opened.values())
    assert not receiver.bad
