"""A hub that is made to share its subscription gets its share only, and loses nothing on the way there."""

import time

import pytest
from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until


@pytest.mark.parametrize("version", [3, 5])
def test_a_session_that_begins_to_share_gets_nothing_twice(make_hub, publisher, database, version):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, start=False)
    hub.conf["mqtt"][0]["version"] = version
    for sub in hub.conf["mqtt"][0]["subscriptions"]:
        assert not sub["topic"].startswith("$share/")
    hub.write_conf()
    hub.start()
    hub.wait_part("mqtt", "ok")
    assert hub.stop() == 0
    publisher.publish(topic_of("bin-1"), {"fill_pct": 1})  # stands in the session
    for sub in hub.conf["mqtt"][0]["subscriptions"]:
        sub["topic"] = "$share/hubs/" + sub["topic"]
    hub.write_conf()
    hub.start()
    hub.wait_part("mqtt", "ok")
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 1)
    time.sleep(0.5)  # the broker has the UNSUBSCRIBE, which follows what was answered
    for n in range(10):
        publisher.publish(topic_of("bin-1"), {"fill_pct": 2 + n})
    wait_until(lambda: database.value("SELECT count(*) FROM reading") >= 11)
    time.sleep(0.5)
    assert database.value("SELECT count(*) FROM reading") == 11
