"""Alerts on their way: from rows of the outbox to a real receiver, whatever that answers."""

import json
import signal
import socket
import ssl
import subprocess
import time

import pytest

from conftest import wait_until
from receiver import Receiver, new_secret


@pytest.fixture
def make_hub(make_hub):
    """A hub that has neither broker nor rules: the outbox is filled by SQL."""

    def make(conf=None, **kw):
        return make_hub(conf, **{"broker": False, "rules": {}, **kw})

    return make


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


class Outbox:
    """Puts rows into the outbox as the engine does, and looks at what became of them."""

    def __init__(self, db):
        self.db = db
        self.district = db.value("SELECT id FROM district WHERE name = 'qixia'")

    def put(self, case=1, endpoint="leader", event="case.opened", text="3号楼东侧垃圾箱满溢", **alert):
        body = {"case": {"id": case, "kind": "bin_overflow", "severity": "high", "rule": "bin-overflow",
                         "title": "满溢", "opened_at": "2026-11-21T21:00:00Z", "event_count": 1},
                "grid": {"code": "qx-yh-1-1-3", "name": "3号楼", "leader": "张伟", "deputy": "陈静"},
                "device": {"id": "bin-1", "class": "bin", "title": "3号楼东侧垃圾箱"},
                "fields": {"fill_pct": 95}, "text": text, **alert}
        return self.db.value("INSERT INTO outbox (district_id, case_id, endpoint, event, alert) "
                             "VALUES (%s, %s, %s, %s, %s) RETURNING id",
                             self.district, case, endpoint, event, json.dumps(body))

    def put_many(self, n, endpoint="leader", first_case=1000):
        self.db.rows("INSERT INTO outbox (district_id, case_id, endpoint, event, alert) "
                     "SELECT %s, %s + i, %s, 'case.opened', jsonb_build_object('case', jsonb_build_object('id', %s + i),"
                     " 'text', 'n') FROM generate_series(1, %s) i",
                     self.district, first_case, endpoint, first_case, n)

    def pending(self):
        return self.db.value("SELECT count(*) FROM outbox WHERE dead_at IS NULL")

    def dead(self):
        return self.db.rows("SELECT case_id, attempts, dead_reason FROM outbox WHERE dead_at IS NOT NULL ORDER BY id")

    def attempts(self, case=1):
        """(result, status, detail, answer) of each attempt."""
        return self.db.rows("SELECT result, status, detail, answer FROM delivery WHERE case_id = %s ORDER BY id", case)

    def results(self, case=1):
        return [row[0] for row in self.attempts(case)]


@pytest.fixture
def setup(make_hub, database, receiver):
    """setup(conf) → (hub, outbox): a hub without broker, endpoint "leader" at the receiver."""

    def make(conf=None, **kw):
        hub = make_hub(conf, receiver=kw.pop("receiver", receiver), **kw)
        return hub, Outbox(database)

    return make


def secret_file(folder, *secrets, name="s"):
    path = folder / name
    path.write_text("".join(s + "\n" for s in secrets))
    path.chmod(0o600)
    return str(path)


def cpu_s(hub):
    fields = open(f"/proc/{hub.process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# ---- the good case ----


def test_alert_arrives_signed_and_is_gone_from_the_outbox(setup, receiver):
    hub, outbox = setup({"notify": {"case_url": "https://hub.example/case/{case}"}})
    outbox.put(case=7)
    message = receiver.wait(1)[0]
    assert not receiver.bad
    assert message.json["type"] == "case.opened"
    assert message.text == "3号楼东侧垃圾箱满溢"
    assert message.case == 7
    assert message.json["data"]["grid"]["leader"] == "张伟"
    assert message.json["data"]["fields"] == {"fill_pct": 95}
    assert message.json["data"]["url"] == "https://hub.example/case/7"
    assert "accept-encoding" not in message.headers and "expect" not in message.headers
    wait_until(lambda: outbox.pending() == 0)
    assert outbox.results(7) == ["accepted"]
    assert hub.metric('gridhub_webhook_attempts_total{result="accepted"}') == 1
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "ok")


