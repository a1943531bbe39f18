"""The probe says the same of gst-rtsp-server, nginx and rtspd, where they show the same; at each depth, and at a desk."""

import json
import subprocess
import time

import pytest
import servers
from conftest import HUB, PATIENCE, wait_until

DEADLINE = 10 * PATIENCE  # nobody waits for it: it is what a busy machine may take


def verdict(result):
    stream = result.get("stream", {})
    return (result["state"], result["step"], result["cause"], stream.get("codec"), stream.get("width"), stream.get("height"))


GOOD = ("online", "keyframe", "none", "h264", 704, 576)
HEVC = ("online", "keyframe", "none", "hevc", 704, 576)
NO_LOGIN = ("offline", "connected", "unauthorised", None, None, None)
NOT_THERE = ("offline", "connected", "not_found", None, None, None)


@pytest.mark.parametrize("depth", ["keyframe", "picture"])
def test_the_same_verdict_as_of_gst_rtsp_server(rtspd, gst_rtsp, make_looks, depth):
    pairs = [
        (rtspd.url("/good/1"), gst_rtsp.url("/good"), GOOD),
        (rtspd.url("/good/clip=hevc"), gst_rtsp.url("/hevc"), HEVC),
        (rtspd.url("/basic/1", user="admin:secret"), gst_rtsp.private("/good", "admin:secret"), GOOD),
        (rtspd.url("/basic/1", user="admin:wrong"), gst_rtsp.private("/good", "admin:wrong"), NO_LOGIN),
        (rtspd.url("/basic/1"), gst_rtsp.private("/good", "").replace("@", ""), NO_LOGIN),
        (rtspd.url("/nix"), gst_rtsp.url("/nix"), NOT_THERE),
    ]
    looks = make_looks()
    found = looks.at([url for pair in pairs for url in pair[:2]], depth=depth, deadline=DEADLINE)
    assert [(verdict(found[a]), verdict(found[b])) for a, b, _ in pairs] == [(v, v) for _, _, v in pairs]
    if depth == "picture":  # the same file, but not the same frame of it
        ours, theirs = (found[url]["picture"] for url in pairs[0][:2])
        assert (ours["cols"], ours["rows"]) == (theirs["cols"], theirs["rows"])
        assert abs(ours["mean"] - theirs["mean"]) < 20 and min(ours["sd"], theirs["sd"]) > 20


def test_gst_rtsp_server_is_watched(gst_rtsp, make_looks):
    url = gst_rtsp.url("/good")
    result = make_looks().at([url], depth="watch", deadline=DEADLINE, watch=5)[url]
    assert verdict(result) == GOOD
    assert result["stream"]["gop"] == 50 and 15 < result["stream"]["fps"] < 35, result["stream"]


def test_tls_with_the_right_authority_alone(make_rtspd, make_looks, certificate):
    server = make_rtspd(clips=servers.camera_clips(("good",)), options={"join": "key"}, tls=certificate)
    url = server.url("/digest/1", scheme="rtsps", user="admin:secret")
    for looks, state in ((make_looks(ca_file=certificate[0]), "online"), (make_looks(tls_verify=False), "online"),
                         (make_looks(), "offline")):
        result = looks.at([url], deadline=DEADLINE)[url]
        assert result["state"] == state, result
    assert all(r[3] == "-" or "secret" not in r[3] for r in server.requests())


def test_flv_and_hls(web_video, make_looks):
    looks = make_looks()
    found = looks.at([web_video.url(path) for path in ("/live/x.flv", "/live/x.m3u8", "/master.m3u8", "/young.m3u8")]
                     + [web_video.url("/private.flv", user="admin:secret")], depth="picture", deadline=DEADLINE)
    assert {url: verdict(r) for url, r in found.items() if verdict(r) != GOOD} == {}
    assert all(r["picture"]["sd"] > 20 for r in found.values())


def test_a_playlist_that_stands_still(web_video, make_looks):
    """It has pictures, as it had when its publisher died: whoever watches sees that none follows."""
    looks = make_looks()
    found = looks.at([web_video.url("/still.m3u8"), web_video.url("/live/x.m3u8")], depth="watch", deadline=DEADLINE, watch=8)
    assert verdict(found[web_video.url("/live/x.m3u8")]) == GOOD
    still = found[web_video.url("/still.m3u8")]
    assert (still["state"], still["cause"]) == ("offline", "no_packets"), still


