"""Silences over HTTP: what `gridhub silence` does, with a token, limits, and a database that may be away."""

import http.client
import json
import secrets
import socket
import time

import pytest

from conftest import wait_until

SILENCES = "/api/v1/silences"
DONE = 'gridhub_api_calls_total{result="done"}'
FAILED = 'gridhub_api_calls_total{result="failed"}'
GRIDS = [{"code": "qx", "name": "栖霞", "level": 1, "endpoint": "leader"},
         {"code": "qx-yh", "name": "尧化", "level": 2, "parent": "qx"}]
DEVICES = [{"id": "s-1", "class": "bin", "adapter": "hub", "address": "s-1", "grid": "qx-yh"}]
GOOD = {"grid": "qx", "for": "2h", "by": "张伟", "reason": "修路"}


class Api:
    def __init__(self, hub, token):
        self.hub, self.token = hub, token

    def call(self, method, path=SILENCES, body=None, timeout=30, **headers):
        """(status, what was answered, headers)"""
        c = http.client.HTTPConnection("127.0.0.1", self.hub.http_port, timeout=timeout)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        c.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body,
                  {k.replace("_", "-"): v for k, v in sent.items() if v is not None})
        answer = c.getresponse()
        text = answer.read().decode()
        c.close()
        return answer.status, json.loads(text), answer

    def refused(self, *args, **kw):
        status, answer, _ = self.call(*args, **kw)
        assert list(answer) == ["error"], answer
        return status, answer["error"]

    def list(self, query=""):
        status, answer, _ = self.call("GET", SILENCES + query)
        assert status == 200 and answer["more"] is False
        return answer["silences"]


@pytest.fixture
def make_api(make_hub, folder):
    def make(conf=None, token=None, **kw):
        token = token or secrets.token_hex(32)
        path = folder / "token"
        path.write_text(token + "\n")
        path.chmod(0o600)
        hub = make_hub({"http": {"token_file": str(path)}, **(conf or {})}, broker=False, rules={}, grids=GRIDS,
                       devices=DEVICES, **kw)
        return Api(hub, token)

    return make


@pytest.fixture
def api(make_api):
    return make_api()


def test_a_silence_from_its_beginning_to_its_end(api, database):
    status, made, _ = api.call("POST", body={**GOOD, "kind": "event-0192"})
    assert status == 201 and set(made) == {"id", "from", "to"}
    (one,) = api.list()
    assert (one["id"], one["grid"], one["kind"], one["device"], one["state"], one["by"], one["reason"],
            one["maintenance"]) == (made["id"], "qx", "event-0192", None, "on", "张伟", "修路", False)
    (line,) = api.hub.cmd("silence", "list").out.splitlines()
    assert json.loads(line) == one
    status, ended, _ = api.call("DELETE", f"{SILENCES}/{made['id']}?by=%E9%99%88%E9%9D%99")
    assert status == 200 and ended["id"] == made["id"]
    assert api.list() == [] and api.list("?all=false") == []
    (one,) = api.list("?all=true")
    assert one["state"] == "over" and "陈静" in one["reason"]
    assert api.refused("DELETE", f"{SILENCES}/{made['id']}?by=x")[0] == 404
    assert 'by=张伟' in api.hub.log and api.token not in api.hub.log
    assert api.hub.metric(DONE) == 6


def test_maintenance_to_come(api, database):
    status, _, _ = api.call("POST", body={
        "device": "s-1", "rule": "r", "maintenance": True, "from": "2099-01-01T00:00:00+08:00",
        "to": "2099-01-02T00:00:00+08:00", "by": "ops", "reason": "new lid", "grid": None})
    assert status == 201
    (one,) = api.list()
    assert one["state"] == "to come" and one["maintenance"] and one["device"] == "s-1" and one["rule"] == "r"
    assert database.row("SELECT who, why, to_at - from_at = '1 day' FROM silence") == ("ops", "new lid", True)


def without(key):
    return {k: v for k, v in GOOD.items() if k != key}


