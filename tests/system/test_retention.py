"""What is kept ends: old readings go by the partition, old attempts to deliver and dead letters go by the row, what is fresh stays."""

from conftest import DEVICES, GRIDS, RULES, wait_until

OLD_DAY = "SELECT reading_make_partitions(current_date - 40, current_date - 40)"
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'reading'::regclass"
ATTEMPT = """INSERT INTO delivery (district_id, outbox_id, message_id, case_id, at, attempt, result)
             SELECT d.id, 1, gen_random_uuid(), 1, now() - %s * interval '1 day', 1, 'accepted'
             FROM district d, generate_series(1, %s)"""


OWED = """INSERT INTO outbox (district_id, case_id, endpoint, event, alert, created_at, next_at, dead_at)
          SELECT id, 1, 'nobody', 'case.opened', '{}', now() - interval '101 days', now() + interval '1 day',
                 now() - %s::integer * interval '1 day' FROM district"""


def test_old_readings_and_deliveries_go(make_hub, database):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES,
                   conf={"database": {"keep_readings": "30d", "keep_deliveries": "100d"}}, start=False)
    database.rows(OLD_DAY)
    database.rows("""INSERT INTO reading (district_id, recv_at, at, device_id, kind, fields)
                        SELECT id, current_date - interval '40 days' + interval '1 hour', now(), 1, 0, '{}' FROM district""")
    database.rows(ATTEMPT, 101, 12000)
    database.rows(ATTEMPT, 99, 3)
    for days_dead in (101, 99, None):
        database.rows(OWED, days_dead)
    hub.start()
    wait_until(lambda: database.value("SELECT count(*) FROM reading") == 0, why="the old day to be dropped")
    wait_until(lambda: database.value("SELECT count(*) FROM delivery") == 3, why="old attempts to be forgotten")
    assert database.value(PARTITIONS) == 4  # yesterday, today, and two days ahead
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 2, why="the old dead letter to be forgotten")
    assert database.value("SELECT count(*) FROM outbox WHERE dead_at < now() - interval '100 days'") == 0
    hub.wait_log("dead letters", "rows=1")