def test_large_alert_is_cut_to_what_a_receiver_takes(setup, receiver):
    _, outbox = setup()
    outbox.put(case=1, text="长" * 30000, fields={"log": "x" * 30000})
    message = receiver.wait(1)[0]
    assert message.json["data"]["cut"] is True
    assert "fields" not in message.json["data"]
    assert set(message.text) == {"长"} and 300 < len(message.text) < 400


def test_two_secrets_while_a_key_rotates(make_hub, database, receiver, folder):
    both = secret_file(folder, new_secret(), receiver.secret)
    hub = make_hub(receiver=receiver, start=False)
    hub.conf["endpoints"][0]["secret_file"] = both
    hub.write_conf()
    hub.start()
    Outbox(database).put()
    message = receiver.wait(1)[0]
    assert len(message.headers["webhook-signature"].split()) == 2
    assert not receiver.bad


def test_connection_is_reused(setup, receiver):
    _, outbox = setup({"notify": {"concurrency": 1}})
    outbox.put_many(30)
    receiver.wait(30)
    assert receiver.connections == 1


# ---- receivers that fail ----


def test_server_errors_are_retried_with_the_same_id_and_body(setup, receiver):
    _, outbox = setup()
    receiver.behave("500", "status:503", "status:408", "200")
    outbox.put()
    receiver.wait(1, timeout=30)
    assert len({m.id for m in receiver.seen}) == 1
    assert len({m.body for m in receiver.seen}) == 1
    wait_until(lambda: outbox.results() == ["retry", "retry", "retry", "accepted"])
    assert [row[1] for row in outbox.attempts()] == [500, 503, 408, 200]
    assert outbox.attempts()[0][3] == "no"  # the answer is kept


@pytest.mark.parametrize("asked", ["retry_after:3", "retry_after:date4"])
def test_retry_after_is_honoured(setup, receiver, asked):
    _, outbox = setup()
    receiver.behave(asked)
    outbox.put()
    receiver.wait(1)
    first, second = receiver.seen
    assert 2.5 <= second.at - first.at < 20
    wait_until(lambda: outbox.results() == ["retry", "accepted"])


def test_redirect_is_a_failure_and_not_followed(setup, receiver):
    _, outbox = setup()
    receiver.behave("redirect")
    outbox.put()
    receiver.wait(1)
    assert not [m for m in receiver.seen if m.path.startswith("GET") or "elsewhere" in m.path]
    wait_until(lambda: outbox.results() == ["retry", "accepted"])
    assert "redirect" in outbox.attempts()[0][2]


def test_broken_answers_are_retried(setup, receiver):
    _, outbox = setup()
    for case, (behaviour, why) in enumerate([("reset", "reset"), ("garbage", ""), ("binary", "failed")], 1):
        receiver.behave(behaviour)
        outbox.put(case=case)
        receiver.wait(case)
        wait_until(lambda: outbox.results(case) == ["retry", "accepted"])
        assert why in outbox.attempts(case)[0][2]


@pytest.mark.parametrize("behaviour", ["silent", "slow_head"])
def test_receiver_that_does_not_answer_in_time(make_hub, database, receiver, behaviour):
    hub = make_hub(receiver=receiver, start=False)
    hub.conf["endpoints"][0]["timeout"] = "2s"
    hub.write_conf()
    hub.start()
    outbox = Outbox(database)
    receiver.behave(behaviour)
    outbox.put()
    receiver.wait(1)
    first, second = receiver.seen
    assert 1.9 <= second.at - first.at < 20
    wait_until(lambda: outbox.results() == ["retry", "accepted"])
    assert outbox.attempts()[0][1] is None and "time" in outbox.attempts()[0][2].lower()


def test_body_that_trickles_counts_by_its_status(make_hub, database, receiver):
    hub = make_hub(receiver=receiver, start=False)
    hub.conf["endpoints"][0]["timeout"] = "30s"
    hub.write_conf()
    hub.start()
    outbox = Outbox(database)
    receiver.behave("slow_body")
    start = time.monotonic()
    outbox.put()
    wait_until(lambda: outbox.results() == ["accepted"], timeout=20)
    assert 4 < time.monotonic() - start < 25  # not the 30 s that the whole answer may take
    assert len(receiver.seen) == 1
    assert outbox.attempts()[0][3].startswith("x")


