"""Hostile video servers: each gets the cause that ops need, by the deadline, and nothing else from us.

The deadline: what the result says it took is at most 100 ms beyond it. A busy machine may be late by chance, a defect is
late each time: what was late is looked at again, alone, and must be in time once in five.
"""

import ctypes
import json
import os
import socket
import struct
import subprocess

import pytest
import servers
import web
from conftest import HUB, PATIENCE

DEADLINE = 2.0
OVER_MAX = 0.1
ATTEMPTS = 5
SANITIZED = "asan" in os.environ.get("GRIDHUB_BIN", "")  # its memory and pace are others


class Opened:
    """Was a file opened by anybody? (inotify)"""

    def __init__(self, path):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.libc.inotify_add_watch(self.fd, os.fsencode(path), 0x21) >= 0  # IN_OPEN, IN_ACCESS

    def __bool__(self):
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False

    def close(self):
        os.close(self.fd)


# ---- what each must be called ----

GONE = {"bad_data", "refused"}  # hung up on us
LONG = {"too_big", "bad_data"}  # nonsense without end: whichever is noticed first

# do= at each of the three requests (what a server says to OPTIONS is its own affair: it is not asked)
ANSWERS = {
    "silent": {"timeout"},
    "reset": GONE, "close": GONE, "half": GONE,
    "garbage": LONG, "headers": {"too_big"}, "body": {"too_big"}, "continue": LONG,
    "drip": {"timeout"}, "dripbody": {"timeout", "too_big"}, "hugelength": LONG,
    "redirect": {"redirected"}, "asks": LONG, "tell": {"redirected"},
    "400": {"bad_data"}, "401": {"unauthorised"}, "403": {"unauthorised"}, "404": {"not_found"}, "453": {"busy"},
    "500": {"bad_data"}, "503": {"busy"},
}
SDP = {"hugesdp": {"too_big"}, "manymedia": LONG, "audioonly": {"bad_data"}, "nosdp": {"bad_data"}}
SETUP = {"udp": {"bad_data"}, "longname": LONG, "461": {"bad_data"}}
PLAYING = {"nopackets": {"no_packets"}, "nokey": {"no_keyframe"}, "stall": {"no_packets", "no_keyframe"}, "driprtp": {"no_packets"},
           "junk": LONG | {"no_packets", "no_keyframe"}, "454": {"bad_data"}}
AT_ONCE = {"silent": {"timeout"}, "reset": GONE, "close": GONE, "half": GONE, "garbage": LONG, "headers": LONG | {"timeout"},
           "drip": {"timeout"}, "continue": LONG}
FLOODS = ("garbage", "headers", "body", "continue", "asks", "junk", "hugesdp", "manymedia")


def rtsp_cases(server):
    """{url: causes}"""
    cases = {}
    for step in ("describe", "setup", "play"):
        for do, causes in ANSWERS.items():
            # Nobody reads the body of an answer to SETUP or PLAY: it stands where the next answer, or RTP, should be.
            body = step != "describe" and do in ("body", "dripbody", "hugelength")
            cases[server.url(f"/x/at={step}/do={do}/to=self")] = LONG | {"timeout", "no_packets"} if body else causes
    for do, causes in SDP.items():
        cases[server.url(f"/x/at=describe/do={do}")] = causes
    for do, causes in SETUP.items():
        cases[server.url(f"/x/at=setup/do={do}")] = causes
    for do, causes in PLAYING.items():
        cases[server.url(f"/x/at=play/do={do}")] = causes
    for name, causes in AT_ONCE.items():
        cases[server.url(f"/good/at-once-{name}", port=server.ports[name])] = causes
    cases[server.url("/digest/1", user="admin:wrong")] = {"unauthorised"}
    cases[server.url("/basic/1", user="admin:wrong")] = {"unauthorised"}
    cases[server.url("/digest/1")] = {"unauthorised"}
    cases[server.url("/nix/1")] = {"not_found"}
    return cases


