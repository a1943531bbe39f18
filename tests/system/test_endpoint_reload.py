"""Endpoints are read anew on SIGHUP: secrets, URLs, rates, names; bad ones are refused, and nothing under way is lost."""

import pytest

from conftest import wait_until
from receiver import Receiver, new_secret
from test_notify import Outbox, secret_file

RELOADED = 'gridhub_endpoint_reloads_total{result="ok"}'


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


@pytest.fixture
def hub(make_hub, receiver):
    return make_hub({"notify": {"retry_scale": 1}}, receiver=receiver, broker=False, rules={})


def reload(hub):
    before = hub.metric(RELOADED)
    hub.reload()
    hub.wait_metric(RELOADED, before + 1)


def test_a_new_secret_signs_from_the_next_request_on(hub, receiver, database, folder):
    outbox = Outbox(database)
    receiver.delay = 1.0
    outbox.put(case=1)
    receiver.wait_seen(1)
    receiver.delay = 0
    old, receiver.secret = receiver.secret, new_secret()
    secret_file(hub.dir, receiver.secret, name="leader.secret")
    reload(hub)
    outbox.put(case=2)
    receiver.wait(2)
    assert not receiver.bad  # neither the one under way, nor the one after
    wait_until(lambda: outbox.pending() == 0)
    assert outbox.results(1) == outbox.results(2) == ["accepted"]
    assert old not in hub.log and receiver.secret not in hub.log


def test_what_is_bad_is_refused_and_the_old_ones_stay(hub, receiver, database):
    outbox = Outbox(database)
    secret = (hub.dir / "leader.secret").read_text()
    (hub.dir / "leader.secret").write_text("whsec_not base64 at all\n")
    hub.reload()
    hub.wait_part("notify", "degraded", "the old ones stay in force")
    assert "leader.secret" in hub.wait_log("the new endpoints are bad") or "leader" in hub.log
    assert "not base64 at all" not in hub.log
    outbox.put(case=1)
    receiver.wait(1)
    (hub.dir / "leader.secret").write_text(secret)
    reload(hub)
    hub.wait_part("notify", "ok")
    assert hub.metric('gridhub_endpoint_reloads_total{result="refused"}') == 1


def test_url_rate_and_name_change(hub, receiver, database, folder):
    outbox = Outbox(database)
    other = Receiver(secret=receiver.secret)
    try:
        receiver.delay = 1.0
        outbox.put(case=1)
        receiver.wait_seen(1)
        (hub.dir / "url").write_text(other.url + "\n")
        (hub.dir / "url").chmod(0o600)
        first = hub.conf["endpoints"][0]
        hub.conf["endpoints"] = [{"name": "leader", "url_file": str(hub.dir / "url"), "secret_file": first["secret_file"],
                                  "rate": "2/s"}, {**first, "name": "third"}]
        hub.write_conf()
        reload(hub)
        receiver.delay = 0
        outbox.put_many(5)
        outbox.put(case=2, endpoint="third")
        other.wait(5)
        assert {m.case for m in receiver.wait(2)} == {1, 2}
        at = sorted(m.at for m in other.seen)
        assert all(b - a > 0.9 for a, b in zip(at, at[2:]))
        hub.conf["endpoints"] = hub.conf["endpoints"][:1]  # "third" goes, while a request to it is under way
        receiver.delay = 1.0
        outbox.put(case=3, endpoint="third")
        receiver.wait_seen(3)
        hub.write_conf()
        reload(hub)
        wait_until(lambda: outbox.results(3) == ["accepted"])
        wait_until(lambda: outbox.pending() == 0)
    finally:
        other.stop()


def test_a_receiver_that_fails_stays_one(hub, receiver, database):
    """Reading the endpoints anew is no reason to send it all again at once."""
    outbox = Outbox(database)
    receiver.behave(always="500")
    outbox.put_many(50)
    wait_until(lambda: hub.metric("gridhub_receivers_failing") == 1)
    for _ in range(5):
        reload(hub)
    assert hub.metric("gridhub_receivers_failing") == 1
    seen = len(receiver.seen)
    receiver.behave(always="200")
    receiver.wait(50, timeout=40)
    assert seen < 40
