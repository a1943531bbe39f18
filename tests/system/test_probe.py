"""`gridhub probe`: each scheme, each cause, each door that must stay shut."""

import base64
import json
import os
import socket
import subprocess
import threading

import pytest
import servers
import web
from conftest import HUB, PATIENCE, wait_until
from test_probe_worker import Worker
from video import probe

SECRET = "geheim"
H264, HEVC = ("h264", 704, 576), ("hevc", 704, 576)


def look(url, *args, depth="keyframe", check=None, deadline="8s"):
    """One look. What should fail by its deadline is given a short one."""
    found = probe(url, depth=depth, check=check, args=["--deadline", deadline, *args])
    assert len(found) == 1, found
    return found[0]


def said(result):
    return result["state"], result["step"], result["cause"]


def seen(result):
    return result["stream"]["codec"], result["stream"]["width"], result["stream"]["height"]


def assert_online(result, stream=H264):
    assert said(result) == ("online", "keyframe", "none"), result
    assert seen(result) == stream
    at = result["at_us"]
    assert 0 <= at["resolved"] <= at["connected"] <= at["authorised"] <= at["session"] <= at["packet"] <= at["keyframe"]
    assert result["stream"]["keyframes"] >= 1 and result["stream"]["i_per_mb"] > 0.8


# ---- each scheme ----


@pytest.mark.parametrize("path, user, stream", [
    ("/good/1", None, H264), ("/good/clip=hevc/1", None, HEVC), ("/good/join=now/1", None, H264),
    ("/good/join=wait/1", None, H264), ("/nosprop/1", None, H264), ("/audio/1", None, H264),
    ("/basic/1", "admin:secret", H264), ("/digest/1", "admin:secret", H264), ("/qop/1", "admin:secret", H264),
    ("/good/late=200/1", None, H264),
])
def test_rtsp(rtspd, path, user, stream):
    assert_online(look(rtspd.url(path, user=user), check=0), stream)


def test_rtsps_is_verified(make_rtspd, certificate):
    server = make_rtspd(clips=servers.camera_clips(("good",)), options={"join": "key"}, tls=certificate)
    url = server.url(scheme="rtsps")
    assert_online(look(url, "--ca-file", certificate[0]))
    assert_online(look(server.url(scheme="rtsps", host="localhost"), "--ca-file", certificate[0]))
    assert_online(look(url, "--tls-any"))
    strange = look(url, check=1)
    assert said(strange) == ("offline", "connected", "bad_data") and "certificate" in strange["detail"]
    other = look(server.url(scheme="rtsps", host="127.0.0.2"), "--ca-file", certificate[0])
    assert said(other)[0] == "offline" and other["cause"] in ("bad_data", "refused"), other


def test_gstreamers_server_is_understood_too(gst_rtsp):
    assert_online(look(gst_rtsp.url("/good")))


def test_flv_and_hls(web_video):
    assert_online(look(web_video.url("/live/x.flv")))
    assert_online(look(web_video.url("/live/x.m3u8")))
    assert_online(look(web_video.url("/master.m3u8")))
    assert_online(look(web_video.url("/private.flv", user="admin:secret")))


def test_rtmp_and_hls_of_nginx(nginx_video, certificate):
    nginx_video.publish("x")
    wait_until(lambda: look(nginx_video.hls("x"))["state"] == "online", timeout=60, why="nginx to have pieces")
    assert_online(look(nginx_video.rtmp("x")))
    assert_online(look(nginx_video.hls("x", "https"), "--ca-file", certificate[0]))
    assert look(nginx_video.hls("x", "https"), check=1)["state"] == "offline"
    nobody = look(nginx_video.rtmp("nobody"), deadline="3s")
    assert nobody["state"] == "offline" and nobody["cause"] in ("no_packets", "timeout")


def test_ipv6(make_rtspd):
    with socket.socket(socket.AF_INET6) as s:
        try:
            s.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    server = make_rtspd(clips=servers.camera_clips(("good",)), options={"join": "key"})
    result = look(server.url(host="[::1]"))
    assert_online(result)
    assert result["address"].startswith("[::1]:")


# ---- each cause ----