def test_the_piece_of_an_earlier_look(web_video, make_looks):
    """Seen again later than three targets and 5 s, it is nothing that plays; a new one is, also of the same number."""
    looks = make_looks()

    def again(path, depth, seconds):
        url = web_video.url(path)
        before = looks.at([url], deadline=DEADLINE)[url]
        assert verdict(before) == GOOD, before
        time.sleep(1.1)  # /live/x.m3u8 has a new one each second
        more = {"piece": before["piece"], "piece_age_us": int(seconds * 1e6)}
        return before, looks.at([url], depth=depth, deadline=DEADLINE, watch=1, more=more)[url]

    for depth in ("keyframe", "picture", "watch"):
        before, still = again("/still.m3u8", depth, 11.5)  # its target is 2 s
        assert verdict(still) == ("offline", "session", "no_packets", None, None, None), still
        assert still["piece"] == before["piece"] and "stands still" in still["detail"], still
    before, soon = again("/still.m3u8", "keyframe", 0.0)
    assert verdict(soon) == GOOD and soon["piece"] == before["piece"], soon
    for path in ("/live/x.m3u8", "/session.m3u8"):
        before, after = again(path, "keyframe", 3600.0)
        assert verdict(after) == GOOD and after["piece"] != before["piece"], after
    url = web_video.url("/ended.m3u8")
    ended = looks.at([url], deadline=DEADLINE)[url]
    assert (ended["state"], ended["cause"], "piece" in ended) == ("offline", "no_packets", False), ended
    assert "has ended" in ended["detail"], ended


def test_nginx(nginx_video, make_looks, certificate):
    publisher = nginx_video.publish("x")
    looks = make_looks(ca_file=certificate[0])
    urls = [nginx_video.rtmp("x"), nginx_video.hls("x"), nginx_video.hls("x", "https")]
    for url in urls:
        wait_until(lambda u=url: verdict(looks.at([u], depth="picture", deadline=DEADLINE)[u]) == GOOD, 60 * PATIENCE, 1,
                   f"{url} to be online")
    watched = looks.at(urls, depth="watch", deadline=DEADLINE, watch=5)
    assert {u: verdict(r) for u, r in watched.items() if verdict(r) != GOOD} == {}
    stream = watched[urls[0]]["stream"]
    assert 20 < stream["fps"] < 30 and stream["gop"] == 50, stream
    # Nobody publishes that, nobody may play that, and then nobody publishes.
    nobody, closed = nginx_video.rtmp("nobody"), nginx_video.rtmp("x", "closed")
    found = looks.at([nobody, closed], deadline=5.0)
    assert found[nobody]["cause"] == "no_packets" and found[nobody]["state"] == "offline", found[nobody]
    assert (found[closed]["state"], found[closed]["step"]) == ("offline", "session"), found[closed]  # it hangs up
    publisher.stop()
    found = looks.at(urls, depth="watch", deadline=5.0, watch=10)
    assert {r["state"] for r in found.values()} == {"offline"} and found[urls[0]]["cause"] == "no_packets", found
    assert {r["cause"] for r in found.values()} <= {"no_packets", "not_found"}, found  # nginx removes the playlist after a while
    # Also who does not watch sees it soon: the file of the playlist grows old, or is removed.
    for url in urls:
        wait_until(lambda u=url: looks.at([u], deadline=5.0)[u]["state"] == "offline", 60 * PATIENCE, 1, f"{url} to be offline")


WATCHED = {
    "/good/1": lambda s: 20 < s["fps"] < 30 and s["gop"] == 50 and 300 < s["bitrate_kbps"] < 1000,
    "/good/clip=hevc/1": lambda s: s["codec"] == "hevc" and s["gop"] == 50,
    "/lowfps/1": lambda s: 1.5 < s["fps"] < 2.5,
    "/jump/1": lambda s: 3500 < s["ts_jump_s"] < 3700,
    "/back/1": lambda s: s["ts_jump_s"] > 3500,
    "/recode/then=small/1": lambda s: (s["width"], s["height"]) == (352, 288),
}


