"""A receiver that speaks HTTP/2 (nginx before one that does not): few connections carry all, and none that ends loses one."""

import ssl
import urllib.request

import pytest

from conftest import Process, free_port, wait_until
from receiver import Receiver
from test_notify import Outbox, secret_file, tls_context

NGINX = """
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
worker_processes 1;
events {{}}
http {{
    log_format used '$server_protocol $connection $connection_requests $status';
    access_log {dir}/access.log used;
    {temp}
    keepalive_requests {requests};
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {dir}/r.crt;
        ssl_certificate_key {dir}/r.key;
        location = /up {{ access_log off; return 204; }}
        location / {{ proxy_pass {url}; }}
    }}
}}
"""


class Proxy:
    def __init__(self, folder, receiver, requests):
        tls_context(folder, "r", "IP:127.0.0.1")
        self.log, self.port = folder / "access.log", free_port()
        temp = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(NGINX.format(dir=folder, port=self.port, url=f"http://127.0.0.1:{receiver.port}", requests=requests,
                                                        temp=temp))
        self.argv = ["/usr/sbin/nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        self.folder, self.process = folder, None
        self.start()

    def start(self):
        self.process = Process(self.argv, self.folder / "nginx.log")
        wait_until(lambda: self.answers(), why="nginx")

    def answers(self):
        assert self.process.running, (self.folder / "error.log").read_text()
        any_server = ssl.create_default_context()
        any_server.check_hostname, any_server.verify_mode = False, ssl.CERT_NONE
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/up", timeout=5, context=any_server) as answer:
                return answer.status == 204
        except OSError:
            return False

    def posts(self):
        """(protocol, connection, how many on it, status) of each request."""
        return [line.split() for line in self.log.read_text().splitlines()]


@pytest.fixture
def proxied(make_hub, folder, database):
    made = []

    def make(requests=1000):
        receiver = Receiver()
        proxy = Proxy(folder, receiver, requests)
        made.extend([receiver, proxy.process])
        hub = make_hub(receiver=receiver, broker=False, rules={}, start=False)
        hub.conf["endpoints"] = [{"name": "leader", "url": f"https://127.0.0.1:{proxy.port}/hook", "timeout": "10s",
                                  "ca_file": str(folder / "r.crt"), "secret_file": secret_file(folder, receiver.secret)}]
        hub.write_conf()
        return hub.start(), receiver, proxy, Outbox(database)

    yield make
    for one in made:
        one.stop()


def test_many_alerts_share_few_connections(proxied):
    _, receiver, proxy, outbox = proxied()
    for case in range(1, 6):  # one after another: one connection
        outbox.put(case=case)
        receiver.wait(case)
    wait_until(lambda: len(proxy.posts()) == 5)
    assert {(protocol, status) for protocol, _, _, status in proxy.posts()} == {("HTTP/2.0", "200")}
    assert len({connection for _, connection, _, _ in proxy.posts()}) == 1
    outbox.put_many(200)
    receiver.wait(205, timeout=30)
    wait_until(lambda: len(proxy.posts()) == 205)
    assert {protocol for protocol, _, _, _ in proxy.posts()} == {"HTTP/2.0"}
    assert len({connection for _, connection, _, _ in proxy.posts()}) <= 16
    assert not receiver.bad and len(set(receiver.ids())) == 205


def test_connections_that_the_receiver_ends_lose_nothing(proxied):
    """GOAWAY after every few requests, while others are under way on the same connection."""
    _, receiver, proxy, outbox = proxied(requests=7)
    outbox.put_many(300)
    wait_until(lambda: outbox.pending() == 0, 60)
    assert {m.case for m in receiver.accepted} == set(range(1001, 1301))
    assert not outbox.dead() and not receiver.bad
    assert len({connection for _, connection, _, _ in proxy.posts()}) > 10


def test_the_receiver_starts_anew_amid_them(proxied):
    _, receiver, proxy, outbox = proxied()
    receiver.delay = 0.05
    outbox.put_many(150)
    receiver.wait(30)
    proxy.process.stop()
    receiver.delay = 0
    proxy.start()
    try:
        wait_until(lambda: outbox.pending() == 0, 60)
        assert {m.case for m in receiver.accepted} == set(range(1001, 1151))
        assert not outbox.dead() and not receiver.bad
        under = {}
        for m in receiver.seen:
            under.setdefault(m.case, set()).add(m.id)
        assert all(len(one) == 1 for one in under.values())  # what came twice came under the same id
    finally:
        proxy.process.stop()
