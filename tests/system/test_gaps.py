"""When nothing could arrive, for the hub or the broker was away: it stands in the spool, and in intake_gap."""

import signal

from conftest import DEVICES, GRIDS, RULES, topic_of, wait_until

GAPS = "SELECT adapter, ts_to_us(from_at), ts_to_us(to_at) FROM intake_gap ORDER BY to_at, adapter"
SECOND = 1_000_000


def last_recv(database):
    return database.value("SELECT ts_to_us(max(recv_at)) FROM reading")


def say(publisher, database, n):
    publisher.publish(topic_of("bin-1"), {"n": n})
    wait_until(lambda: database.value("SELECT count(*) FROM reading WHERE (fields->>'n')::int = %s", n) == 1)


def markers(hub):
    return [r["marker"] for r in hub.json_lines("spool", "show", "--markers") if "marker" in r]


def gaps_after(database, count):
    """All adapters of the broker have one gap each time; those of the hub's own dialect."""
    wait_until(lambda: len(database.rows(GAPS)) == 3 * count, 30, why=f"{count} gaps")
    rows = database.rows(GAPS)
    assert {row[0] for row in rows[-3:]} == {"frigate", "hub", "zigbee2mqtt"} and len({row[1:] for row in rows[-3:]}) == 1
    return rows[-1][1:]


def test_a_killed_hub_and_a_stopped_one_know_how_long_they_were_away(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    hub.wait_part("mqtt", "ok")
    say(publisher, database, 1)
    before = database.value("SELECT count(*) FROM intake_gap")
    heard = last_recv(database)
    hub.kill()
    hub.start()
    say(publisher, database, 2)
    rows = database.rows(GAPS)[before:]
    assert [row[0] for row in rows] == ["frigate", "hub", "zigbee2mqtt"]
    assert all(row[1] == heard for row in rows)  # up to there it was heard, for sure
    assert all(heard < row[2] <= last_recv(database) for row in rows)

    now = database.value("SELECT ts_to_us(clock_timestamp())")
    assert hub.stop() == 0
    assert database.value("SELECT away ? 'street' FROM ingest_cursor")
    hub.start()
    say(publisher, database, 3)
    from_us, to_us = database.rows(GAPS)[-1][1:]
    assert now <= from_us < to_us <= last_recv(database)  # it said so when it left
    assert database.value("SELECT away FROM ingest_cursor") == {}
    assert markers(hub) == ["started", "connected", "started", "connected", "away", "started", "connected"]


def test_a_broker_that_was_away_leaves_a_gap(make_hub, database, make_broker, make_publisher):
    broker = make_broker()
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, broker=broker)
    hub.wait_part("mqtt", "ok")
    say(make_publisher(broker), database, 1)
    before = database.value("SELECT count(*) FROM intake_gap") // 3
    heard = last_recv(database)
    broker.kill()
    wait_until(lambda: markers(hub)[-1] == "away")
    wait_until(lambda: database.value("SELECT away ? 'street' FROM ingest_cursor"))
    broker.start()
    hub.wait_part("mqtt", "ok", timeout=30)
    say(make_publisher(broker), database, 2)
    from_us, to_us = gaps_after(database, before + 1)
    assert heard < from_us < to_us <= last_recv(database)
    assert hub.metric("gridhub_intake_gaps_total") == 3 * (before + 1) and hub.stop() == 0


def test_what_a_frozen_hub_did_not_hear_is_no_gap(make_hub, database, publisher):
    """It is still connected: the broker holds what comes, and it arrives late."""
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES)
    hub.wait_part("mqtt", "ok")
    say(publisher, database, 1)
    before = database.rows(GAPS)
    hub.process.send(signal.SIGSTOP)
    publisher.publish(topic_of("bin-1"), {"n": 2})
    hub.process.send(signal.SIGCONT)
    say(publisher, database, 3)
    assert database.rows(GAPS) == before and database.value("SELECT count(*) FROM reading") == 3