@pytest.mark.parametrize("status, result", [("200", "accepted"), ("500", "retry")])
def test_answer_of_100_mb_is_not_read(setup, receiver, status, result):
    hub, outbox = setup()
    receiver.huge_sent = None
    receiver.behave("huge:" + status, always="200")
    outbox.put()
    wait_until(lambda: outbox.results()[:1] == [result])
    wait_until(lambda: receiver.huge_sent is not None and receiver.huge_sent < 20 * 1024 * 1024)
    assert outbox.attempts()[0][3] == "h" * 1024
    assert hub.running


def test_receiver_that_is_away(setup, receiver):
    _, outbox = setup()
    receiver.stop()
    outbox.put()
    wait_until(lambda: "retry" in outbox.results())
    assert outbox.attempts()[0][1] is None
    receiver.start()
    receiver.wait(1, timeout=30)
    wait_until(lambda: outbox.pending() == 0)


def test_final_answer_makes_a_dead_letter_that_can_be_sent_again(setup, receiver):
    hub, outbox = setup()
    receiver.behave("status:404")
    outbox.put(case=5)
    wait_until(outbox.dead)
    assert len(receiver.seen) == 1
    assert outbox.results(5) == ["dead"]
    listed = hub.json_lines("webhook", "list", "--dead")
    assert [(row["case"], row["state"]) for row in listed] == [(5, "dead")]
    wait_until(lambda: hub.metric("gridhub_outbox_dead") == 1)
    back = hub.json_lines("webhook", "retry", listed[0]["id"])
    assert back[0]["case"] == 5
    receiver.wait(1)
    wait_until(lambda: outbox.pending() == 0 and not outbox.dead())
    assert receiver.seen[0].id == receiver.seen[1].id


def test_schedule_ends_in_the_dead_letter(setup, receiver):
    _, outbox = setup()
    receiver.behave(always="500")
    row = outbox.put()
    wait_until(lambda: outbox.db.rows("UPDATE outbox SET attempts = 13, next_at = now() "
                                      "WHERE id = %s AND attempts > 0 AND lease IS NULL RETURNING id", row))
    wait_until(outbox.dead, timeout=30)
    assert outbox.dead()[0][1] == 14
    assert outbox.dead()[0][2].startswith("given up after 14 attempts")


def test_gone_disables_the_endpoint_until_it_is_enabled(setup, receiver):
    hub, outbox = setup()
    receiver.behave("410")
    outbox.put(case=1)
    wait_until(outbox.dead)
    outbox.put(case=2)
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "degraded")
    assert "leader" in hub.health()["parts"]["notify"]["why"]
    time.sleep(2.5)
    assert len(receiver.seen) == 1  # nobody asks a receiver that is gone
    state = hub.json_lines("webhook", "endpoints")[0]
    assert state["disabled_at"] and state["pending"] == 1 and state["dead"] == 1
    hub.cmd("webhook", "enable", "leader")
    assert receiver.wait(1)[0].case == 2
    hub.cmd("webhook", "retry", "--endpoint", "leader")
    assert [m.case for m in receiver.wait(2)] == [2, 1]
    assert hub.cmd("webhook", "enable", "leader", check=False).returncode == 1
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "ok")


def test_alerts_for_a_disabled_endpoint_die_when_the_schedule_is_over(setup, receiver):
    _, outbox = setup()
    receiver.behave("410")
    outbox.put(case=1)
    wait_until(outbox.dead)
    outbox.put(case=2)
    late = outbox.put(case=3)
    outbox.db.rows("UPDATE outbox SET next_at = now() - interval '1 hour' WHERE id = %s", late)  # 3 days are 43 min here
    dead = wait_until(lambda: len(outbox.dead()) > 1 and outbox.dead())
    assert [row[0] for row in dead] == [1, 3] and dead[1][2].startswith("the endpoint is disabled: ")
    assert outbox.pending() == 1 and len(receiver.seen) == 1


def test_alerts_wait_for_an_endpoint_that_the_configuration_lacks(setup, receiver):
    hub, outbox = setup()
    outbox.put(case=3, endpoint="nobody")
    wait_until(lambda: "retry" in outbox.results(3))
    assert "no endpoint" in outbox.attempts(3)[0][2]
    hub.stop()
    hub.conf["endpoints"].append({**hub.conf["endpoints"][0], "name": "nobody"})
    hub.write_conf()
    hub.start()
    assert receiver.wait(1, timeout=30)[0].case == 3


