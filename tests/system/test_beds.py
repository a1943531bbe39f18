"""The fixtures themselves: what all other system tests stand on."""

import paho.mqtt.client as mqtt
import psycopg
import pytest
from conftest import wait_until


def test_database_is_empty_and_needs_the_password(database):
    assert database.value("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(database.conninfo, password="wrong")


def test_own_server_can_be_paused_and_killed(own_postgres, make_database):
    db = make_database(own_postgres)
    db.rows("CREATE TABLE t (x int)")
    own_postgres.pause()
    with pytest.raises(psycopg.OperationalError):
        own_postgres.connect("postgres", connect_timeout=2)
    own_postgres.go_on()
    assert db.value("SELECT count(*) FROM t") == 0
    own_postgres.kill()
    own_postgres.start()
    assert db.value("SELECT count(*) FROM t") == 0


def test_broker_keeps_a_session_over_a_restart(broker, make_publisher):
    seen, subscribed = [], []
    client = mqtt.Client("lasting", clean_session=False)
    client.on_message = lambda _c, _u, m: seen.append(m.payload)
    client.on_connect = lambda c, _u, _f, _rc: c.subscribe("a/#", 1)
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    wait_until(lambda: subscribed)
    publisher = make_publisher(broker)
    publisher.publish("a/b", b"1")
    wait_until(lambda: seen == [b"1"])
    client.loop_stop()
    client.disconnect()
    publisher.publish("a/b", b"2")
    broker.restart()
    client.reconnect()
    client.loop_start()
    wait_until(lambda: seen == [b"1", b"2"])
    client.loop_stop()
    client.disconnect()
