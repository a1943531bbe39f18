"""`gridhub probe --worker`, the process that reads what strangers send, on its own: what it does, and what it cannot."""

import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import HUB, wait_until

SECRET = "geheim-7261"


class Worker:
    """The pool's end of the socket: a line is a message."""

    def __init__(self, folder, threads=64, memory=0, **limits):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = folder / "worker.log"
        with open(self.log, "wb") as err:
            self.popen = subprocess.Popen([str(HUB), "probe", "--worker"], stdin=theirs, stdout=subprocess.DEVNULL, stderr=err,
                                          env={}, cwd="/")
        theirs.close()
        self.send({"threads": threads, "memory_bytes": memory, "any_address": True, "tls_verify": True, "ca_file": "",
                   "allowed": "", **limits})

    def send(self, line):
        self.sock.send(line.encode() if isinstance(line, str) else json.dumps(line).encode())

    def ask(self, number, url, depth="keyframe", deadline_ms=20000, **more):
        self.send({"id": number, "url": url, "depth": depth, "deadline_us": deadline_ms * 1000, "watch_us": 0, **more})

    def results(self, n, timeout=60):
        """{id: result} of the next n."""
        got, end = {}, time.monotonic() + timeout
        while len(got) < n:
            ready, _, _ = select.select([self.sock], [], [], max(0, end - time.monotonic()))
            line = self.sock.recv(1 << 19) if ready else b""
            if not line:
                pytest.fail(f"{len(got)} results of {n}; {self.log.read_text()}")
            result = json.loads(line)
            assert result["id"] not in got
            got[result["id"]] = result
        return got

    def proc(self, name):
        return Path(f"/proc/{self.popen.pid}/{name}").read_text(errors="replace")

    def stop(self):
        self.sock.close()
        self.popen.kill()
        self.popen.wait()


@pytest.fixture
def make_worker(tmp_path):
    workers = []

    def make(**kw):
        workers.append(Worker(tmp_path, **kw))
        return workers[-1]

    yield make
    for worker in workers:
        worker.stop()


def test_many_looks_at_once_and_none_waits_for_another(make_worker, rtspd):
    """40 silent servers are in nobody's way; each look is answered under its own number."""
    worker = make_worker(threads=64)
    for i in range(40):
        worker.ask(1000 + i, rtspd.url(f"/silent/{i}"), deadline_ms=60000)
    for i in range(100):
        worker.ask(i, rtspd.url(f"/good/{i}" if i % 2 else f"/404/{i}"))
    got = worker.results(100)
    assert sorted(got) == list(range(100))
    for i, result in got.items():
        assert (result["state"], result["cause"]) == (("online", "none") if i % 2 else ("offline", "not_found")), result


def test_passwords_are_in_nothing_that_others_can_read(make_worker, rtspd):
    worker = make_worker(threads=4)
    url = rtspd.url("/basic/user=cam/pass=" + SECRET + "/1", user="cam:" + SECRET)
    wrong = rtspd.url("/basic/user=cam/pass=other/2", user="cam:" + SECRET)
    for i in range(4):
        worker.ask(i, url if i % 2 else wrong)
    got = worker.results(4)
    assert [got[i]["cause"] for i in range(4)] == ["unauthorised", "none"] * 2
    assert SECRET not in json.dumps(got)
    worker.ask(9, rtspd.url("/silent/user=cam/pass=" + SECRET, user="cam:" + SECRET), deadline_ms=60000)
    for name in ("cmdline", "environ", "comm"):
        assert SECRET not in worker.proc(name)
    worker.sock.close()
    worker.popen.wait(20)
    assert SECRET not in worker.log.read_text()


def test_it_ends_when_the_hub_closes_the_socket(make_worker, rtspd):
    """Within looks of every kind, and without a word."""
    worker = make_worker(threads=8)
    for i in range(4):
        worker.ask(i, rtspd.url(f"/silent/{i}"), deadline_ms=60000)
        worker.ask(10 + i, rtspd.url(f"/nopackets/{i}"), deadline_ms=60000)
    wait_until(lambda: rtspd.stats()["open"] >= 8)
    worker.sock.close()
    assert worker.popen.wait(20) == 0
    assert worker.log.read_text() == ""


def test_signals_to_the_whole_service_are_no_crash(make_worker, rtspd):
    """systemd's SIGTERM and a terminal's Ctrl-C go to every process; the hub says when a worker ends."""
    worker = make_worker(threads=2)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        worker.ask(1, rtspd.url("/good/1"))
        worker.results(1)
        worker.popen.send_signal(number)
    worker.ask(2, rtspd.url("/good/1"))
    assert worker.results(1)[2]["state"] == "online"


def test_a_pool_that_talks_nonsense_ends_it(make_worker):
    for line in ("x", "{}", '{"id":1,"url":"rtsp://x/","depth":"glance","deadline_us":1}', "x" * 20000):
        worker = make_worker(threads=2)
        worker.ask(1, "rtsp://127.0.0.1:1/x")
        worker.results(1)
        worker.send(line)
        assert worker.popen.wait(20) == 0
        assert "no pool asks" in worker.log.read_text()


@pytest.mark.parametrize("hello", [{"threads": 0}, {"threads": 513}, {"allowed": "!"}])
def test_what_is_said_first_is_checked(make_worker, hello):
    worker = make_worker(**hello)
    assert worker.popen.wait(20) == 1
    assert "cannot start" in worker.log.read_text()


def test_by_hand_it_says_what_it_is_for():
    done = subprocess.run([str(HUB), "probe", "--worker"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and "for the hub itself" in done.stderr


def test_what_it_has_given_up(make_worker, rtspd):
    worker = make_worker(threads=16, memory=64 << 20)
    worker.ask(1, rtspd.url("/good/1"))
    assert worker.results(1)[1]["state"] == "online"
    status = dict(line.split(":\t", 1) for line in worker.proc("status").splitlines() if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert status["Name"] == "gridhub-probe"
    assert int(worker.proc("oom_score_adj")) >= 800
    limits = {line[:26].strip(): line[26:].split()[1] for line in worker.proc("limits").splitlines()}
    assert limits["Max core file size"] == "0"
    assert int(limits["Max data size"]) < 256 << 20
    files = {os.readlink(f"/proc/{worker.popen.pid}/fd/{fd}") for fd in ("0", "1", "2")}
    assert {f.split(":")[0] for f in files} >= {"socket", "/dev/null"}