# ---- order and fairness ----


def test_order_is_kept_in_a_case_and_not_across_cases(setup, receiver):
    _, outbox = setup({"notify": {"retry_scale": 60}})
    receiver.behave("500")  # for three seconds nothing more of that case
    for event in ("case.opened", "case.updated", "case.recovered"):
        outbox.put(case=1, event=event)
    receiver.wait_seen(1)
    outbox.put(case=2)
    assert [(m.case, m.json["type"]) for m in receiver.wait(4)] == [
        (2, "case.opened"), (1, "case.opened"), (1, "case.updated"), (1, "case.recovered")]


def test_dead_receiver_does_not_hold_up_the_others(make_hub, database, receiver, folder):
    other = Receiver()
    hub = make_hub({"notify": {"concurrency": 16}}, receiver=receiver, start=False)
    hub.conf["endpoints"].append({"name": "other", "url": other.url, "timeout": "5s",
                                  "secret_file": secret_file(folder, other.secret)})
    hub.conf["endpoints"][0]["timeout"] = "30s"
    hub.write_conf()
    outbox = Outbox(database)
    receiver.behave(always="silent")
    outbox.put_many(200, "leader", 1000)
    outbox.put_many(200, "other", 5000)
    hub.start()
    start = time.monotonic()
    other.wait(200, timeout=10)
    took = time.monotonic() - start
    other.stop()
    assert took < 25  # less than one timeout of the dead one
    assert len(receiver.seen) <= 2


def test_a_slow_receiver_holds_few_requests_and_a_quick_one_many(make_hub, database, receiver, folder):
    """The slow one is well, so no circuit opens; but it has few requests under way, and the others all they need."""
    other = Receiver()
    hub = make_hub({"notify": {"concurrency": 16}}, receiver=receiver, start=False)
    hub.conf["endpoints"].append({"name": "other", "url": other.url, "timeout": "30s",
                                  "secret_file": secret_file(folder, other.secret)})
    hub.conf["endpoints"][0]["timeout"] = "30s"
    hub.write_conf()
    outbox = Outbox(database)
    receiver.delay = 6.0
    outbox.put_many(50, "leader", 1000)
    outbox.put_many(400, "other", 5000)
    hub.start()
    try:
        other.wait(400, timeout=30)
        assert len(receiver.seen) <= 4
        receiver.wait(2, timeout=30)
        receiver.delay = 0  # and when it is quick again it gets all at once
        receiver.wait(50, timeout=60)
    finally:
        other.stop()


def test_requests_to_a_silent_receiver_hold_up_no_others(make_hub, database, receiver, folder):
    """Not even when all begin at once, and no connection is there yet."""
    other = Receiver()
    hub = make_hub(receiver=receiver, start=False)
    hub.conf["endpoints"].append({"name": "other", "url": other.url, "secret_file": secret_file(folder, other.secret)})
    hub.write_conf()
    outbox = Outbox(database)
    receiver.behave(always="silent")
    outbox.put_many(5, "leader", 1000)
    outbox.put_many(5, "other", 5000)
    hub.start()
    try:
        receiver.wait_seen(2, timeout=3)
        other.wait(5, timeout=3)
        assert len(receiver.seen) == 2  # what nobody has answered yet gets no more
    finally:
        other.stop()


# ---- crashes ----


def test_killed_between_send_and_record_sends_again_with_the_same_id(make_hub, database, receiver):
    hub = make_hub(receiver=receiver, start=False)
    hub.conf["notify"]["lease"] = "5s"
    hub.conf["endpoints"][0]["timeout"] = "2s"
    hub.write_conf()
    hub.start()
    outbox = Outbox(database)
    receiver.delay = 0.7
    outbox.put()
    receiver.wait_seen(1)
    hub.kill()
    receiver.delay = 0
    assert outbox.pending() == 1
    hub.start()
    receiver.wait(2, timeout=20)
    first, second = receiver.seen
    assert first.id == second.id
    assert second.at - first.at >= 4.5  # not before the lease ran out
    wait_until(lambda: outbox.pending() == 0)