@pytest.mark.parametrize("path, expected", [
    ("/401", ("offline", "connected", "unauthorised")), ("/404", ("offline", "connected", "not_found")),
    ("/453", ("unknown", "authorised", "busy")), ("/x/at=play/do=503", ("unknown", "authorised", "busy")),
    ("/x/at=describe/do=403", ("offline", "connected", "unauthorised")),
    ("/x/at=describe/do=500", ("offline", "connected", "bad_data")),
    ("/x/at=setup/do=461", ("offline", "authorised", "bad_data")),
    ("/silent", ("offline", "connected", "timeout")), ("/x/at=setup/do=silent", ("offline", "authorised", "timeout")),
    ("/nopackets", ("offline", "session", "no_packets")), ("/nokey", ("offline", "packets", "no_keyframe")),
    ("/x/at=play/do=stall", ("offline", "packets", "no_keyframe")),
    ("/x/at=describe/do=reset", ("offline", "connected", "bad_data")),
    ("/x/at=describe/do=half", ("offline", "connected", "bad_data")),
    ("/x/at=describe/do=garbage", ("offline", "connected", "bad_data")),
    ("/x/at=play/do=junk", ("offline", "session", "bad_data")),
    ("/x/at=describe/do=headers", ("offline", "connected", "too_big")),
    ("/x/at=describe/do=hugesdp", ("offline", "authorised", "too_big")),
    ("/x/at=describe/do=hugelength", ("offline", "authorised", "too_big")),
    ("/x/at=describe/do=continue", ("offline", "connected", "bad_data")),
    ("/x/at=describe/do=redirect", ("offline", "connected", "redirected")),
    ("/x/at=play/do=redirect", ("offline", "authorised", "redirected")),
])
def test_what_an_rtsp_server_does(rtspd, path, expected):
    """Deadlines are as short as a busy machine allows: what is silent is so until then."""
    slow = expected[2] in ("timeout", "no_packets", "no_keyframe")
    assert said(look(rtspd.url(path), deadline="2s" if slow else "20s", check=1)) == expected


@pytest.mark.parametrize("page, expected", [
    ("/nopackets.flv", ("offline", "session", "no_packets")), ("/nokey.flv", ("offline", "packets", "no_keyframe")),
    ("/silent.flv", ("offline", "connected", "timeout")), ("/slowbody.flv", ("offline", "authorised", "timeout")),
    ("/sdp.flv", ("offline", "authorised", "bad_data")), ("/concat.flv", ("offline", "authorised", "bad_data")),
    ("/mp4.flv", ("offline", "authorised", "bad_data")), ("/gzip.flv", ("offline", "authorised", "bad_data")),
    ("/playlist.flv", ("offline", "authorised", "bad_data")), ("/garbage.flv", ("offline", "authorised", "bad_data")),
    ("/audio.flv", ("offline", "session", "too_big")), ("/hugetag.flv", ("offline", "session", "too_big")),
    ("/flvgarbage.flv", ("offline", "session", "too_big")), ("/headers.flv", ("offline", "connected", "too_big")),
    ("/header.flv", ("offline", "connected", "too_big")), ("/chunkline.flv", ("offline", "authorised", "too_big")),
    ("/hugechunk.flv", ("offline", "authorised", "bad_data")), ("/continue.flv", ("offline", "connected", "bad_data")),
    ("/empty.flv", ("offline", "authorised", "bad_data")), ("/reset.flv", ("offline", "connected", "bad_data")),
    ("/private.flv", ("offline", "connected", "unauthorised")), ("/404/x.flv", ("offline", "connected", "not_found")),
    ("/redirect.flv", ("offline", "connected", "redirected")),
    ("/redirect-self.flv", ("offline", "connected", "redirected")),
    ("/redirect-file.flv", ("offline", "connected", "redirected")),
    ("/redirect.m3u8", ("offline", "connected", "redirected")),
    ("/file.m3u8", ("offline", "session", "bad_data")), ("/endless.m3u8", ("offline", "authorised", "too_big")),
    ("/many.m3u8", ("offline", "authorised", "too_big")), ("/line.m3u8", ("offline", "authorised", "too_big")),
    ("/loop.m3u8", ("offline", "authorised", "bad_data")), ("/empty.m3u8", ("offline", "authorised", "no_packets")),
    ("/gone.m3u8", ("offline", "session", "not_found")),
    ("/key.m3u8", ("unknown", "authorised", "bad_data")), ("/map.m3u8", ("unknown", "authorised", "bad_data")),
])
def test_what_a_web_server_does(web_video, page, expected):
    slow = expected[2] in ("timeout", "no_keyframe") or page == "/nopackets.flv"
    assert said(look(web_video.url(page), deadline="2s" if slow else "20s", check=1)) == expected


