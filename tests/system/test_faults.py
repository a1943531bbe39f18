"""Databases that die, hang, or commit without saying so, and hubs that meet on one spool: nothing lost, nothing doubled."""

import threading
import time

import conftest
import pytest
from conftest import GRIDS, RULES, topic_of, wait_until
from proxy import Proxy

BINS = 10
DEVICES = [{"id": f"bin-{n}", "class": "bin", "adapter": "hub", "grid": "qx-yh-1-1-3"} for n in range(BINS)]
READINGS = "SELECT count(*) FROM reading"
STARTED = {"database": {"timeout": "2s"}, "intake": {"batch_records": 100, "batch_time": "10ms"}}


@pytest.fixture(scope="module")
def server():
    """A cluster of this file's own, for it is stopped and killed. Each test leaves it running."""
    yield from conftest._postgres()


@pytest.fixture
def database(make_database, server):
    return make_database(server)


@pytest.fixture
def proxy(server):
    p = Proxy(server.port)
    yield p
    p.close()


@pytest.fixture
def start_hub(make_hub):
    def start(proxy=None, **what):
        hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, conf=STARTED, start=False, **what)
        if proxy:
            hub.conf["database"]["conninfo"] = proxy.through(hub.conf["database"]["conninfo"])
            hub.write_conf()
        return hub.start()
    return start


class Stream(threading.Thread):
    """Full bins, numbered, at a steady pace: the first of each opens a case, all others fold into it."""

    def __init__(self, publisher, total, rate=1000):
        super().__init__(daemon=True)
        self.publisher, self.total, self.rate, self.sent, self.error = publisher, total, rate, 0, None
        self.start()

    def run(self):
        try:
            began = time.monotonic()
            for at in range(0, self.total, 20):
                time.sleep(max(0.0, began + at / self.rate - time.monotonic()))
                self.publisher.publish_many((topic_of(f"bin-{n % BINS}"), {"n": n, "seq": n, "fill_pct": 95})
                                            for n in range(at, at + 20))
                self.sent = at + 20
        except BaseException as e:  # noqa: BLE001  shown by wait
            self.error = e

    def reach(self, share):
        wait_until(lambda: self.sent >= self.total * share or self.error, 60, 0.01)

    def wait(self):
        self.join(120)
        assert self.error is None and self.sent == self.total


