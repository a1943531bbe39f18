"""Video servers for tests and benches: each private, on free ports, and ended with its test.

Clips are made by ffmpeg once a machine, below build/clips. All speak to 127.0.0.1 alone.
"""

import fcntl
import functools
import hashlib
import json
import os
import secrets
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "build" / "clips"

# ---- clips ----

# A scene with as much detail as a street has (15 to 45 bytes of a keyframe per macroblock), and that moves.
STREET = "mandelbrot=s={size}:r={fps}:start_scale=0.5:end_scale=0.05,noise=alls=12:allf=t,format=yuv420p"
CODECS = {
    "h264": ["-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-x264-params", "scenecut=0:sliced-threads=0:slices=4"],
    "hevc": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
             "scenecut=0:bframes=0:repeat-headers=1:log-level=error:pools=1:frame-threads=1"],
}


def make_clip(scene, codec="h264", size="704x576", fps=25, gop=50, seconds=6, kbps=600, extra=()):
    """The file of a clip (Annex B) of a scene of ffmpeg's lavfi; {size} and {fps} are filled in. Made once."""
    scene = scene.format(size=size, fps=fps)
    rate = ["-b:v", f"{kbps}k", "-maxrate", f"{2 * kbps}k", "-bufsize", f"{2 * kbps}k"] if kbps else []
    argv = ["-f", "lavfi", "-i", scene, "-t", str(seconds), "-r", str(fps), "-an", *CODECS[codec], "-g", str(gop),
            "-keyint_min", str(gop), *rate, *map(str, extra), "-threads", "1", "-f", codec]
    path = CLIPS / f"{hashlib.sha256(repr(argv).encode()).hexdigest()[:20]}.{codec}"
    if not path.exists():
        CLIPS.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{secrets.token_hex(6)}.part")  # two tests may make it at once
        subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *argv, str(part)],
                       check=True, stdin=subprocess.DEVNULL, timeout=300)
        part.rename(path)
    return path


# name → what make_clip is asked. "good" is what most mounts show.
CAMERAS = {
    "good": {"scene": STREET},
    "main": {"scene": STREET, "size": "1920x1080", "kbps": 4000, "seconds": 4},
    "hevc": {"scene": STREET, "codec": "hevc"},
    "small": {"scene": STREET, "size": "352x288", "kbps": 200},
    "black": {"scene": "color=black:s={size}:r={fps}"},
    "bars": {"scene": "smptebars=s={size}:r={fps}"},
    "still": {"scene": "mandelbrot=s={size}:r={fps},trim=end_frame=1,loop=-1:1,noise=alls=4:allf=t,format=yuv420p"},
}


def camera_clips(names=("good", "hevc", "small", "black")):
    return {name: make_clip(**CAMERAS[name]) for name in names}


# ---- processes ----


class Child:
    """A process that dies with this one, its standard input held open by us."""

    def __init__(self, argv, log, **kw):
        self.log_path = Path(log)
        with open(log, "ab") as err:
            self.popen = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *map(str, argv)],
                                          stdin=subprocess.PIPE, stderr=err, cwd="/", **kw)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()


def build_of():
    """The build folder of the hub under test."""
    return Path(os.environ.get("GRIDHUB_BIN", ROOT / "build" / "release" / "gridhub")).resolve().parent


@functools.cache
def rtspd_program():
    """rtspd, built if need be: in the folder of the hub under test, or that of release."""
    folder = build_of() if (build_of() / "CMakeCache.txt").exists() else ROOT / "build" / "release"
    with open(folder / "rtspd.lock", "wb") as lock:  # tests run side by side
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["cmake", "--build", str(folder), "--target", "rtspd"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=600)
    return folder / "rtspd"


class Rtspd:
    """tests/video/rtspd.c: url("/good/1") is a camera; set("/good/1", "/silent") makes it another one.

    clips: {name: file or (file, fps)}; options: {"join": "key"} hold for every mount; hosts: as many addresses of
    127.0/16 serve (host(i)); tls: (certificate, key); port: of all of them, if it is not to be any.
    """

    def __init__(self, folder, clips=None, options=None, hosts=1, tls=None, log=None, program=None, port=None):
        folder = Path(folder)
        argv = [program or rtspd_program(), "--hosts", hosts]
        for name, clip in (clips or camera_clips(("good",))).items():
            path, fps = clip if isinstance(clip, tuple) else (clip, 25)
            argv += ["--clip", f"{name}={path}@{fps}"]
        for key, value in (options or {}).items():
            argv += ["--option", f"{key}={value}"]
        if port:
            argv += ["--port", port]
        if tls:
            argv += ["--tls", *tls]
        self.requests_path = Path(log) if log else folder / f"rtspd-{secrets.token_hex(4)}.requests"
        if log is not False:
            argv += ["--log", self.requests_path]
        self._lock = threading.Lock()
        self.child = Child(argv, folder / "rtspd.log", stdout=subprocess.PIPE, text=True, bufsize=1)
        first = self.child.popen.stdout.readline()
        if not first:
            self.child.stop()
            raise RuntimeError("rtspd: " + self.child.log_path.read_text())
        self.ports = json.loads(first)
        self.port = self.ports["port"]

    @property
    def pid(self):
        return self.child.popen.pid

    @staticmethod
    def host(i):
        """The i-th address, from 1."""
        return "127.0.0.1" if i == 1 else f"127.0.{i // 250}.{i % 250 + 1}"

    def url(self, path="/good/1", user=None, host="127.0.0.1", port=None, scheme="rtsp"):
        if port is None:
            port = self.ports["tls"] if scheme == "rtsps" else self.port
        return f"{scheme}://{user + '@' if user else ''}{host}:{port}{path}"

    def _ask(self, line):
        with self._lock:
            self.child.popen.stdin.write(line + "\n")
            self.child.popen.stdin.flush()
            answer = json.loads(self.child.popen.stdout.readline())
        assert answer.get("ok", True), line
        return answer

    def set(self, path, to):
        """The camera at this path is from now on what `to` is ("-": itself), also for those who watch it."""
        self._ask(f"set {path} {to}")

    def clip(self, name, path, fps=25):
        """The clip of this name is another file from now on."""
        self._ask(f"clip {name}={path}@{fps}")

    def stats(self):
        return self._ask("stats")

    def requests(self):
        """[connection, method, path, authorization] of each request."""
        return [line.split(" ", 3) for line in self.requests_path.read_text().splitlines()]

    def stop(self):
        self.child.stop()
        log = self.child.log_path.read_text(errors="replace")
        assert "Sanitizer" not in log and "runtime error:" not in log, log[-4000:]


