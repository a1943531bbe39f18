"""/health, /live and /metrics."""

import http.client
import json
import re
import socket
import time

import pytest

from conftest import free_port, wait_until


@pytest.fixture
def make_hub(make_hub):
    """A hub that has neither broker nor rules: the outbox is filled by SQL."""

    def make(conf=None, **kw):
        return make_hub(conf, **{"broker": False, "rules": {}, **kw})

    return make


@pytest.fixture
def hub(make_hub):
    return make_hub({"http": {"max_connections": 8}})


def request(hub, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", hub.http_port, timeout=5)
    c.request(method, path, body)
    answer = c.getresponse()
    text = answer.read().decode()
    c.close()
    return answer, text


def test_health_names_every_part(hub):
    answer, text = request(hub, "GET", "/health")
    health = json.loads(text)
    assert answer.getheader("Content-Type") == "application/json"
    assert set(health["parts"]) == {"mqtt", "spool", "database", "engine", "rules", "notify", "probe"}
    for part in health["parts"].values():
        assert part["status"] in ("ok", "starting", "degraded")
    assert answer.status == (503 if health["status"] == "degraded" else 200)


def test_head_has_no_body(hub):
    for path in ("/health", "/live", "/metrics"):
        answer, text = request(hub, "HEAD", path)
        assert text == "" and int(answer.getheader("Content-Length")) > 0


def test_metrics_are_prometheus_text(hub):
    answer, text = request(hub, "GET", "/metrics")
    assert answer.status == 200
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    names, typed = set(), set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in typed and kind in ("counter", "gauge")
            typed.add(name)
        elif not line.startswith("#"):
            found = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? \d+(\.\d+)?', line)
            assert found, line
            names.add(found[1])
    assert names and names <= typed
    assert typed - names <= {"gridhub_probe_grid_streams"}  # rows that come when the database was asked, if there are streams
    assert "gridhub_outbox_pending" in names


def test_what_is_not_there(hub):
    for path in ("/", "/healthz", "/health/", "/metrics/x", "/%00", "/../etc/passwd"):
        assert request(hub, "GET", path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(hub, method):
    answer, _ = request(hub, method, "/health", b"x" * 1000)
    assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD"


def test_health_answers_while_the_database_hangs(make_hub, own_postgres, make_database):
    hub = make_hub(db=make_database(own_postgres))
    own_postgres.pause()
    try:
        slowest, degraded = 0.0, set()
        end = time.monotonic() + 20
        while time.monotonic() < end and not {"notify", "database"} <= degraded:
            start = time.monotonic()
            status, text = hub.get("/health")
            slowest = max(slowest, time.monotonic() - start)
            degraded = {name for name, part in json.loads(text)["parts"].items() if part["status"] == "degraded"}
            assert status == (503 if degraded else 200)
            assert hub.get("/live") == (200, "ok\n")
            time.sleep(0.2)
        assert {"notify", "database"} <= degraded
        assert slowest < 3  # less than a request to the database may take
    finally:
        own_postgres.go_on()
    wait_until(lambda: hub.health()["parts"]["notify"]["status"] == "ok", timeout=40)


def test_connections_are_limited_and_idle_ones_end(hub):
    """With all 8 places taken by idle connections the next one waits, and gets in when they end after 10 s."""
    idle = [socket.create_connection(("127.0.0.1", hub.http_port), 5) for _ in range(8)]
    time.sleep(0.2)
    start = time.monotonic()
    assert hub.get("/live", timeout=20)[0] == 200
    assert 5 < time.monotonic() - start < 14
    for s in idle:
        assert s.recv(100) == b""
        s.close()


@pytest.mark.parametrize("junk", [b"\x00\xff\xfe\r\n\r\n", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
                                  b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n", b"\r\n" * 1000])
def test_junk_does_no_harm(hub, junk):
    with socket.create_connection(("127.0.0.1", hub.http_port), 5) as s:
        try:
            s.sendall(junk)
            s.settimeout(2)
            s.recv(100)
        except OSError:
            pass
    assert hub.get("/live")[0] == 200 and hub.running


def test_port_in_use_is_said(make_hub):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        hub = make_hub({"http": {"listen": f"127.0.0.1:{port}"}}, start=False)
        hub.start(ready=False)
        wait_until(lambda: not hub.running)
        assert hub.process.popen.returncode == 1 and f"127.0.0.1:{port}" in hub.log


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:99999", "::1:80", "nowhere.invalid:80"])
def test_bad_listen_is_said(make_hub, listen):
    hub = make_hub({"http": {"listen": listen}}, start=False)
    hub.start(ready=False)
    wait_until(lambda: not hub.running)
    assert hub.process.popen.returncode == 1 and "http.listen" in hub.log


def test_port_0_takes_a_free_one_and_logs_it(make_hub):
    hub = make_hub({"http": {"listen": "[::1]:0"}}, start=False)
    hub.start(ready=False)
    found = wait_until(lambda: re.search(r"msg=listening host=::1 port=(\d+)", hub.log))
    with socket.create_connection(("::1", int(found[1])), 5):
        pass


def test_no_http_when_it_is_not_wanted(make_hub):
    hub = make_hub({"http": {"listen": ""}}, start=False)
    hub.start(ready=False)
    time.sleep(1)
    assert hub.running and "msg=listening" not in hub.log