@pytest.mark.parametrize("how, cause", [("silent", "timeout"), ("garbage", "bad_data"), ("drip", "timeout"),
                                        ("close", "bad_data"), ("half", "timeout")])
def test_what_an_rtmp_server_does(how, cause):
    server = web.RtmpBad(how)
    try:
        assert said(look(server.url(), deadline="2s", check=1)) == ("offline", "connected", cause)
    finally:
        server.stop()


def test_nobody_is_there():
    for url in ("rtsp://127.0.0.1:9/x", "rtmp://127.0.0.1:9/live/x", "http://127.0.0.1:9/x.flv"):
        assert said(look(url, check=1)) == ("offline", "resolved", "refused")
    # offline if a name server says so, unknown if none answers
    assert look("rtsp://no-such-camera.invalid/x", check=1)["cause"] == "unresolved"


def test_reach_only_connects(rtspd):
    result = look(rtspd.url("/404"), depth="reach", check=0)
    assert said(result) == ("online", "connected", "none")
    assert look("rtsp://127.0.0.1:9/x", depth="reach", check=1)["cause"] == "refused"


# ---- doors ----


@pytest.mark.parametrize("url", [
    "/etc/hostname", "file:///etc/hostname", "concat:/etc/hostname", "subfile,,start,0,end,9,,:/etc/hostname",
    "hls+http://127.0.0.1/x.m3u8", "udp://127.0.0.1:5000", "data:text/plain,x", "rtmpt://127.0.0.1/a/b",
    "http://127.0.0.1/x.mp4", "rtsp://admin:a/b@127.0.0.1/x", "rtsp://h/" + "a" * 10240, "", "rtsp://",
])
def test_other_urls_are_not_looked_at(url):
    result = look(url, check=1)
    assert said(result) == ("unknown", "none", "prober") and result["detail"]


def test_a_redirection_gets_no_password_and_no_visit(make_rtspd, rtspd):
    other = make_rtspd(clips=servers.camera_clips(("good",)))
    to = other.url("/good/1").replace("/", "%2F")
    for auth in ("", "/auth=basic/pass=" + SECRET, "/auth=digest/pass=" + SECRET):
        result = look(rtspd.url(f"/x/at=describe/do=redirect/to={to}{auth}", user=f"admin:{SECRET}"), check=1)
        assert result["cause"] == "redirected", result
        assert str(other.url("/good/1")) in result["detail"]
    assert other.stats()["connections"] == 0, other.stats()


def test_a_redirection_over_http_is_not_visited():
    good = servers.make_clip(**servers.CAMERAS["good"])
    other = web.WebVideo(servers.remux(good, "flv"))
    server = web.WebVideo(servers.remux(good, "flv"), to=other.url("/live/x.flv"))
    try:
        result = look(server.url("/redirect.flv", user=f"admin:{SECRET}"), check=1)
        assert result["cause"] == "redirected" and not other.requests
    finally:
        server.stop()
        other.stop()


def test_pieces_elsewhere_need_leave_and_get_no_password():
    good = servers.make_clip(**servers.CAMERAS["good"])
    other = web.WebVideo(servers.remux(good, "flv"), servers.segments(good), host="127.0.0.2")
    server = web.WebVideo(servers.remux(good, "flv"), servers.segments(good), to=other.url("/"))
    try:
        url = server.url("/other.m3u8", user=f"admin:{SECRET}")
        result = look(url, check=1)
        assert said(result) == ("offline", "session", "redirected") and not other.requests
        assert_online(look(url, "--allow", "127.0.0.2"))
        assert other.requests and not any("uthorization" in text for _, text in other.requests)
    finally:
        server.stop()
        other.stop()


def test_addresses_need_leave_in_a_worker(folder, rtspd):
    url = rtspd.url("/good/1")
    def mapped(net, bits):  # a range as the pool hands it over
        return base64.b64encode(bytes(10) + b"\xff\xff" + bytes(net) + bytes([96 + bits])).decode()

    for allowed, state, cause in (("", "unknown", "prober"), (mapped([10, 0, 0, 0], 8), "unknown", "prober"),
                                  (mapped([127, 0, 0, 0], 8), "online", "none")):
        worker = Worker(folder, threads=2, any_address=False, allowed=allowed)
        try:
            worker.ask(1, url)
            result = worker.results(1)[1]
            assert (result["state"], result["cause"]) == (state, cause), result
        finally:
            worker.stop()