# ---- second opinions ----


def remux(clip, kind, seconds=30, fps=25):
    """A clip, again and again, in another wrapping ("flv", "matroska"); made once."""
    path = Path(clip).with_suffix(f".{seconds}.{kind}")
    if not path.exists():
        once = path.with_name(f"{secrets.token_hex(6)}.mkv")
        part = path.with_name(f"{secrets.token_hex(6)}.part")
        quiet = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
        for argv in (["-framerate", str(fps), "-i", str(clip), "-c", "copy", str(once)],
                     ["-stream_loop", "-1", "-i", str(once), "-t", str(seconds), "-c", "copy", "-f", kind, str(part)]):
            subprocess.run([*quiet, *argv], check=True, stdin=subprocess.DEVNULL, timeout=120)
        once.unlink()
        part.rename(path)
    return path


def segments(clip):
    """Files of MPEG-TS of 2 s each."""
    folder = Path(clip).with_suffix(".ts")
    if not folder.exists():
        part = folder.with_name(secrets.token_hex(6))
        part.mkdir()
        subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-i", str(remux(clip, "matroska", 6)),
                        "-c", "copy", "-f", "segment", "-segment_time", "2", "-segment_format", "mpegts",
                        str(part / "%d.ts")], check=True, stdin=subprocess.DEVNULL, timeout=120)
        try:
            part.rename(folder)
        except OSError:  # another test was first
            shutil.rmtree(part)
    return sorted(folder.glob("*.ts"))


class GstRtsp:
    """gst-rtsp-server: url("/good"), "/hevc"; private("/good", "admin:secret")."""

    def __init__(self, folder):
        files = [remux(make_clip(**CAMERAS[name]), "matroska") for name in ("good", "hevc")]
        self.child = Child(["/usr/bin/python3", ROOT / "tests" / "video" / "gst_rtsp.py", *files],
                           Path(folder) / "gst.log", stdout=subprocess.PIPE, text=True)
        first = self.child.popen.stdout.readline().strip()
        if not first:
            self.child.stop()
            raise RuntimeError("gst-rtsp-server: " + self.child.log_path.read_text())
        self.port, self.private_port = map(int, first.split())

    def url(self, path):
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def private(self, path, user):
        return f"rtsp://{user}@127.0.0.1:{self.private_port}{path}"

    def stop(self):
        self.child.stop()


NGINX = """\
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off;
{user}
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ worker_connections 512; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{rtmp};
        chunk_size 4096;
        application live {{
            live on;
            wait_key on;
            hls on; hls_path {dir}/hls; hls_fragment 1s; hls_playlist_length 6s;
        }}
        application closed {{ live on; deny play all; }}
    }}
}}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp; proxy_temp_path {dir}/tmp; fastcgi_temp_path {dir}/tmp;
    uwsgi_temp_path {dir}/tmp; scgi_temp_path {dir}/tmp;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {cert}; ssl_certificate_key {key};
        root {dir};
        location /hls {{ add_header Cache-Control no-cache; }}
    }}
}}
"""


class NginxVideo:
    """nginx with its RTMP module: publish("x") → rtmp("x"), hls("x"), hls("x", "https"). /closed lets nobody play."""

    def __init__(self, folder, free_port, cert, key):
        self.dir = Path(folder) / "nginx"
        (self.dir / "hls").mkdir(parents=True)
        self.ports = {name: free_port() for name in ("rtmp", "http", "https")}
        self.publishers = []
        (self.dir / "nginx.conf").write_text(NGINX.format(
            dir=self.dir, cert=cert, key=key, user="user root;" if os.geteuid() == 0 else "", **self.ports))
        self.child = Child(["/usr/sbin/nginx", "-e", self.dir / "error.log", "-p", self.dir, "-c",
                            self.dir / "nginx.conf"], self.dir / "nginx.log")

    @property
    def log(self):
        return self.child.log_path.read_text() + (self.dir / "error.log").read_text()

    def publish(self, name, clip=None, app="live"):
        file = remux(clip or make_clip(**CAMERAS["good"]), "flv", 60)
        child = Child(["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", file, "-c",
                       "copy", "-f", "flv", f"rtmp://127.0.0.1:{self.ports['rtmp']}/{app}/{name}"],
                      self.dir / "publish.log")
        self.publishers.append(child)
        return child

    def rtmp(self, name, app="live"):
        return f"rtmp://127.0.0.1:{self.ports['rtmp']}/{app}/{name}"

    def hls(self, name, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}/hls/{name}.m3u8"

    def stop(self):
        for child in [*self.publishers, self.child]:
            child.stop()