def test_two_hubs_share_the_outbox_and_send_once(make_hub, database, receiver):
    conf = {"notify": {"concurrency": 8}}
    hubs = [make_hub(conf, receiver=receiver, start=False, migrate=i == 0) for i in range(2)]
    outbox = Outbox(database)
    outbox.put_many(400)
    for hub in hubs:
        hub.start(ready=False)
    receiver.wait(400, timeout=30)
    wait_until(lambda: outbox.pending() == 0)
    assert len(receiver.seen) == 400
    assert len(set(receiver.ids())) == 400


def test_database_away_keeps_results_and_goes_on(make_hub, own_postgres, make_database, receiver):
    db = make_database(own_postgres)
    hub = make_hub(receiver=receiver, db=db)
    outbox = Outbox(db)
    receiver.delay = 1.5
    outbox.put(case=1)
    receiver.wait_seen(1)
    own_postgres.stop()
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "degraded", timeout=20)
    time.sleep(1.5)
    own_postgres.start()
    wait_until(lambda: outbox.results(1) == ["accepted"], timeout=40)
    assert len(receiver.seen) == 1  # the answer that came meanwhile was recorded, not asked for again
    receiver.delay = 0
    outbox.put(case=2)
    receiver.wait(2)
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "ok")


def test_stop_finishes_what_is_under_way(setup, receiver):
    hub, outbox = setup()
    receiver.delay = 1.0
    outbox.put()
    receiver.wait_seen(1)
    assert hub.stop() == 0
    assert outbox.results() == ["accepted"] and outbox.pending() == 0


def test_stop_gives_back_what_does_not_end(make_hub, database, receiver):
    hub = make_hub({"notify": {"stop_grace": "3s"}}, receiver=receiver)
    outbox = Outbox(database)
    receiver.behave("silent")
    outbox.put()
    receiver.wait_seen(1)
    start, cpu = time.monotonic(), cpu_s(hub)
    hub.process.send(signal.SIGTERM)
    time.sleep(2.5)
    assert cpu_s(hub) - cpu < 0.3  # it waits for the receiver, it does not spin
    assert hub.process.popen.wait(10) == 0
    assert time.monotonic() - start < 9
    assert outbox.db.row("SELECT lease, attempts, next_at <= now() FROM outbox") == (None, 0, True)
    hub.start()
    receiver.wait(1)
    assert receiver.seen[0].id == receiver.seen[1].id


# ---- safety ----


def test_no_url_and_no_secret_in_the_log(setup, receiver):
    hub, outbox = setup()
    receiver.behave("500", "status:404")
    outbox.put(case=1)
    wait_until(outbox.dead, timeout=20)
    receiver.stop()
    outbox.put(case=2)
    wait_until(lambda: "retry" in outbox.results(2))
    hub.stop()
    assert "not-for-logs" not in hub.log
    assert receiver.secret not in hub.log and receiver.secret[6:] not in hub.log
    assert "mod=notify" in hub.log


def test_no_url_and_no_secret_in_what_is_kept_of_an_answer(setup, receiver):
    """A receiver may repeat what it was sent; answers are kept, and shown to all who look at the history."""
    hub, outbox = setup()
    receiver.behave("echo:400")
    outbox.put(case=1)
    wait_until(outbox.dead)
    (_, status, _, answer), = outbox.attempts(1)
    assert status == 400 and "/hook?key=***" in answer
    assert "not-for-logs" not in answer and receiver.secret not in answer and receiver.secret[6:] not in answer
    receiver.behave("echo:400")
    done = hub.cmd("webhook", "test", "leader", check=False)
    assert "not-for-logs" not in done.out + done.err and receiver.secret[6:] not in done.out + done.err


def tls_context(folder, name, *san):
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=" + ",".join(san)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, str(cert)


@pytest.mark.parametrize("san, ca, ok", [
    ("IP:127.0.0.1", True, True),
    ("IP:127.0.0.1", False, False),  # nobody vouches for it
    ("DNS:other.example", True, False),  # vouched for, but somebody else
])
def test_tls_is_verified(make_hub, database, folder, san, ca, ok):
    context, cert = tls_context(folder, "receiver", san)
    tls = Receiver(tls=context)
    hub = make_hub(receiver=tls, start=False)
    if ca:
        hub.conf["endpoints"][0]["ca_file"] = cert
    hub.write_conf()
    hub.start()
    outbox = Outbox(database)
    outbox.put()
    try:
        wait_until(outbox.results)
        assert outbox.results()[0] == ("accepted" if ok else "retry")
        assert bool(tls.seen) == ok
        if not ok:
            assert "certificate" in outbox.attempts()[0][2] or "SSL" in outbox.attempts()[0][2]
    finally:
        tls.stop()


