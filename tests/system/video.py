"""Fixtures of the tests that look at video: the servers of tests/video, and `gridhub probe`."""

import json
import os
import re
import secrets
import socket
import subprocess
import threading
import time

import pytest
import servers
import web
from patience import PATIENCE


@pytest.fixture
def make_rtspd(folder):
    """make_rtspd(clips={name: file}, options={…}, hosts=1, tls=(cert, key)) → Rtspd: cameras; see tests/video."""
    made = []

    def make(**kw):
        made.append(servers.Rtspd(folder, **kw))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def rtspd(make_rtspd):
    """Cameras with the clips good, hevc, small and black; a keyframe comes at once."""
    return make_rtspd(clips=servers.camera_clips(), options={"join": "key"})


@pytest.fixture
def certificate(folder):
    """(certificate, key) of 127.0.0.1 and localhost, signed by itself."""
    cert, key = folder / "video.crt", folder / "video.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def nginx_video(folder, certificate):
    """An nginx that takes RTMP and gives RTMP and HLS; publish("x") is a camera."""
    from conftest import free_port, wait_until

    server = servers.NginxVideo(folder, free_port, *certificate)
    try:
        wait_until(lambda: all(answers(port) for port in server.ports.values()), why="nginx to listen")
        yield server
    finally:
        server.stop()


def answers(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


@pytest.fixture
def web_video():
    """HTTP-FLV and HLS, good and hostile; see tests/video/web.py."""
    good = servers.make_clip(**servers.CAMERAS["good"])
    server = web.WebVideo(servers.remux(good, "flv"), servers.segments(good))
    yield server
    server.stop()


@pytest.fixture
def gst_rtsp(folder):
    """gst-rtsp-server, the second opinion."""
    server = servers.GstRtsp(folder)
    yield server
    server.stop()


def probe(*urls, depth="keyframe", args=(), check=None, timeout=120):
    """The results of `gridhub probe --json`, in the order in which they came."""
    from conftest import HUB

    done = subprocess.run([str(HUB), "probe", "--json", "--depth", depth, *map(str, args), *urls], capture_output=True,
                          text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    assert check is None or done.returncode == check, (done.returncode, done.stdout, done.stderr)
    assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


class Looks:
    """A worker of the hub (`gridhub probe --worker`), asked as the pool does it: many looks at once.

    What it did beside looking is watched all the while: UDP sockets that it had, and the memory it took.
    """

    def __init__(self, folder, threads=64, any_address=True, tls_verify=True, ca_file="", memory_mb=0, wrap=()):
        from conftest import HUB

        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log_path = folder / f"looks-{secrets.token_hex(4)}.log"
        with theirs, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*wrap, str(HUB), "probe", "--worker"], stdin=theirs, stdout=log, stderr=log,
                                            cwd="/")
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._tell({"threads": threads, "memory_bytes": memory_mb << 20, "any_address": any_address,
                    "tls_verify": tls_verify, "ca_file": str(ca_file), "allowed": ""})
        self.ours.settimeout(30 * PATIENCE)
        ready = self.ours.recv(1 << 16)
        assert ready == b'"ready"', f"the worker said {ready!r}\n{self.log_path.read_text()[-4000:]}"
        self.threads = threads
        self.number = 0
        self.udp = set()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _tell(self, what):
        self.ours.send(json.dumps(what).encode())

    def _watch(self):
        while not self._stop.wait(0.02):
            try:
                mine = {os.readlink(f"/proc/{self.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{self.process.pid}/fd")}
                for kind in ("udp", "udp6"):
                    for line in open(f"/proc/{self.process.pid}/net/{kind}").read().splitlines()[1:]:
                        if f"socket:[{line.split()[9]}]" in mine:
                            self.udp.add(line.split()[1])
            except OSError:
                continue

    @property
    def rss_kb(self):
        """(now, at most)"""
        text = open(f"/proc/{self.process.pid}/status").read()
        return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in ("VmRSS", "VmHWM"))

    def _look(self, urls, depth, deadline, watch, patience, more=()):
        """(url, result) of each, in the order in which they end."""
        left, asked = list(reversed(urls)), {}
        while left or asked:
            while left and len(asked) < self.threads:
                url = left.pop()
                self.number += 1
                asked[self.number] = (url, time.monotonic())
                self._tell({"id": self.number, "url": url, "depth": depth, "deadline_us": int(deadline * 1e6),
                            "watch_us": int(watch * 1e6), **dict(more)})
            self.ours.settimeout(deadline + watch + patience)
            line = self.ours.recv(1 << 20)
            assert line, f"the worker ended: {self.process.wait()}\n{self.log_path.read_text()[-4000:]}"
            result = json.loads(line)
            url, began = asked.pop(result["id"])
            result["outside_s"] = time.monotonic() - began
            yield url, result

    def at(self, urls, depth="keyframe", deadline=3.0, watch=0.0, patience=60.0, more=()):
        """{url: result}; "outside_s" is what passed here from the request to the answer. more: fields of each request."""
        return dict(self._look(list(dict.fromkeys(urls)), depth, deadline, watch, patience, more))

    def repeat(self, url, times, depth="keyframe", deadline=3.0, patience=60.0):
        """The results of as many looks at one."""
        return [result for _, result in self._look([url] * times, depth, deadline, 0, patience)]

    def stop(self):
        self._stop.set()
        self._watcher.join(5)
        self.ours.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        log = self.log_path.read_text(errors="replace")
        assert "Sanitizer" not in log and "runtime error:" not in log, log[-6000:]


@pytest.fixture
def make_looks(folder):
    """make_looks(threads=64, …) → Looks"""
    made = []

    def make(**kw):
        made.append(Looks(folder, **kw))
        return made[-1]

    yield make
    for looks in made:
        looks.stop()