FLV = {
    "silent": {"timeout"}, "slow": {"timeout"}, "slowbody": {"timeout", "no_packets"}, "nopackets": {"no_packets"},
    "nokey": {"no_keyframe"}, "audio": {"no_keyframe", "no_packets", "too_big", "bad_data"}, "empty": GONE | {"no_packets"},
    "reset": GONE, "garbage": LONG, "flvgarbage": LONG | {"no_packets", "no_keyframe"}, "hugetag": LONG | {"no_keyframe", "no_packets"},
    "sdp": {"bad_data"}, "mp4": {"bad_data"}, "concat": {"bad_data"}, "playlist": {"bad_data"}, "gzip": LONG,
    "redirect": {"redirected"}, "redirect-self": {"redirected"}, "redirect-file": {"redirected"},
    "chunked": LONG, "hugechunk": LONG | {"no_packets", "timeout"}, "chunkline": LONG, "headers": {"too_big"},
    "header": {"too_big"}, "continue": LONG, "hugelength": LONG | {"no_packets", "timeout"}, "none": {"not_found"},
}
STATUS = {"400": {"bad_data"}, "401": {"unauthorised"}, "403": {"unauthorised"}, "404": {"not_found"}, "410": {"not_found", "bad_data"},
          "500": {"bad_data"}, "503": {"busy"}}
UNREADABLE = {"bad_data", "unknown"}  # nobody knows what is in it
NO_PICTURE = {"no_packets", "no_keyframe", "bad_data"}
HLS = {
    "old": {"no_packets"}, "ended": {"no_packets"}, "loop": LONG | {"no_packets"}, "empty": NO_PICTURE, "gone": NO_PICTURE | {"not_found"},
    "file": NO_PICTURE | {"redirected"}, "key": UNREADABLE, "map": UNREADABLE,
    "other": NO_PICTURE | {"redirected"}, "endless": {"too_big"}, "many": LONG | {"not_found"}, "line": LONG,
    "redirect": {"redirected"}, "silent": {"timeout"},
}


def web_cases(server, user="admin:secret"):
    cases = {server.url(f"/{name}.flv", user): causes for name, causes in FLV.items()}
    cases.update({server.url(f"/{code}.flv", user): causes for code, causes in STATUS.items()})
    cases.update({server.url(f"/{name}.m3u8", user): causes for name, causes in HLS.items()})
    return cases


RTMP = {"silent": {"timeout"}, "garbage": LONG | {"timeout"}, "drip": {"timeout"}, "close": GONE, "half": {"timeout"}}

# ---- looking ----


def over_s(result):
    return result["at_us"]["total"] / 1e6 - DEADLINE


def look(looks, cases, floods=()):
    """Look at all: what floods, a few at once. Returns the results."""
    flooding = [url for url in cases if any(f"do={f}" in url or f"/{f}." in url for f in floods)]
    found = looks.at([url for url in cases if url not in flooding], deadline=DEADLINE)
    for i in range(0, len(flooding), 2):
        found.update(looks.at(flooding[i:i + 2], deadline=DEADLINE))
    for url, result in found.items():
        for _ in range(ATTEMPTS - 1):
            if over_s(result) <= OVER_MAX:
                break
            again = looks.at([url], deadline=DEADLINE)[url]
            if over_s(again) < over_s(result):
                result["at_us"]["total"] = again["at_us"]["total"]
    return found


def short(url):
    return "/" + url.split("://", 1)[1].partition("/")[2]


