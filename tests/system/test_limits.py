"""What must not stop the hub for ever: a small spool, a spool that lost its end, a wide device, a long query, a stop."""

import os
import time

from conftest import wait_until

GRIDS = [{"code": "g", "name": "g", "level": 1}]
BINS = [{"id": "bin-1", "class": "bin", "adapter": "hub", "address": "bin-1", "grid": "g"}]
TELE = "city/v1/q/g/bin/bin-1/tele"


def count(database):
    return database.value("SELECT count(DISTINCT fields->>'n') FROM reading WHERE fields ? 'n'")


def test_what_dedup_keeps_never_fills_the_spool(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules={},
                   conf={"spool": {"segment_size": "1M", "max_size": "4M"}, "log": {"level": "info"}})
    publisher.publish_many((TELE, {"n": n, "note": "x" * 200}) for n in range(20000))
    wait_until(lambda: count(database) == 20000, 30, why="all messages through a spool that is smaller than they are")
    assert hub.metric("gridhub_spool_bytes") < 4 << 20


def test_messages_after_a_power_cut_are_not_taken_for_committed_ones(make_hub, own_postgres, make_database, publisher):
    db = make_database(own_postgres)
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, db=db)
    publisher.publish_many((TELE, {"n": n}) for n in range(1000))
    wait_until(lambda: count(db) == 1000)
    hub.stop()
    # The database synced its commits, the spool lost its end; a machine that starts again has another boot id.
    for segment in (hub.dir / "spool").glob("*.seg"):
        os.truncate(segment, segment.stat().st_size // 10)
    if (hub.dir / "spool" / "boot").exists():
        (hub.dir / "spool" / "boot").write_text("another boot\n")
    own_postgres.stop()
    hub.start(ready=False)
    wait_until(lambda: hub.metric("gridhub_mqtt_connects_total") >= 1)
    publisher.publish_many((TELE, {"n": n}) for n in range(1000, 1500))
    wait_until(lambda: hub.metric("gridhub_spool_records_total") >= 500)
    own_postgres.start()
    wait_until(lambda: count(db) == 1500, why="what came before the database answered")
    hub.restart()
    publisher.publish(TELE, {"n": 1500})
    wait_until(lambda: count(db) == 1501)


def test_a_device_with_ever_new_fields_stops_nobody(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, conf={"intake": {"batch_time": "2s"}})
    publisher.publish_many((TELE, {f"f{n}": "x" * 200000}) for n in range(10))
    publisher.publish_many((TELE, {f"g{n}_{k}": 1 for k in range(100)}) for n in range(100))
    publisher.publish(TELE, {"n": 1})
    wait_until(lambda: count(database) == 1)
    assert database.value("SELECT count(*) FROM reading") == 111
    assert database.value("SELECT length(fields::text) FROM device_state") < 1 << 20
    assert hub.health()["status"] == "ok"


def test_a_cut_payload_is_what_the_device_sent(make_hub, database, publisher):
    make_hub(grids=GRIDS, devices=BINS, rules={}, conf={"intake": {"max_payload": "1K"}})
    publisher.publish(TELE, "y" * 2000)
    publisher.publish(TELE, "y" * 9000)
    wait_until(lambda: database.value("SELECT count(*) FROM rejected_message WHERE reason = 'size'") == 2)
    kept = database.rows("SELECT payload FROM rejected_message ORDER BY id")
    assert [bytes(row[0]) for row in kept] == [b"y" * 2000, b"y" * 4096]


def test_a_payload_up_to_the_limit_that_is_set_is_taken(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, conf={"intake": {"max_payload": "1M"}})
    for size in (700 << 10, 1100 << 10):
        publisher.publish(TELE, b'{"fill_pct":42' + b" " * size + b"}")
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 1)
    hub.wait_metric('gridhub_messages_rejected_total{reason="size"}', 1)
    assert database.value("SELECT fields FROM reading") == {"fill_pct": 42}


def test_a_long_query_on_readings_holds_nothing_up(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, start=False)
    database.rows("SELECT reading_make_partitions(current_date - 200, current_date - 200)")
    with database.connect(autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM reading")  # and stays in its transaction, as pg_dump does for hours
        hub.start(ready=False)
        wait_until(lambda: hub.metric("gridhub_mqtt_connects_total") >= 1)
        publisher.publish(TELE, {"n": 1})
        wait_until(lambda: count(database) == 1, 10)
        unindexed = database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'reading'::regclass AND NOT EXISTS "
                                   "(SELECT 1 FROM pg_index WHERE indrelid = inhrelid)")
        assert unindexed == 0
        reader.rollback()


