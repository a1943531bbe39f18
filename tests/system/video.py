"""Fixtures of the tests that look at video: the servers of tests/video, and `gridhub probe`."""

import json
import subprocess

import pytest
import servers
import web


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
    import socket

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