def test_no_proxy_from_the_environment(make_hub, database, receiver):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.1)
        proxy = f"http://127.0.0.1:{trap.getsockname()[1]}"
        hub = make_hub(receiver=receiver, start=False)
        hub.start(env={"http_proxy": proxy, "all_proxy": proxy, "HTTPS_PROXY": proxy})
        Outbox(database).put()
        receiver.wait(1)
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize("allowed, ok", [([], False), (["10.0.0.0/8"], False), (["127.0.0.0/8"], True)])
def test_a_name_does_not_lead_into_this_network(make_hub, database, receiver, allowed, ok):
    """The same receiver: an address that ops wrote is taken, a name that leads to it only if they say so."""
    hub = make_hub(receiver=receiver, start=False)
    named = hub.conf["endpoints"][0]
    named["url"] = named["url"].replace("127.0.0.1", "receiver.localhost")
    hub.conf["notify"] |= {"allow_http": True, "allow_addresses": allowed}
    hub.write_conf()
    hub.start()
    outbox = Outbox(database)
    outbox.put()
    wait_until(outbox.results)
    assert outbox.results()[0] == ("accepted" if ok else "retry")
    assert bool(receiver.seen) == ok
    if not ok:
        assert "this machine's address" in outbox.attempts()[0][2]