@pytest.mark.parametrize("body, status, says", [
    ({**GOOD, "devise": "s-1"}, 400, 'key "devise": there is no such key; did you mean "device"?'),
    ({**GOOD, "for": 7}, 400, 'key "for": value 7: a text was expected'),
    ({**GOOD, "for": "400d"}, 400, 'for: "400d": a duration up to 366d'),
    ({**GOOD, "for": "-1h"}, 400, 'for: "-1h"'),
    ({**GOOD, "maintenance": "yes"}, 400, 'key "maintenance": value "yes": true or false'),
    ({**GOOD, "to": "2099-01-01T00:00:00Z"}, 400, "for or to is needed, one of the two"),
    ({**without("for"), "to": "tomorrow"}, 400, 'to: "tomorrow": a time was expected'),
    ({**without("for"), "to": "2020-01-01T00:00:00Z"}, 400, "before it begins"),
    ({**GOOD, "from": "x"}, 400, 'from: "x"'),
    (without("grid"), 400, "what is to be silent"),
    (without("by"), 400, "both by and reason"),
    ({**GOOD, "reason": " "}, 400, "reason: it is empty"),
    ({**GOOD, "reason": "x" * 2001}, 400, "reason: "),
    ({**GOOD, "grid": "nowhere"}, 404, "no grid nowhere"),
    ({**GOOD, "device": "none"}, 404, "no device none"),
    ([], 400, "an object was expected, not"),
    ("", 400, "no JSON"),
    ('{"grid": "qx", "grid": "qx"}', 400, "grid"),
    ('{"grid": "a\\u0000b", "for": "2h", "by": "x", "reason": "y"}', 400, "no JSON"),
    ('{"grid": "\xff"}'.encode("latin-1"), 400, "UTF-8"),
    ("[" * 100 + "]" * 100, 400, "no JSON"),
    (json.dumps({**GOOD, "reason": "x" * 20000}), 413, "at most 16384"),
])
def test_what_is_at_fault_is_named(api, database, body, status, says):
    got, error = api.refused("POST", body=body)
    assert got == status and says in error, error
    assert database.value("SELECT count(*) FROM silence") == 0


@pytest.mark.parametrize("method, path, status, says", [
    ("GET", "/api/v1/silences?all=1", 400, 'parameter "all": value "1"'),
    ("GET", "/api/v1/silences?by=x", 400, 'parameter "by": there is only all=true'),
    ("POST", "/api/v1/silences?all=true", 400, "there is none"),
    ("DELETE", "/api/v1/silences/7", 400, "by is needed"),
    ("DELETE", "/api/v1/silences/7?by=", 400, "by: it is empty"),
    ("DELETE", "/api/v1/silences/7?by=%FF", 400, "UTF-8"),
    ("DELETE", "/api/v1/silences/7?by=x", 404, "no such silence as 7"),
    ("DELETE", "/api/v1/silences/7?by=x&by=y", 400, "once"),
    ("DELETE", "/api/v1/silences", 405, "GET, POST"),
    ("PUT", "/api/v1/silences", 405, "GET, POST"),
    ("GET", "/api/v1/silences/7", 405, "DELETE"),
    ("GET", "/api/v1/silences/x", 404, "there is /api/v1/silences"),
    ("GET", "/api/v1/silencesx", 404, "there is /api/v1/silences"),
    ("GET", "/api/", 404, "there is /api/v1/silences"),
])
def test_paths_methods_and_parameters(api, method, path, status, says):
    got, error = api.refused(method, path)
    assert got == status and says in error, error


def test_a_body_of_another_type_and_one_without_a_length(api, database):
    assert api.refused("POST", body="a=b", Content_Type="text/plain")[0] == 415
    chunked = (json.dumps(GOOD)[i:i + 10].encode() for i in range(0, 200, 10))
    assert api.call("POST", body=chunked)[0] == 201
    endless = (b"x" * 1000 for _ in range(100))
    assert api.refused("POST", body=endless)[0] == 413
    assert database.value("SELECT count(*) FROM silence") == 1


@pytest.mark.parametrize("authorization, status", [
    (None, 401), ("Basic eDp5", 401), ("", 401), ("Bearer ", 403), ("Bearer x", 403), ("Bearer " + "0" * 64, 403)])
def test_a_token_is_needed(api, database, authorization, status):
    for method, path in (("GET", SILENCES), ("POST", SILENCES), ("DELETE", SILENCES + "/1?by=x"), ("GET", "/api/")):
        got, answer, head = api.call(method, path, body=GOOD if method == "POST" else None, Authorization=authorization)
        assert got == status and "token" in answer["error"]
        assert (head.getheader("WWW-Authenticate") == "Bearer") == (status == 401)
    assert api.refused("GET", Authorization=f"Bearer {api.token[:-1]}")[0] == 403
    assert api.refused("GET", Authorization=f"Bearer {api.token}x")[0] == 403
    assert database.value("SELECT count(*) FROM silence") == 0


def test_without_a_token_file_there_is_no_api(make_hub):
    hub = make_hub(broker=False, rules={})
    got, error = Api(hub, "x" * 64).refused("GET")
    assert got == 404 and "http.token_file" in error
    assert hub.get("/live")[0] == 200