# ---- passwords ----


@pytest.mark.parametrize("kind", ["basic", "digest", "qop"])
@pytest.mark.parametrize("user, encoded", [
    ("admin:p%40ss", "p%40ss"), ("admin:p@ss", "p%40ss"), ("admin:p:ss", "p%3Ass"), ("admin:p%2Fs%3Fs%23", "p%2Fs%3Fs%23"),
    ("admin:100%", "100%25"), ("admin:a b", "a%20b"), ("admin:密码", "%E5%AF%86%E7%A0%81"), ("admin:a\"\\b", "a%22%5Cb"),
])
def test_odd_passwords(rtspd, kind, user, encoded):
    assert_online(look(rtspd.url(f"/{kind}/pass={encoded}/1", user=user)))


def test_a_wrong_password_is_said(rtspd):
    for kind in ("basic", "digest", "qop"):
        result = look(rtspd.url(f"/{kind}/1", user=f"admin:{SECRET}"), check=1)
        assert said(result) == ("offline", "connected", "unauthorised") and SECRET not in json.dumps(result)


def test_passwords_are_shown_nowhere(rtspd):
    """Not on either output, for people or programs, and not in the list of processes."""
    urls = [rtspd.url(path, user=f"admin:{SECRET}") for path in ("/good/1", "/404", "/silent", "/digest/1")]
    urls += [f"rtsp://admin:{SECRET}/x@10.0.0.1/x", rtspd.url(f"/404?token={SECRET}")]
    for args in (["--json"], []):
        process = subprocess.Popen([str(HUB), "probe", "--deadline", "3s", *args, *urls], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        command = f"/proc/{process.pid}/cmdline"
        wait_until(lambda c=command: b"**********" in open(c, "rb").read(), why="the URLs to be blotted out")
        assert SECRET.encode() not in open(command, "rb").read()
        out, err = process.communicate(timeout=60 * PATIENCE)
        assert process.returncode == 1 and out
        assert SECRET.encode() not in out + err


# ---- what is measured ----


def test_picture_and_snapshot(rtspd, folder):
    file = folder / "x.jpg"
    result = look(rtspd.url("/good/1"), "--snapshot", str(file), depth="picture")
    assert_online(result)
    assert result["picture"]["mean"] > 40 and result["picture"]["sharpness"] > 20
    assert file.stat().st_size <= 65536
    shown = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0",
                            str(file)], capture_output=True, text=True, check=True).stdout.strip()
    assert shown == "mjpeg,320,260"
    black = look(rtspd.url("/good/clip=black/1"), depth="picture")
    assert black["picture"]["mean"] < 24 and black["picture"]["sd"] < 4 and black["stream"]["i_per_mb"] < 0.8
    assert seen(look(rtspd.url("/good/clip=hevc/1"), depth="picture")) == HEVC


def test_watch_measures_rates(rtspd):
    result = look(rtspd.url("/good/1"), "--watch", "6s", depth="watch")
    stream = result["stream"]
    assert said(result) == ("online", "keyframe", "none")
    assert 20 < stream["fps"] < 30 and stream["gop"] == 50 and 200 < stream["bitrate_kbps"] < 1000
    assert stream["keyframes"] >= 2 and stream["ts_jump_s"] < 0.5 and stream["p_p05_per_mb"] <= stream["p_p50_per_mb"]


def test_a_loop_repeats_its_keyframes(rtspd):
    def hashes(path):
        return {look(rtspd.url(path))["stream"]["keyframe_hash"] for _ in range(8)}

    assert len(hashes("/good/same=1/1")) <= 3  # the clip has three
    assert len(hashes("/good/1")) > 4  # two looks may fall upon one


def test_time_stamps_that_jump(rtspd):
    result = look(rtspd.url("/good/after=1/jump=3600/1"), "--watch", "5s", depth="watch")
    assert result["state"] == "online" and 3599 < result["stream"]["ts_jump_s"] < 3601


