"""The servers that the probe is tested against are themselves right: ffmpeg and GStreamer say so."""

import os
import subprocess

import pytest
import servers
from conftest import PATIENCE, wait_until


def ffprobe(url, *args, seconds=None):
    """(codec, width, height) as ffprobe sees it, or what it complains of."""
    done = subprocess.run(["ffprobe", "-v", "error", *args, "-select_streams", "v", "-show_entries",
                           "stream=codec_name,width,height", "-of", "default=nw=1:nk=1", url], capture_output=True,
                          text=True, timeout=(seconds or 20) * PATIENCE, stdin=subprocess.DEVNULL, check=False)
    return tuple(done.stdout.split()[:3]) if done.returncode == 0 else done.stderr


H264, HEVC = ("h264", "704", "576"), ("hevc", "704", "576")
VIDEO_ONLY = ("-rtsp_transport", "tcp", "-allowed_media_types", "video", "-analyzeduration", "500000")


@pytest.mark.parametrize("path, user, seen", [
    ("/good/1", None, H264), ("/good/clip=hevc/1", None, HEVC), ("/good/join=now/1", None, H264),
    ("/good/join=wait/1", None, H264), ("/nosprop/1", None, H264), ("/audio/1", None, H264),
    ("/basic/1", "admin:secret", H264), ("/digest/1", "admin:secret", H264), ("/qop/1", "admin:secret", H264),
    ("/basic/pass=p%40%3A%2Fss/1", "admin:p%40%3A%2Fss", H264), ("/good/late=200/1", None, H264),
    ("/digest/1", "admin:wrong", "401"), ("/401", None, "401"), ("/404", None, "404"), ("/nix", None, "404"),
    ("/453", None, "453"), ("/x/at=play/do=503", None, "503"),
])
def test_ffprobe_sees_what_rtspd_shows(rtspd, path, user, seen):
    found = ffprobe(rtspd.url(path, user=user), *VIDEO_ONLY)
    assert found == seen if isinstance(seen, tuple) else seen in found, found


def test_rtspd_speaks_tls_and_ipv6(make_rtspd, certificate):
    server = make_rtspd(clips=servers.camera_clips(("good",)), options={"join": "key"}, tls=certificate)
    assert ffprobe(server.url(scheme="rtsps"), *VIDEO_ONLY) == H264
    if os.path.exists("/proc/net/if_inet6") and " lo\n" in open("/proc/net/if_inet6").read():
        assert ffprobe(server.url(host="[::1]"), *VIDEO_ONLY) == H264


def test_a_camera_of_rtspd_becomes_another(rtspd):
    rtspd.set("/good/7", "/404")
    assert "404" in ffprobe(rtspd.url("/good/7"), *VIDEO_ONLY)
    assert ffprobe(rtspd.url("/good/8"), *VIDEO_ONLY) == H264
    rtspd.set("/good/7", "/good/clip=hevc")
    assert ffprobe(rtspd.url("/good/7"), *VIDEO_ONLY) == HEVC
    rtspd.set("/good/7", "-")
    assert ffprobe(rtspd.url("/good/7"), *VIDEO_ONLY) == H264
    rtspd.clip("good", servers.make_clip(**servers.CAMERAS["small"]))
    assert ffprobe(rtspd.url("/good/7"), *VIDEO_ONLY) == ("h264", "352", "288")


def test_ffmpeg_decodes_all_of_a_clip_without_complaint(rtspd):
    """Over the end of the clip, where it begins anew: 8 s of a clip of 6 s."""
    running = [subprocess.Popen(["ffmpeg", "-v", "warning", "-nostdin", "-rtsp_transport", "tcp", "-i", rtspd.url(path), "-t", "8",
                                 "-f", "null", "-"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for path in ("/good/1", "/good/clip=hevc/1")]
    for process in running:
        said = process.communicate(timeout=40 * PATIENCE)[1]
        assert process.returncode == 0, said
        assert not [line for line in said.splitlines() if "error" in line.lower() or "corrupt" in line], said


PLAY = """
import sys
import gi
gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst
Gst.init(None)
pay = "rtph265depay" if sys.argv[2] == "hevc" else "rtph264depay"
user = f"user-id={sys.argv[3].partition(':')[0]} user-pw={sys.argv[3].partition(':')[2]}" if sys.argv[3] else ""
line = Gst.parse_launch(f"rtspsrc location={sys.argv[1]} protocols=tcp latency=0 {user} ! {pay} ! fakesink name=end "
                        "signal-handoffs=true sync=false")
loop, seen = GLib.MainLoop(), {"frames": 0, "keys": 0}
def picture(_sink, buffer, _pad):
    seen["frames"] += 1
    seen["keys"] += not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
    if seen["frames"] >= 75:
        loop.quit()
line.get_by_name("end").connect("handoff", picture)
bus = line.get_bus()
bus.add_signal_watch()
bus.connect("message::error", lambda _b, m: (print(m.parse_error()), loop.quit()))
line.set_state(Gst.State.PLAYING)
loop.run()
line.set_state(Gst.State.NULL)
print(seen["frames"], seen["keys"])
"""


@pytest.mark.parametrize("path, codec, user", [("/good/1", "h264", ""), ("/good/clip=hevc/1", "hevc", ""),
                                               ("/digest/1", "h264", "admin:secret"), ("/audio/1", "h264", "")])
def test_gstreamer_plays_what_rtspd_shows(rtspd, path, codec, user):
    done = subprocess.run(["/usr/bin/python3", "-c", PLAY, rtspd.url(path), codec, user], capture_output=True, text=True,
                          timeout=30 * PATIENCE, check=False)
    frames, keys = done.stdout.split()[-2:]
    assert int(frames) >= 75 and 1 <= int(keys) <= 3, done.stdout + done.stderr


def test_the_other_servers_show_video(gst_rtsp, nginx_video, web_video):
    nginx_video.publish("x")
    assert ffprobe(gst_rtsp.url("/good"), *VIDEO_ONLY) == H264
    assert ffprobe(gst_rtsp.url("/hevc"), *VIDEO_ONLY) == HEVC
    assert ffprobe(gst_rtsp.private("/good", "admin:secret"), *VIDEO_ONLY) == H264
    assert "401" in ffprobe(gst_rtsp.private("/good", "admin:wrong"), *VIDEO_ONLY)
    assert ffprobe(web_video.url("/live/x.flv")) == H264
    assert ffprobe(web_video.url("/live/x.m3u8")) == H264
    wait_until(lambda: ffprobe(nginx_video.hls("x")) == H264, 30 * PATIENCE, 1, "nginx to serve HLS")
    assert ffprobe(nginx_video.hls("x", "https"), "-tls_verify", "0") == H264
    assert ffprobe(nginx_video.rtmp("x")) == H264


def test_rtspd_serves_many_at_once(rtspd):
    """300 connections that stay and play: each gets its pictures."""
    import socket

    made = []
    for i in range(300):
        s = socket.create_connection(("127.0.0.1", rtspd.port), 10)
        s.settimeout(20 * PATIENCE)
        url = rtspd.url(f"/good/clip=small/{i}")
        for method, more in (("SETUP", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"), ("PLAY", "")):
            s.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{more}\r\n".encode())
            assert s.recv(65536).startswith(b"RTSP/1.0 200")
        made.append(s)
    assert rtspd.stats()["playing"] == 300
    for s in made:
        got = 0
        while got < 20000:
            got += len(s.recv(65536))
        s.close()
    wait_until(lambda: rtspd.stats()["open"] == 0)