def test_tokens_change_on_sighup(api, folder):
    old, new = api.token, secrets.token_hex(32)
    (folder / "token").write_text(f"{new}\n{old}\n")
    api.hub.reload()
    wait_until(lambda: api.call("GET", Authorization=f"Bearer {new}")[0] == 200)
    assert api.call("GET")[0] == 200
    (folder / "token").write_text(f"{new}\n")
    api.hub.reload()
    wait_until(lambda: api.call("GET")[0] == 403)
    (folder / "token").write_text("short\n")
    api.hub.reload()
    api.hub.wait_log("the new tokens are bad")
    assert api.call("GET", Authorization=f"Bearer {new}")[0] == 200


@pytest.mark.parametrize("text, mode, says", [
    ("short\n", 0o600, "at least 24"), ("", 0o600, "empty"), ("x" * 32 + "\n", 0o644, "may read"), (None, 0, "token")])
def test_a_bad_token_file_stops_the_start_and_check_says_so(make_hub, folder, text, mode, says):
    path = folder / "token"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    hub = make_hub({"http": {"token_file": str(path)}}, broker=False, rules={}, start=False)
    done = hub.cmd("check", check=False)
    assert done.returncode == 1 and says in done.err and "http.token_file" in done.err
    hub.start(ready=False)
    wait_until(lambda: not hub.running)
    assert hub.process.popen.returncode == 1 and "http.token_file" in hub.log and says in hub.log


def test_too_many_calls_are_refused(api):
    def burst():
        got = [api.call("GET") for _ in range(40)]
        return [head for status, _, head in got if status == 429]
    late = wait_until(burst, why="40 calls within a second")
    assert late[0].getheader("Retry-After") == "1"
    assert api.hub.metric('gridhub_api_calls_total{result="limited"}') >= len(late)
    wait_until(lambda: api.call("GET")[0] == 200, 20)


@pytest.mark.parametrize("way", ["kill", "pause"])
def test_the_database_is_away(make_api, own_postgres, make_database, way):
    """A call is answered within its deadline, a page at once; then all goes on."""
    api = make_api(db=make_database(own_postgres))
    assert api.call("POST", body=GOOD)[0] == 201
    api.hub.db.close()
    if way == "kill":
        own_postgres.kill()
    else:
        own_postgres.pause()
    try:
        status, answer, head = api.call("GET", timeout=30)
        assert status == 503 and "database" in answer["error"] and head.getheader("Retry-After") == "1"
        assert api.hub.metric(FAILED) >= 1
        # While calls hang the pages answer.
        hanging = []
        for _ in range(4):
            s = socket.create_connection(("127.0.0.1", api.hub.http_port), 5)
            s.sendall(f"GET {SILENCES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode())
            hanging.append(s)
        slowest = 0.0
        for _ in range(10):
            start = time.monotonic()
            assert api.hub.get("/live")[0] == 200
            slowest = max(slowest, time.monotonic() - start)
        assert slowest < 2, "a page waited for the database"
        for s in hanging:
            s.settimeout(30)
            assert b" 503 " in s.recv(1000)
            s.close()
    finally:
        if way == "kill":
            own_postgres.start()
        else:
            own_postgres.go_on()
    wait_until(lambda: len(api.list()) == 1, 60)


def test_stop_answers_what_waits(make_api, own_postgres, make_database):
    api = make_api(db=make_database(own_postgres))
    assert api.call("GET")[0] == 200
    api.hub.db.close()
    own_postgres.pause()
    try:
        waiting = []
        for _ in range(6):
            s = socket.create_connection(("127.0.0.1", api.hub.http_port), 5)
            s.sendall(f"GET {SILENCES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode())
            waiting.append(s)
        time.sleep(0.5)
    finally:
        own_postgres.go_on()
    assert api.hub.stop() == 0
    for s in waiting:
        s.settimeout(10)
        s.recv(1000)
        s.close()


def test_what_is_silenced_over_http_is_not_told(make_api, receiver, database):
    api = make_api(receiver=receiver)
    number = api.call("POST", body={**GOOD, "kind": "k", "grid": "qx"})[1]["id"]
    database.rows("INSERT INTO owed (district_id, case_id, device_id, rule_id, grid_id, kind, severity, event, endpoint, alert) "
                  "SELECT district_id, 1, 1, 'r', id, 'k', 1, 'case.opened', 'leader', '{\"case\": {\"id\": 1}, \"text\": \"x\"}' "
                  "FROM grid WHERE code = 'qx-yh'")
    wait_until(lambda: database.value("SELECT count(*) FROM owed WHERE due_at > now() + interval '30 seconds'") == 1)
    assert receiver.accepted == []
    assert api.call("DELETE", f"{SILENCES}/{number}?by=ops")[0] == 200
    assert len(receiver.wait(1)) == 1