def test_stops_soon_when_the_database_never_answered(make_hub, own_postgres, make_database):
    db = make_database(own_postgres)
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, db=db, start=False)
    own_postgres.stop()
    hub.start(ready=False)
    wait_until(lambda: hub.health()["parts"]["database"]["status"] == "degraded")
    began = time.monotonic()
    assert hub.stop() == 0
    assert time.monotonic() - began < 20


def test_stops_soon_when_the_database_is_away_and_messages_wait(make_hub, own_postgres, make_database, publisher):
    db = make_database(own_postgres)
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, db=db)
    own_postgres.stop()
    wait_until(lambda: hub.health()["parts"]["database"]["status"] == "degraded")
    publisher.publish_many((TELE, {"n": n}) for n in range(500))
    began = time.monotonic()
    assert hub.stop() == 0
    assert time.monotonic() - began < 30
    own_postgres.start()
    hub.start()
    wait_until(lambda: count(db) == 500, why="what stood in the spool")


def test_stops_soon_when_the_database_hangs(make_hub, own_postgres, make_database, publisher):
    db = make_database(own_postgres)
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, db=db, conf={"database": {"timeout": "60s"}})
    own_postgres.pause()
    time.sleep(1)  # a request is under way
    try:
        began = time.monotonic()
        hub.stop(40)
        assert time.monotonic() - began < 20
    finally:
        own_postgres.go_on()


def test_stops_soon_when_the_database_hangs_and_messages_wait(make_hub, own_postgres, make_database, publisher):
    db = make_database(own_postgres)
    hub = make_hub(grids=GRIDS, devices=BINS, rules={}, db=db, conf={"database": {"timeout": "60s"}})
    own_postgres.pause()
    publisher.publish_many((TELE, {"n": n}) for n in range(500))
    try:
        began = time.monotonic()
        assert hub.stop(40) == 0
        assert time.monotonic() - began < 20
    finally:
        own_postgres.go_on()
    hub.start()
    wait_until(lambda: count(db) == 500, why="what stood in the spool")


def test_a_removed_device_is_not_registered_again_and_again(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, rules={}, conf={"intake": {"unknown": "register"}})
    rev = "SELECT registry_rev FROM district"
    publisher.publish(TELE, {"n": 0})
    wait_until(lambda: database.value("SELECT name FROM device") == "hub/bin-1")
    hub.cmd("device", "remove", "hub/bin-1")
    before = database.value(rev)
    for n in range(1, 4):
        publisher.publish(TELE, {"n": n})
        wait_until(lambda n=n: database.value("SELECT messages FROM unknown_device") >= n)
    assert database.value(rev) == before
    publisher.publish(TELE.replace("bin-1", "bin-2"), {"n": 0})
    wait_until(lambda: database.value("SELECT count(*) FROM device WHERE removed_at IS NULL") == 1)
    assert database.value(rev) == before + 1


def test_a_state_from_the_future_is_taken_over(make_hub, database, publisher):
    make_hub(grids=GRIDS, devices=BINS, rules={})
    publisher.publish(TELE, {"n": 1, "fill_pct": 10})
    wait_until(lambda: count(database) == 1)
    database.rows("UPDATE device_state SET at = at + interval '1 year', recv_at = recv_at + interval '1 year'")
    publisher.publish(TELE, {"n": 2, "fill_pct": 20})
    wait_until(lambda: database.value("SELECT fields->>'fill_pct' FROM device_state") == "20")
    assert database.value("SELECT at < now() + interval '1 minute' AND recv_at < now() + interval '1 minute' "
                          "FROM device_state")


def test_a_batch_that_is_refused_again_and_again_is_not_healthy(make_hub, database, publisher):
    hub = make_hub(grids=GRIDS, devices=BINS, rules={})
    database.rows("ALTER TABLE reading ADD CONSTRAINT no CHECK (NOT fields ? 'no')")
    publisher.publish(TELE, {"no": 1})
    wait_until(lambda: hub.metric("gridhub_batch_retries_total") >= 2)
    for _ in range(40):
        part = hub.health()["parts"]["database"]
        assert part["status"] == "degraded" and "constraint" in part["why"]
        time.sleep(0.02)
    database.rows("ALTER TABLE reading DROP CONSTRAINT no")
    wait_until(lambda: hub.health()["parts"]["database"]["status"] == "ok")
    assert database.value("SELECT count(*) FROM reading") == 1