def judge(cases, found):
    """All of them, so that one run shows all that is wrong."""
    wrong = []
    for url, causes in cases.items():
        r = found[url]
        # Who is busy, or not to be found because of our own name server, is not offline.
        state = "unknown" if r["cause"] in ("busy", "unresolved") or "unknown" in causes else "offline"
        if r["state"] != state or r["cause"] not in causes:
            wrong.append(f"{url}: {r['state']} {r['step']} {r['cause']} ({r.get('detail', '')}), not {' or '.join(sorted(causes))}")
        if over_s(r) > OVER_MAX:
            wrong.append(f"{url}: {over_s(r) * 1000:.0f} ms beyond the deadline")
        if r["outside_s"] > (DEADLINE + 5) * PATIENCE:
            wrong.append(f"{url}: {r['outside_s']:.1f} s for its asker")
        if any(word in repr(r) for word in ("secret", "else@", "YWRtaW46c2VjcmV0")):
            wrong.append(f"{url}: a password in {r}")
    for url in sorted(cases, key=lambda u: -over_s(found[u])):
        r = found[url]
        print(f"{short(url):44} {r['step']:11} {r['cause']:13} {r['at_us']['total'] / 1000:7.0f} ms  {r.get('detail', '')}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.fixture
def bait(folder):
    """A file that nobody should open."""
    path = folder / "bait.m3u8"
    path.write_text("#EXTM3U\n")
    watch = Opened(path)
    yield path
    opened = bool(watch)
    watch.close()
    assert not opened, f"{path} was opened"


@pytest.fixture
def elsewhere():
    """Another host, where nobody should come."""
    recorder = web.Recorder()
    yield recorder
    recorder.stop()


def test_hostile_rtsp(rtspd, make_looks):
    cases = rtsp_cases(rtspd)
    looks = make_looks()
    judge(cases, look(looks, cases, FLOODS))
    assert not looks.udp


def test_hostile_rtsp_over_tls(make_rtspd, make_looks, certificate):
    server = make_rtspd(clips=servers.camera_clips(("good",)), options={"join": "key"}, tls=certificate)
    looks = make_looks(ca_file=certificate[0])
    good = server.url("/good/1", scheme="rtsps")
    assert looks.at([good])[good]["state"] == "online"
    cases = {server.url(f"/x/at=describe/do={do}/to=self", scheme="rtsps"): ANSWERS[do]
             for do in ("silent", "reset", "close", "garbage", "headers", "redirect", "404", "drip")}
    cases[server.url("/x/at=play/do=nopackets", scheme="rtsps")] = {"no_packets"}
    for name in ("silent", "reset", "close", "half", "garbage", "drip"):  # that do not even speak TLS
        cases[server.url(f"/good/no-tls-{name}", scheme="rtsps", port=server.ports[name])] = GONE | {"timeout"}
    judge(cases, look(looks, cases, FLOODS))
    # A certificate of nobody we know, and one of another name.
    strict = make_looks()
    assert strict.at([good])[good]["state"] == "offline"
    other = server.url("/good/1", scheme="rtsps", host="127.0.0.1").replace("127.0.0.1", "localhost.localdomain")
    assert looks.at([other])[other]["state"] == "offline"


def test_hostile_flv_and_hls(folder, make_looks, bait, elsewhere):
    good = servers.make_clip(**servers.CAMERAS["good"])
    server = web.WebVideo(servers.remux(good, "flv"), servers.segments(good), to=f"http://127.0.0.1:{elsewhere.port}/", file=bait)
    try:
        cases = web_cases(server)
        looks = make_looks(threads=16)
        judge(cases, look(looks, cases, ("garbage", "headers", "header", "chunked", "chunkline", "continue", "audio", "hugetag",
                                         "flvgarbage", "endless", "line", "gzip")))
        assert not looks.udp, looks.udp
        assert not any(b"YWRtaW46c2VjcmV0" in data or b"secret" in data for data in elsewhere.seen), elsewhere.seen
    finally:
        server.stop()


def test_hostile_rtmp(make_looks):
    made = {how: web.RtmpBad(how) for how in RTMP}
    try:
        cases = {made[how].url(user="admin:secret"): causes for how, causes in RTMP.items()}
        judge(cases, look(make_looks(), cases, ()))
    finally:
        for server in made.values():
            server.stop()


def test_a_redirect_gets_no_password_and_no_visit(rtspd, make_looks, elsewhere, bait):
    looks = make_looks()
    targets = [f"rtsp://127.0.0.1:{elsewhere.port}/x", f"http://127.0.0.1:{elsewhere.port}/x.flv", f"file://{bait}",
               f"rtsp://someone:else@127.0.0.1:{elsewhere.port}/x", str(bait), "//127.0.0.1/x", ""]
    cases = {}
    for step in ("describe", "setup", "play"):
        for to in targets:
            path = f"/digest/at={step}/do=redirect/to=" + to.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
            cases[rtspd.url(path, user="admin:secret")] = {"redirected"}
    judge(cases, look(looks, cases))
    assert elsewhere.seen == []


def test_a_description_that_leads_elsewhere(rtspd, make_looks, elsewhere):
    """Its control URL names another host: that one is not visited, whatever comes of it."""
    looks = make_looks()
    for to in (f"rtsp://127.0.0.1:{elsewhere.port}/x", f"rtsp://admin:secret@127.0.0.1:{elsewhere.port}/404", f"http://127.0.0.1:{elsewhere.port}/x"):
        path = "/digest/at=describe/do=elsewhere/to=" + to.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        url = rtspd.url(path, user="admin:secret")
        result = looks.at([url], deadline=DEADLINE)[url]
        assert "secret" not in repr(result), result
    assert elsewhere.seen == []


def test_cameras_that_are_odd_and_good(rtspd, make_looks):
    urls = [rtspd.url(path) for path in (
        "/good/asks=1", "/good/channel=6", "/nosprop/1", "/audio/1", "/good/join=now/clip=hevc", "/good/late=100", "/lowfps/1",
        "/good/join=wait/1", "/jump/1", "/recode/then=hevc", "/good/1/?a=b&c=d", "/good/a;b=c/%E4%B8%AD", "/loop/1")]
    found = make_looks().at(urls, deadline=10 * PATIENCE)
    assert {u: r for u, r in found.items() if r["state"] != "online"} == {}


def test_what_is_no_url_of_a_stream_is_not_looked_at(rtspd, make_looks, bait, elsewhere):
    looks = make_looks()
    host = f"127.0.0.1:{elsewhere.port}"
    urls = [f"file:{bait}", f"file://{bait}", str(bait), f"concat:{bait}", f"subfile,,start,0,end,0,,:{bait}",
            f"hls+http://{host}/x", f"hls+file://{bait}", f"crypto:{bait}", f"async:{bait}", f"cache:{bait}", f"tcp://{host}",
            f"udp://{host}", f"rtp://{host}", f"srtp://{host}", f"tls://{host}", f"ftp://{host}/x", f"gopher://{host}/x",
            f"unix:{bait}", "pipe:0", "data:,x", f"tee:{bait}", f"md5:{bait}", f"rtspu://{host}/x", f"rtsp+http://{host}/x",
            "rtsp://", "rtsp:///x", "rtsp://:554/x", "rtsp://[::1", "rtsp://127.0.0.1:99999/x", "rtsp://127.0.0.1:0x22/x",
            f"rtsp://{host}/a\r\nX: y", "x", "://",
            f"rtsp://a:b@c@{host}/x\x7f", f"rtsp://{host}/" + "a" * 10240]
    for url in urls:  # one the worker cannot even be asked for ends it: the pool refuses those before
        if len(url) >= 2048:
            continue
        result = looks.at([url], deadline=DEADLINE)[url]
        assert result["state"] != "online" and result["step"] == "none", (url, result)
    assert elsewhere.seen == []
    good = rtspd.url("/good/1")
    assert looks.at([good])[good]["state"] == "online"


def test_credentials_with_odd_characters(rtspd, make_looks):
    looks = make_looks()
    odd = ["p%40ss", "p%3A%2F%40", "%25", "a%20b", "%E4%B8%AD%E6%96%87", "%22quote%22", "back%5Cslash", "a+b", "%23", "%3F", "!$&'()*,;="]
    urls = [rtspd.url(f"/{how}/pass={p}/{i}", user=f"admin:{p}") for i, p in enumerate(odd) for how in ("basic", "digest", "qop")]
    found = looks.at(urls, deadline=10 * PATIENCE)
    assert {u: r["cause"] for u, r in found.items() if r["state"] != "online"} == {}


def test_addresses_that_are_not_on_the_list(rtspd, make_looks):
    """A private or loopback address that ops did not list is not even connected to."""
    before = rtspd.stats()["connections"]
    looks = make_looks(any_address=False)
    urls = [rtspd.url("/good/1"), rtspd.url("/good/1", host="localhost"), rtspd.url("/good/1", host="[::1]"),
            rtspd.url("/good/1", host="127.1"), rtspd.url("/good/1", host="2130706433"), rtspd.url("/good/1", host="0x7f000001"),
            rtspd.url("/good/1", host="0.0.0.0"), rtspd.url("/good/1", host="[::ffff:127.0.0.1]")]
    for url, result in looks.at(urls).items():
        assert result["state"] != "online" and result["step"] in ("none", "resolved"), (url, result)
    assert rtspd.stats()["connections"] == before


def test_a_camera_with_one_session_is_busy_and_not_gone(rtspd, make_looks):
    looks = make_looks()
    url = rtspd.url("/single/1")
    assert looks.at([url])[url]["state"] == "online"
    with socket.create_connection(("127.0.0.1", rtspd.port), 10) as s:
        s.settimeout(20 * PATIENCE)
        s.sendall(f"SETUP {url} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n".encode())
        assert s.recv(4096).startswith(b"RTSP/1.0 200")
        assert looks.at([url])[url]["cause"] == "busy"
    # Our own look leaves none behind: it says goodbye.
    for _ in range(5):
        result = looks.at([url], deadline=10 * PATIENCE)[url]
        assert result["state"] == "online", result
    assert [r[1] for r in rtspd.requests() if r[2] == "/single/1"].count("TEARDOWN") >= 5


def test_hostile_servers_leave_no_memory_behind(rtspd, make_looks):
    cases = [url for url in rtsp_cases(rtspd) if "silent" not in url and "drip" not in url]
    looks = make_looks(threads=8)
    for _ in range(2):
        looks.at(cases, deadline=1.0)
    after_two = looks.rss_kb[0]
    for _ in range(4):
        looks.at(cases, deadline=1.0)
    now, most = looks.rss_kb
    print(f"after 2 rounds {after_two} KB, after 6 {now} KB, at most {most} KB")
    if not SANITIZED:
        assert now - after_two < 16 * 1024, (after_two, now)
        assert most < 256 * 1024


@pytest.mark.parametrize("depth", ["keyframe", "picture", "watch"])
def test_garbled_streams(make_rtspd, make_looks, depth):
    """Bytes are wrong in headers, parameter sets, pictures: each look ends in time and in an answer, and no worker dies."""
    server = make_rtspd(clips=servers.camera_clips(("good", "hevc", "small")), options={"join": "key"})
    good = servers.make_clip(**servers.CAMERAS["good"])
    other = web.WebVideo(servers.remux(good, "flv"), servers.segments(good))
    try:
        urls = [server.url(f"/good/clip={clip}/flip={flip}/{i}") for clip in ("good", "hevc", "small")
                for flip in (20, 200, 1000) for i in range(8)]
        urls += [other.url(f"/mutant.{kind}?{i}") for kind in ("flv", "m3u8") for i in range(20)]
        looks = make_looks(threads=16, memory_mb=0)
        found = looks.at(urls, depth=depth, deadline=DEADLINE, watch=1.0)
        causes = {}
        for result in found.values():
            key = (result["state"], result["cause"])
            causes[key] = causes.get(key, 0) + 1
        print(depth, causes, looks.rss_kb)
        assert len(found) == len(urls) and not any("prober" in key for key in causes), causes
        assert not looks.udp
        sound = server.url("/good/1")
        assert looks.at([sound], deadline=10 * PATIENCE)[sound]["state"] == "online"
    finally:
        other.stop()


def test_hostile_servers_at_a_desk(rtspd):
    """`gridhub probe --json` says what the worker says, of all of them in one run, and exits with 1."""
    cases = {url: causes for url, causes in rtsp_cases(rtspd).items() if "@" not in url}
    done = subprocess.run([HUB, "probe", "--json", "--deadline", f"{int(DEADLINE)}s", "--urls", "-"], input="\n".join(cases),
                          capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    found = {}
    for line in done.stdout.splitlines():
        result = json.loads(line)
        found[result["url"]] = result
    assert done.returncode == 1 and f"0 of {len(cases)} online" in done.stderr, done.stderr
    assert found.keys() == cases.keys()
    assert {u: r["cause"] for u, r in found.items() if r["cause"] not in cases[u]} == {}


class SilentNames:
    """Two name servers that never answer, and a resolv.conf that names them, in a mount namespace of its own."""

    HOSTS = ("127.86.0.1", "127.86.0.2")

    def __init__(self, folder):
        self.sockets = []
        for host in self.HOSTS:
            self.sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self.sockets[-1].bind((host, 53))
        self.conf = folder / "resolv.conf"
        self.conf.write_text("".join(f"nameserver {host}\n" for host in self.HOSTS))
        self.wrap = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(self.conf)]

    def works(self):
        done = subprocess.run([*self.wrap, "cat", "/etc/resolv.conf"], capture_output=True, text=True, check=False)
        return done.returncode == 0 and self.HOSTS[0] in done.stdout

    def close(self):
        for s in self.sockets:
            s.close()


@pytest.fixture
def silent_names(folder):
    try:
        names = SilentNames(folder)
    except OSError as e:
        pytest.skip(f"no name server of our own: {e}")
    try:
        if not names.works():
            pytest.skip("no mount namespace of our own")
        yield names
    finally:
        names.close()


def test_name_servers_that_never_answer(make_looks, silent_names, rtspd):
    """getaddrinfo would take 35 s; the deadline holds, also for more names than there are resolvers."""
    looks = make_looks(wrap=silent_names.wrap)
    names = [f"rtsp://camera-{i}.test.example/x" for i in range(60)]
    cases = {url: {"unresolved", "timeout"} for url in names}
    judge(cases, look(looks, cases))
    # While resolvers still hang, who has an address is looked at.
    good = rtspd.url("/good/1")
    assert looks.at([good])[good]["state"] == "online"


def test_names_that_are_unknown(make_looks):
    looks = make_looks()
    url = "rtsp://no-such-camera.invalid/x"
    assert looks.at([url], deadline=20.0)[url]["cause"] in ("unresolved", "timeout")


def test_nothing_listens(make_looks):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # and does not listen
        looks = make_looks()
        for scheme, tail in (("rtsp", "/x"), ("http", "/x.flv"), ("http", "/x.m3u8"), ("rtmp", "/live/x")):
            url = f"{scheme}://127.0.0.1:{s.getsockname()[1]}{tail}"
            result = looks.at([url])[url]
            assert (result["cause"], result["step"]) == ("refused", "resolved"), result


def test_a_server_whose_queue_is_full(make_looks):
    """It listens, and takes nobody: SYN goes unanswered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as s:
        held = []
        for _ in range(8):
            c = socket.socket()
            c.setblocking(False)
            try:
                c.connect(s.getsockname())
            except BlockingIOError:
                pass
            held.append(c)
        url = f"rtsp://127.0.0.1:{s.getsockname()[1]}/x"
        cases = {url: {"timeout"}}
        judge(cases, look(make_looks(), cases))
        for c in held:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