def test_what_watching_sees(rtspd, make_looks):
    found = make_looks().at([rtspd.url(path) for path in WATCHED], depth="watch", deadline=DEADLINE, watch=7)
    wrong = {path: r for path, check in WATCHED.items()
             if (r := found[rtspd.url(path)])["state"] != "online" or not check(r["stream"])}
    assert wrong == {}


def test_a_large_picture_in_a_long_gop(make_rtspd, make_looks):
    """Megabytes until the next keyframe: read to the end, and not taken for an attack."""
    clip = servers.make_clip(servers.STREET, size="1920x1080", gop=75, seconds=3, kbps=8000)
    server = make_rtspd(clips={"good": clip}, options={"join": "now"})
    urls = [server.url(f"/good/{i}") for i in range(8)]
    found = make_looks().at(urls, deadline=DEADLINE)
    assert {u: r for u, r in found.items() if r["state"] != "online"} == {}
    assert any(r["stream"]["packets"] > 300 for r in found.values())


def test_many_large_pictures_at_once(make_rtspd, make_looks):
    """8 megapixels take 33 MB and a third of a second to decode: 64 of them take turns, and who gets none is online."""
    clip = servers.make_clip("testsrc2=s={size}:r={fps}", codec="hevc", size="3840x2160", fps=2, gop=2, seconds=1, kbps=4000)
    server = make_rtspd(clips={"good": (clip, 2)}, options={"join": "key"})
    looks = make_looks(threads=64)
    found = looks.at([server.url(f"/good/{i}") for i in range(64)], depth="picture", deadline=5.0)
    assert {u: r for u, r in found.items() if r["state"] != "online"} == {}
    assert any("picture" in r for r in found.values())
    print("worst", max(r["at_us"]["total"] for r in found.values()), "µs;", looks.rss_kb, "KB")
    if "asan" not in str(HUB):
        assert looks.rss_kb[1] < 512 * 1024


def test_looped_and_live_keyframes(rtspd, make_looks):
    """A recording repeats its keyframes bit by bit, a camera never does."""
    looks = make_looks()
    loop, live = set(), set()
    for _ in range(6):
        found = looks.at([rtspd.url("/loop/clip=small"), rtspd.url("/good/clip=small")], deadline=DEADLINE)
        loop.add(found[rtspd.url("/loop/clip=small")]["stream"]["keyframe_hash"])
        live.add(found[rtspd.url("/good/clip=small")]["stream"]["keyframe_hash"])
        time.sleep(0.15)  # rtspd's keyframes differ after a tenth of a second
    assert len(loop) <= 3 and len(live) == 6, (loop, live)


def test_at_a_desk(rtspd, folder):
    """`gridhub probe`: a line each, a snapshot that is a JPEG, and exit statuses."""
    good, gone = rtspd.url("/digest/1", user="admin:secret"), rtspd.url("/404")
    def run(*argv, **kw):
        return subprocess.run([str(HUB), "probe", "--deadline", f"{DEADLINE}s", *argv], capture_output=True, text=True,
                              timeout=60 * PATIENCE, check=False, **kw)
    done = run("--json", good, gone)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and sorted(line["state"] for line in lines) == ["offline", "online"], done
    assert "secret" not in done.stdout + done.stderr
    done = run("--json", "--urls", "-", input=f"# cameras\n{good}\n\n{gone}\n")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 2, done
    snapshot = folder / "x.jpg"
    done = run("--depth", "picture", "--snapshot", str(snapshot), good)
    assert done.returncode == 0 and "secret" not in done.stdout + done.stderr, done
    seen = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", snapshot],
                          capture_output=True, text=True, check=True).stdout.strip().split(",")
    assert seen[0] == "mjpeg" and int(seen[1]) <= 320, seen
    assert run("--depth", "deep", good).returncode == 2
    assert run().returncode == 2


def test_ten_thousand_times_the_same_url(rtspd, make_looks):
    """From 64 threads at once: every one answered, and no connection left."""
    looks = make_looks()
    url = rtspd.url("/good/clip=small/1")
    results = looks.repeat(url, 10000, deadline=DEADLINE)
    assert len(results) == 10000 and sum(r["state"] == "online" for r in results) == 10000, \
        [r for r in results if r["state"] != "online"][:3]
    wait_until(lambda: rtspd.stats()["open"] == 0)
    assert looks.rss_kb[1] < 512 * 1024