def assert_exactly_once(database, total):
    wait_until(lambda: database.value("SELECT count(DISTINCT fields->>'n') FROM reading") == total, 60,
               why=f"{total} messages to be in")
    assert database.value(READINGS) == total
    assert database.rows("SELECT event_count, count(*) FROM grid_case GROUP BY 1") == [(total // BINS, BINS)]
    assert database.rows("SELECT what, count(*) FROM case_event GROUP BY 1 ORDER BY 1") == [
        ("dispatched", BINS), ("filed", BINS)]


# ---- the server ----


def test_postgresql_dies_again_and_again(start_hub, server, database, publisher):
    hub = start_hub()
    stream = Stream(publisher, 4000)
    for kill in (1, 2, 3):
        stream.reach(kill / 4)
        server.kill() if kill < 3 else server.process.stop(3)  # SIGQUIT: an immediate stop
        hub.wait_part("database", "degraded")
        assert hub.get("/live")[0] == 200
        server.start()
    stream.wait()
    assert_exactly_once(database, 4000)
    hub.wait_part("database", "ok")
    assert hub.metric("gridhub_batch_retries_total") >= 3


def test_postgresql_hangs_longer_than_a_request_may_take(start_hub, server, database, publisher):
    hub = start_hub()
    stream = Stream(publisher, 4000)
    stream.reach(0.25)
    server.pause()
    try:
        hub.wait_part("database", "degraded")
        began = time.monotonic()
        assert hub.health()["status"] == "degraded"
        assert time.monotonic() - began < 5  # asks nobody: a request to the database may take 10 s
        stream.wait()  # intake goes on
        assert hub.metric("gridhub_spool_backlog_records") > 0
    finally:
        server.go_on()
    assert_exactly_once(database, 4000)
    hub.wait_part("database", "ok")


# ---- the line to it ----


def test_commits_whose_answer_is_lost(start_hub, proxy, database, publisher):
    hub = start_hub(proxy)
    stream = Stream(publisher, 3000)
    for share in (0.25, 0.5, 0.75):
        stream.reach(share)
        proxy.lose_commit(2)  # the second hits the batch that is sent after the first was found to be in
        wait_until(lambda: proxy.commits_to_lose == 0, why="a COMMIT to come by")
    stream.wait()
    assert_exactly_once(database, 3000)
    assert proxy.lost == 6
    assert hub.log.count("the batch in doubt was committed") >= 3


def test_a_line_that_breaks_at_random(start_hub, proxy, database, publisher):
    start_hub(proxy)
    stream = Stream(publisher, 3000, rate=600)
    stream.reach(0.1)
    proxy.cut_at_random(0.02)
    stream.reach(0.9)
    proxy.cut_at_random(0)
    stream.wait()
    assert_exactly_once(database, 3000)
    assert proxy.cuts >= 5, "the line hardly ever broke"


def test_alerts_go_out_once_each_when_the_case_was_committed_unanswered(make_hub, proxy, database, publisher, receiver):
    hub = make_hub(grids=GRIDS, devices=DEVICES, rules=RULES, receiver=receiver, conf=STARTED, start=False)
    hub.conf["database"]["conninfo"] = proxy.through(hub.conf["database"]["conninfo"])
    hub.write_conf()
    hub.start()
    publisher.publish(topic_of("bin-0"), {"fill_pct": 20})
    wait_until(lambda: database.value(READINGS) == 1)
    proxy.lose_commit()
    publisher.publish(topic_of("bin-0"), {"fill_pct": 95})
    wait_until(lambda: proxy.lost == 1)
    (alert,) = receiver.wait(1)
    wait_until(lambda: database.value("SELECT count(*) FROM outbox") == 0)
    assert [m.id for m in receiver.accepted] == [alert.id] * len(receiver.accepted)
    assert database.rows("SELECT event_count FROM grid_case") == [(1,)]


# ---- other hubs ----


def test_two_hubs_on_one_spool(start_hub, database, publisher):
    first = start_hub()
    process = conftest.Process([conftest.HUB, "run", "--config", second_conf(first)], first.dir / "second.log")
    try:
        wait_until(lambda: not process.running, 20, why="the second hub to give up")
    finally:
        process.kill()
    assert process.popen.returncode == 1
    assert "another hub is using this spool" in process.log
    publisher.publish(topic_of("bin-0"), {"n": 1})
    wait_until(lambda: database.value(READINGS) == 1)
    assert first.stop() == 0


def second_conf(hub):
    """The same configuration under another name, on another port."""
    path = hub.dir / "second.yaml"
    path.write_text(hub.path.read_text().replace(f":{hub.http_port}\"", f":{conftest.free_port()}\""))
    return path


def test_a_hub_whose_spool_was_taken_over_stops(start_hub, database, publisher):
    hub = start_hub()
    publisher.publish(topic_of("bin-0"), {"n": 1, "fill_pct": 95})
    wait_until(lambda: database.value(READINGS) == 1)
    database.rows("UPDATE ingest_cursor SET epoch = epoch + 1")  # as a second one with a copy of this spool does
    publisher.publish(topic_of("bin-0"), {"n": 2, "fill_pct": 95})
    assert hub.wait_end() == 1
    assert "another hub has taken this spool over" in hub.log
    assert database.value(READINGS) == 1 and database.value("SELECT event_count FROM grid_case") == 1
    hub.start()  # takes it back, and what was acknowledged meanwhile is in its spool
    wait_until(lambda: database.value(READINGS) == 2)
    assert database.value("SELECT event_count FROM grid_case") == 2


def test_a_database_that_was_put_back_stops_the_hub(start_hub, database, publisher):
    hub = start_hub()
    for n in range(2):
        publisher.publish(topic_of("bin-0"), {"n": n})
        wait_until(lambda n=n: database.value(READINGS) == n + 1)
    database.rows("UPDATE ingest_cursor SET batch = batch - 1")
    publisher.publish(topic_of("bin-0"), {"n": 2})
    assert hub.wait_end() == 1
    assert "was it restored?" in hub.log