def test_bad_endpoint_stops_the_start(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    good = dict(hub.conf["endpoints"][0])
    for change, says in [
        ({"url": "http://leader.example/x"}, "http"),
        ({"url": "ftp://127.0.0.1/x"}, "scheme"),
        ({"dialect": "pigeon"}, "pigeon"),
        ({"secret_file": "/nonexistent/secret"}, "/nonexistent/secret"),
        ({"secret_file": ""}, "secret"),
        ({"rate": "20"}, "20/min"),
        ({"rate": "20/day"}, "20/min"),
        ({"rate": "0/s"}, "20/min"),
        ({"rate": "5/s 5/min 5/h"}, "20/min"),
        ({"url": "http://127.0.0.1:25/"}, "port"),
    ]:
        hub.conf["endpoints"] = [{**good, **change}]
        hub.write_conf()
        (hub.dir / "hub.log").unlink(missing_ok=True)
        hub.start(ready=False)
        wait_until(lambda: not hub.running)
        assert hub.process.popen.returncode == 1
        assert says in hub.log and "leader" in hub.log
        assert "not-for-logs" not in hub.log


def test_secret_that_others_may_read_is_refused(make_hub, receiver, folder):
    hub = make_hub(receiver=receiver, start=False)
    path = secret_file(folder, receiver.secret)
    (folder / "s").chmod(0o644)
    hub.conf["endpoints"][0]["secret_file"] = path
    hub.write_conf()
    hub.start(ready=False)
    wait_until(lambda: not hub.running)
    assert hub.process.popen.returncode == 1 and "chmod" in hub.log


# ---- the command line ----


def test_list_shows_pending_and_attempts(setup, receiver):
    hub, outbox = setup()
    receiver.behave(always="500")
    outbox.put(case=8, text="看一下")
    wait_until(lambda: outbox.results(8))
    row = hub.json_lines("webhook", "list", "--pending", "--case", "8")[0]
    assert row["case"] == 8 and row["text"] == "看一下" and row["attempts"] >= 1 and row["state"] in ("pending", "sending")
    assert hub.json_lines("webhook", "list", "--dead") == []
    assert hub.json_lines("webhook", "list", "--case", "9") == []
    tries = hub.json_lines("webhook", "list", "--attempts", "--case", "8", "--limit", "1")
    assert tries[0]["status"] == 500 and tries[0]["answer"] == "no" and tries[0]["result"] == "retry"


def test_bad_usage(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    for argv in (["list", "--dead", "--pending"], ["list", "--limit", "0"], ["list", "--case", "x"], ["list", "more"],
                 ["list", "--all-dead"], ["retry"], ["retry", "x"], ["retry", "1", "--all-dead"], ["test"], ["enable"],
                 ["send"], []):
        done = hub.cmd("webhook", *argv, check=False)
        assert done.returncode == 2 and done.err.strip(), argv


def test_retry_of_nothing_says_so(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    done = hub.cmd("webhook", "retry", "--all-dead", check=False)
    assert done.returncode == 1 and "0 dead letters" in done.err


def test_webhook_test_explains_the_answer(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    for behaviour, result, code, says in [
        ("200", "accepted", 0, "accepted"),
        ("500", "retry", 1, "failed"),
        ("status:401", "dead", 1, "secret"),
        ("410", "dead", 1, "gone"),
        ("redirect", "retry", 1, "redirect"),
        ("reset", "retry", 1, "reset"),
    ]:
        receiver.clear()
        receiver.behave(behaviour)
        done = hub.cmd("webhook", "test", "leader", check=False)
        assert done.returncode == code, done.err
        line = json.loads(done.out)
        assert line["result"] == result and says in line["explanation"] and says in done.err
        assert "not-for-logs" not in done.err + done.out
        message = receiver.seen[0]
        assert message.json["type"] == "test" and message.json["data"]["test"] is True and "测试" in message.text
        assert not receiver.bad


def test_webhook_test_of_a_receiver_that_is_away(make_hub, receiver):
    hub = make_hub(receiver=receiver, start=False)
    receiver.stop()
    done = hub.cmd("webhook", "test", "leader", check=False)
    assert done.returncode == 1 and "connect" in done.err.lower()
    assert hub.cmd("webhook", "test", "nobody", check=False).returncode == 1


# ---- speed ----


def test_deliveries_a_second(setup, receiver, record_property):
    _, outbox = setup()
    n = 2000
    outbox.put_many(n)
    start = receiver.wait_seen(1)[0].at
    receiver.wait(n, timeout=60)
    wait_until(lambda: outbox.pending() == 0)
    rate = n / (receiver.accepted[-1].at - start)
    record_property("deliveries_per_s", round(rate))
    print(f"{rate:.0f} deliveries/s")
    assert len(set(receiver.ids())) == n
    assert rate > 100


# ---- pace ----


def two_receivers(make_hub, receiver, other, **leader):
    hub = make_hub({"notify": {"retry_scale": 1}}, receiver=receiver, start=False)
    first = hub.conf["endpoints"][0]
    first |= leader
    hub.conf["endpoints"].append({"name": "other", "url": first["url"].replace(str(receiver.port), str(other.port)),
                                  "secret_file": first["secret_file"]})
    hub.write_conf()
    hub.start()
    return hub


def test_a_receiver_that_fails_is_tried_now_and_then(make_hub, database, receiver):
    """Its alerts cost no attempt each; the other receiver does not notice; when it is back all of them arrive."""
    other = Receiver(secret=receiver.secret)
    hub = two_receivers(make_hub, receiver, other)
    outbox = Outbox(database)
    receiver.behave(always="500")
    try:
        outbox.put_many(500)
        wait_until(lambda: hub.metric("gridhub_receivers_failing") == 1)
        tried = len(receiver.seen)
        outbox.put_many(200, endpoint="other", first_case=9000)
        other.wait(200)
        assert len(receiver.seen) - tried < 70  # those under way when it opened, and a trial or two
        receiver.behave(always="200")
        wait_until(lambda: outbox.pending() == 0, 60)
        assert hub.metric("gridhub_receivers_failing") == 0
        assert outbox.dead() == []
    finally:
        other.stop()


def test_no_more_than_its_rate(make_hub, database, receiver):
    other = Receiver(secret=receiver.secret)
    two_receivers(make_hub, receiver, other, rate="5/s")
    outbox = Outbox(database)
    try:
        outbox.put_many(21)
        outbox.put_many(100, endpoint="other", first_case=9000)
        other.wait(100)
        receiver.wait(21, 30)
        at = sorted(m.at for m in receiver.seen)
        assert len(at) == 21  # each once
        assert all(b - a > 0.9 for a, b in zip(at, at[5:]))
        assert outbox.results(1001) == ["accepted"]
    finally:
        other.stop()