def test_a_codec_that_changes_midway(rtspd):
    result = look(rtspd.url("/good/after=2/then=small/1"), "--watch", "7s", depth="watch")
    assert result["state"] == "online" and seen(result) == ("h264", 352, 288)
    assert "704×576" in result["detail"] and "352×288" in result["detail"]
    other = look(rtspd.url("/good/after=2/then=hevc/1"), "--watch", "7s", depth="watch")
    assert other["state"] == "online", other


def test_a_playlist_that_stands_still(web_video):
    assert said(look(web_video.url("/still.m3u8"), "--watch", "8s", depth="watch", check=1)) == (
        "offline", "keyframe", "no_packets")
    good = look(web_video.url("/live/x.m3u8"), "--watch", "6s", depth="watch", check=0)
    assert good["stream"]["keyframes"] >= 3


# ---- several ----


def test_a_camera_that_allows_one_session(rtspd):
    """Who looks says goodbye, so that the next may look; while one watches, it is busy, not offline."""
    url = rtspd.url("/good/single=1/1")
    for _ in range(3):
        wait_until(lambda: look(url)["state"] == "online", why="the session to be free")
    held = threading.Event()

    def watch():  # again, if one of the looks below was there first
        while not held.is_set() and said(look(url, "--watch", "20s", depth="watch"))[2] == "busy":
            pass

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        wait_until(lambda: said(look(url))[::2] == ("unknown", "busy"), why="the other to hold the session")
    finally:
        held.set()
        watching.join()


def test_a_list_from_a_file_or_standard_input(rtspd, folder):
    urls = [rtspd.url(f"/good/{i}") for i in range(20)] + [rtspd.url("/404")]
    text = "# cameras\n\n" + "\n".join(urls) + "\n"
    (folder / "urls").write_text(text)
    for args, given in ((["--urls", folder / "urls"], ""), (["--urls", "-"], text)):
        done = subprocess.run([str(HUB), "probe", "--json", "--at-once", "4", *map(str, args)], input=given, text=True,
                              capture_output=True, timeout=60 * PATIENCE, check=False)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1 and sorted(r["id"] for r in results) == list(range(1, 22))
        assert "20 of 21 online" in done.stderr
        assert [r["url"] for r in results if r["state"] != "online"] == [rtspd.url("/404")]


def test_10000_identical_urls(rtspd):
    done = subprocess.run([str(HUB), "probe", "--json", "--depth", "reach", "--at-once", "32", "--urls", "-"],
                          input=f"{rtspd.url('/good/1')}\n" * 10000, text=True, capture_output=True, timeout=120 * PATIENCE,
                          check=False)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 10000


@pytest.mark.parametrize("args, complaint", [
    ([], "a URL is needed"), (["--depth", "deep", "x"], "--depth"), (["--deadline", "1", "x"], "--deadline"),
    (["--at-once", "0", "x"], "--at-once"), (["--allow", "x", "x"], "--allow"), (["--snapshot", "f", "a", "b"], "--snapshot"),
    (["--nope"], "see gridhub probe --help"), (["--worker"], "for the hub itself"),
])
def test_usage(args, complaint):
    done = subprocess.run([str(HUB), "probe", *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                          cwd="/tmp", timeout=30 * PATIENCE)
    assert done.returncode == 2 and complaint in done.stderr, done.stderr


def test_help_and_report(rtspd):
    helped = subprocess.run([str(HUB), "probe", "--help"], capture_output=True, text=True, check=True)
    assert helped.stdout.startswith("usage: gridhub probe")
    done = subprocess.run([str(HUB), "probe", rtspd.url("/good/1"), rtspd.url("/404")], capture_output=True, text=True, check=False,
                          timeout=30 * PATIENCE)
    assert done.returncode == 1
    assert "/good/1  online\n" in done.stdout and "/404  offline: no such stream" in done.stdout
    assert "h264 704×576" in done.stdout and "1 of 2 online" in done.stderr


def test_no_proxy_of_the_environment_is_asked(nginx_video):
    """A proxy would hear what is meant for the camera."""
    nginx_video.publish("x")
    wait_until(lambda: look(nginx_video.hls("x"))["state"] == "online", timeout=60)
    done = subprocess.run([str(HUB), "probe", "--json", nginx_video.rtmp("x"), nginx_video.hls("x")], text=True,
                          capture_output=True, check=False, timeout=60 * PATIENCE,
                          env={**os.environ, "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stdout
