"""Silence: a device that says nothing is found; a hub or a broker that was away makes nobody silent."""

import threading
import time

import pytest

from conftest import GRIDS, topic_of, wait_until

RULES = {"test.yaml": """
rules:
  - id: silent
    class: bin
    silent: 3x
    kind: event-0192
    title: {zh-CN: "{device.name}已{silent_min}分钟无数据", en: "{device.name} has said nothing for {silent_min} min"}
"""}
INTERVAL = 1.0
NAMES = [f"bin-{n}" for n in range(1, 5)]
BINS = [{"id": name, "class": "bin", "adapter": "hub", "address": name, "grid": "qx-yh-1-1-3", "interval": "1s"}
        for name in NAMES]
OPEN = "SELECT d.name FROM grid_case c JOIN device d ON d.id = c.device_id WHERE c.recovered_at IS NULL ORDER BY 1"


class Chatter(threading.Thread):
    """Every bin speaks three times in its interval, but for those in `mute`."""

    def __init__(self, publisher):
        super().__init__(daemon=True)
        self.publisher, self.mute, self.over, self.n = publisher, set(), threading.Event(), 0

    def run(self):
        while not self.over.wait(INTERVAL / 3):
            for name in NAMES:
                if name not in self.mute:
                    self.n += 1
                    self.publisher.publish(topic_of(name), {"n": self.n}, wait=False)


@pytest.fixture
def chatter(make_publisher, broker):
    c = Chatter(make_publisher(broker))
    yield c
    c.over.set()
    c.join(5)


def cases(database):
    return [row[0] for row in database.rows(OPEN)]


def heard(database):
    return database.value("SELECT count(*) FROM reading")


def go_on_for(database, seconds, but=()):
    """The stream flows for so long, and nobody else becomes silent."""
    end = time.monotonic() + seconds
    before = heard(database)
    while time.monotonic() < end:
        assert cases(database) == list(but)
        time.sleep(0.2)
    wait_until(lambda: heard(database) > before)
    assert cases(database) == list(but)


def test_silence_is_found_and_an_outage_is_none(make_hub, broker, chatter, database):
    hub = make_hub(grids=GRIDS, devices=BINS, rules=RULES)
    chatter.start()
    go_on_for(database, 4)
    chatter.mute = {"bin-2"}
    wait_until(lambda: cases(database) == ["bin-2"], why="the silent bin")
    assert "无数据" in database.value("SELECT title FROM grid_case")
    chatter.mute = set()
    wait_until(lambda: cases(database) == [])

    hub.kill()  # and nobody speaks for longer than three intervals: the broker's session would make up for it
    chatter.mute = set(NAMES)
    time.sleep(4.5 * INTERVAL)
    hub.start()
    wait_until(lambda: database.value("SELECT away FROM ingest_cursor") == {})
    time.sleep(1.5 * INTERVAL)  # they are late, but the hub has not waited for three intervals
    chatter.mute = set()
    go_on_for(database, 4)

    broker.kill()
    time.sleep(5 * INTERVAL)
    assert cases(database) == []
    broker.start()
    hub.wait_part("mqtt", "ok", timeout=30)
    assert cases(database) == []
    go_on_for(database, 4)

    chatter.mute = {"bin-3"}  # and it still finds one that is
    wait_until(lambda: cases(database) == ["bin-3"])
    hub.restart()
    go_on_for(database, 4, but=["bin-3"])
    assert database.value("SELECT count(*) FROM grid_case") == 2
    chatter.mute = set()
    wait_until(lambda: cases(database) == [])
    assert hub.stop() == 0


def test_a_device_that_never_spoke_is_silent_too(make_hub, database, chatter):
    chatter.mute = {"bin-4"}
    hub = make_hub(grids=GRIDS, devices=BINS[:3], rules=RULES)
    chatter.start()
    go_on_for(database, 3)
    hub.import_("device", BINS)
    wait_until(lambda: cases(database) == ["bin-4"])
    assert hub.health()["parts"]["engine"]["status"] == "ok"
