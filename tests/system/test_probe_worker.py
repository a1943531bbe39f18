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

import servers
from conftest import GRIDS, HUB, wait_until

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
            if result == "ready":
                continue
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
    """40 silent servers are in nobody's way; each look is answered under its own number, by name or address."""
    worker = make_worker(threads=64)
    worker.ask(500, rtspd.url("/good/500", host="localhost"))
    assert worker.results(1)[500]["state"] == "online"
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
    assert [line for line in worker.log.read_text().splitlines() if "no Landlock" not in line] == []


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


# ---- within the hub ----

# One camera a host; half of them show a picture, half let every look run into its deadline.
CAMERAS = 60
PROBE = {"allow_addresses": ["127.0.0.0/8"], "processes": 2, "threads": 40, "deadline": "4s", "retry": "200ms", "reach_every": "0",
         "keyframe_every": "1s", "picture_every": 0, "watch_every": "0"}
RULES = {"camera.yaml": """
rules:
  - id: offline
    class: camera
    when: online == false
    kind: offline
    title: {zh-CN: "{device.name}离线（{cause}）"}
"""}


def workers(hub):
    """The processes that the hub has started."""
    return {int(pid) for children in Path(f"/proc/{hub.process.pid}/task").glob("*/children") for pid in children.read_text().split()}


def cameras(rtspd, path, user=None, n=CAMERAS):
    return [{"id": f"cam-{i}", "class": "camera", "grid": "qx", "title": f"摄像机{i}",
             "stream": rtspd.url(f"{path(i)}/{i}", host=rtspd.host(i + 1), user=user)} for i in range(n)]


@pytest.fixture
def make_eye(make_hub, make_rtspd):
    """make_eye(path of a camera by its number) → hub, rtspd."""
    def make(path, user=None, clip="good", n=CAMERAS, **probe):
        rtspd = make_rtspd(clips=servers.camera_clips((clip,)), options={"join": "key", "clip": clip}, hosts=n)
        hub = make_hub(broker=False, conf={"probe": {**PROBE, **probe}}, rules=RULES, grids=GRIDS,
                       devices=cameras(rtspd, path, user, n))
        return hub, rtspd
    return make


def states(database):
    return dict(database.rows("SELECT device, state FROM stream_now"))


@pytest.mark.parametrize("number, reason", [(signal.SIGSEGV, "died"), (signal.SIGSTOP, "hung")])
def test_a_worker_that_crashes_or_hangs_costs_its_looks_only(make_eye, database, number, reason):
    """50 looks are under way; those of the other worker go on, the lost ones say nothing of their cameras."""
    slow = {f"cam-{i}" for i in range(CAMERAS) if i % 6}
    hub, _ = make_eye(lambda i: "/nopackets" if i % 6 else "/good", deadline="30s")
    good = CAMERAS - len(slow)
    wait_until(lambda: sum(state == "online" for state in states(database).values()) == good, 60)
    wait_until(lambda: hub.metric("gridhub_probe_looks_under_way") >= len(slow), 60)
    victim = min(workers(hub))
    os.kill(victim, number)
    lost = f'gridhub_probe_workers_lost_total{{reason="{reason}"}}'
    hub.wait_metric(lost, 1, timeout=90)
    hub.wait_metric("gridhub_probe_worker_restarts_total", 1, timeout=60)
    wait_until(lambda: victim not in workers(hub) and len(workers(hub)) == 2, 60)
    assert hub.metric("gridhub_probe_looks_lost_total") >= 10
    before = hub.metric('gridhub_probe_results_total{cause="none"}')
    hub.wait_metric('gridhub_probe_results_total{cause="none"}', before + 2 * good, timeout=60)
    seen = states(database)
    assert {device for device, state in seen.items() if state == "online"} == set(seen) - slow
    assert hub.metric(lost) == 1
    assert "why=" + reason in hub.log


def test_a_worker_that_takes_too_much_memory_is_ended(make_eye, database):
    """Pictures of 1080p in 40 threads take more than 64 MB; the hub does not, and says nothing of the cameras."""
    hub, _ = make_eye(lambda i: "/good", clip="main", processes=1, memory="64M", picture_every=1)
    hub.wait_metric('gridhub_probe_workers_lost_total{reason="memory"}', 2, timeout=120)
    assert hub.running and hub.health()["status"] != "starting"
    assert "offline" not in states(database).values()
    assert database.value("SELECT count(*) FROM grid_case") == 0


def test_a_hub_that_is_killed_leaves_no_worker(make_eye):
    """Also when one of them is stopped, and cannot see that its socket was closed."""
    hub, _ = make_eye(lambda i: "/nopackets", n=8)
    wait_until(lambda: hub.metric("gridhub_probe_looks_under_way") >= 4, 60)
    pids = workers(hub)
    assert len(pids) == 2
    os.kill(min(pids), signal.SIGSTOP)
    hub.kill()

    def gone(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except FileNotFoundError:
            return True
    wait_until(lambda: all(gone(pid) for pid in pids), 30)


def test_a_hub_that_is_stopped_ends_its_workers_at_once(make_eye):
    hub, _ = make_eye(lambda i: "/nopackets", n=8)
    wait_until(lambda: hub.metric("gridhub_probe_looks_under_way") >= 4, 60)
    pids = workers(hub)
    assert hub.stop(60) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert "worker ended" not in hub.log


def test_passwords_of_cameras_are_in_no_process_and_no_log(make_eye, database):
    hub, rtspd = make_eye(lambda i: f"/basic/user=cam/pass={'other' if i % 2 else SECRET}", user="cam:" + SECRET, n=8)
    wait_until(lambda: sum(state == "online" for state in states(database).values()) == 4, 60)
    hub.wait_metric('gridhub_probe_results_total{cause="unauthorised"}', 4, timeout=60)
    for pid in {hub.process.pid, *workers(hub)}:
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert {Path(f"/proc/{pid}/environ").read_bytes() for pid in workers(hub)} == {b""}
    assert "pass=" + SECRET not in hub.log.replace(f"/pass={SECRET}/", "")
    assert f":{SECRET}@" not in hub.log
