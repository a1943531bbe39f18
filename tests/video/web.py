"""HTTP-FLV, HLS and RTMP servers, good and hostile: raw sockets and a thread a connection, so that every byte is ours.

HTTP-FLV is served by WebVideo, for Debian's nginx has no module that does (its RTMP and HLS: servers.NginxVideo).
"""

import email.utils
import gzip
import itertools
import os
import random
import secrets
import socket
import struct
import threading
import time
import urllib.parse

OK = "HTTP/1.1 200 OK\r\n"


class Listener:
    """A TCP server on a free port; what comes in goes to serve(connection, address) in a thread of its own."""

    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                                           backlog=256)
        self.port = self.socket.getsockname()[1]
        self.open = set()
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stopped:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.serve(connection)
        except (OSError, ValueError):
            pass  # the client left, or the test did
        finally:
            self.open.discard(connection)
            connection.close()

    def serve(self, connection):
        raise NotImplementedError

    def pause(self, seconds):
        """Until the server is stopped, or so long."""
        end = time.monotonic() + seconds
        while not self.stopped and time.monotonic() < end:
            time.sleep(0.05)
        if self.stopped:
            raise OSError("stopped")

    def stop(self):
        self.stopped = True
        for connection in [self.socket, *self.open]:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.socket.close()
        self.thread.join(5)


class Recorder(Listener):
    """Writes down what it is sent, and answers nothing: nobody should come."""

    def __init__(self, host="127.0.0.1"):
        self.seen = []
        super().__init__(host)

    def serve(self, connection):
        self.seen.append(b"")
        at = len(self.seen) - 1
        while data := connection.recv(65536):
            self.seen[at] += data


# ---- FLV ----


def flv_tags(path):
    """(type, milliseconds, body) of each tag of a file."""
    data = path.read_bytes()
    at = struct.unpack(">I", data[5:9])[0] + 4
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1:at + 4], "big")
        when = int.from_bytes(data[at + 4:at + 7], "big") | data[at + 7] << 24
        yield data[at], when, data[at + 11:at + 11 + size]
        at += 11 + size + 4


def flv_tag(kind, when, body):
    when &= 0xffffffff
    return (struct.pack(">B", kind) + len(body).to_bytes(3, "big") + (when & 0xffffff).to_bytes(3, "big")
            + bytes([when >> 24]) + b"\0\0\0" + body + struct.pack(">I", len(body) + 11))


FLV_HEADER = b"FLV\x01\x01\0\0\0\x09\0\0\0\0"
VIDEO = 9


def is_key(tag):
    return tag[0] == VIDEO and tag[2][0] >> 4 == 1 and tag[2][1] == 1


class Tags:
    """What an FLV server sends of a file: headers first, then pictures in a ring."""

    def __init__(self, path):
        tags = list(flv_tags(path))
        self.first = [t for t in tags if t[0] == 18 or (t[0] == VIDEO and t[2][1] == 0)]
        self.pictures = [t for t in tags if t[0] == VIDEO and t[2][1] == 1]
        step = self.pictures[1][1] - self.pictures[0][1]
        self.span = self.pictures[-1][1] - self.pictures[0][1] + step

    def headers(self):
        return FLV_HEADER + b"".join(flv_tag(kind, 0, body) for kind, _, body in self.first)

    def ring(self):
        """(milliseconds, tag, is it a keyframe) without end, from a keyframe on."""
        for turn in itertools.count():
            for tag in self.pictures:
                when = tag[1] - self.pictures[0][1] + turn * self.span
                yield when, flv_tag(VIDEO, when, tag[2]), is_key(tag)


# ---- the server ----


class WebVideo(Listener):
    """http://127.0.0.1:PORT/live/x.flv and /live/x.m3u8 are good; the other paths are what pages() lists.

    flv: a file of FLV; segments: files of MPEG-TS, of which the playlist shows three at a time. to: where redirects
    and foreign segments lead; file: what is not to be opened. requests: [(path, headers as text)]. held: the second since
    the start at which the publisher of /live/x.m3u8 died; None: it lives.
    """

    def __init__(self, flv, segments=(), to="http://127.0.0.1:9/", file="/etc/hostname", host="127.0.0.1"):
        self.tags = Tags(flv)
        self.segments = [path.read_bytes() for path in segments]
        self.to = to
        self.file = str(file)
        self.began = time.monotonic()
        self.held = None
        self.asked = itertools.count()
        self.requests = []
        self.random = random.Random(17)
        super().__init__(host)

    def url(self, path, user=None):
        return f"http://{user + '@' if user else ''}{self.host}:{self.port}{path}"

    def serve(self, connection):
        connection.settimeout(60)
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(8192)
                if not data or len(head) > 65536:
                    return
                head += data
            text = head.decode("latin-1")
            path = text.split(" ", 2)[1]
            self.requests.append((path, text))
            name = urllib.parse.urlsplit(path).path.lstrip("/")
            page = getattr(self, "page_" + name.replace("/", "_").replace(".", "_").replace("-", "_"), None)
            if name[:3].isdigit():
                page = self.status
            elif name.startswith("seg") and name.endswith(".ts"):
                page = self.segment
            if page is None:
                self.send(connection, b"no such page", status="404 Not Found")
            elif page(connection, name) is False:
                return

    def send(self, connection, body, kind="text/plain", status="200 OK", more=""):
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
                           .encode() + body)

    def stream(self, connection, kind="video/x-flv", more=""):
        connection.sendall(f"{OK}Content-Type: {kind}\r\nConnection: close\r\n{more}\r\n".encode())

    def forever(self, connection, chunk):
        while not self.stopped:
            connection.sendall(chunk)
        return False

    def drip(self, connection, data):
        for byte in itertools.chain(data, itertools.repeat(0x61)):
            connection.sendall(bytes([byte]))
            self.pause(1)

    def status(self, connection, name):
        """/404.flv and the like"""
        name = name[:3]
        texts = {"401": 'WWW-Authenticate: Basic realm="x"\r\n', "503": "Retry-After: 1\r\n"}
        self.send(connection, b"", status=f"{name} Status", more=texts.get(name, ""))

    # ---- FLV ----

    def flv(self, connection, pace=True, keys=True, others=True):
        self.stream(connection)
        connection.sendall(self.tags.headers())
        began = time.monotonic()
        for when, tag, key in self.tags.ring():
            if pace:
                self.pause(max(0, began + when / 1000 - time.monotonic()))
            if (key and keys) or (not key and others):
                connection.sendall(tag)
        return False

    def page_live_x_flv(self, connection, _):
        return self.flv(connection)

    def page_nokey_flv(self, connection, _):
        return self.flv(connection, keys=False)

    def page_private_flv(self, connection, _):
        """For admin:secret"""
        if "Basic YWRtaW46c2VjcmV0" in self.requests[-1][1]:
            return self.flv(connection)
        self.status(connection, "401")
        return None

    def page_nopackets_flv(self, connection, _):
        self.stream(connection)
        connection.sendall(self.tags.headers())
        self.pause(60)

    def page_audio_flv(self, connection, _):
        """Sound alone, as fast as it is taken."""
        self.stream(connection)
        connection.sendall(FLV_HEADER)
        return self.forever(connection, flv_tag(8, 0, b"\xaf\x01" + bytes(200)) * 100)

    def page_hugetag_flv(self, connection, _):
        """A keyframe of 16 MB without end."""
        self.stream(connection)
        connection.sendall(self.tags.headers() + b"\x09\xff\xff\xff\0\0\0\0\0\0\0\x17\x01\0\0\0")
        return self.forever(connection, secrets.token_bytes(65536))

    def page_garbage_flv(self, connection, _):
        self.stream(connection)
        return self.forever(connection, secrets.token_bytes(65536))

    def page_flvgarbage_flv(self, connection, _):
        """It begins well."""
        self.stream(connection)
        connection.sendall(self.tags.headers())
        return self.forever(connection, secrets.token_bytes(65536))

    def page_sdp_flv(self, connection, _):
        self.send(connection, b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                              b"m=video 15004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", "application/sdp")

    def page_mp4_flv(self, connection, _):
        atom = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"isom")
        self.send(connection, atom + struct.pack(">I4s", 0x7fffffff, b"moov") + bytes(4096), "video/mp4")

    def page_concat_flv(self, connection, _):
        self.send(connection, f"ffconcat version 1.0\nfile {self.file}\n".encode())

    def page_playlist_flv(self, connection, _):
        self.send(connection, f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{self.file}\n".encode())

    def page_gzip_flv(self, connection, _):
        """1 GB of zeros in 1 MB"""
        body = gzip.compress(bytes(64 << 20), 9) * 16
        self.send(connection, body, "video/x-flv", more="Content-Encoding: gzip\r\n")

    def page_redirect_flv(self, connection, _):
        self.send(connection, b"", status="302 Found", more=f"Location: {self.to}\r\n")

    def page_redirect_self_flv(self, connection, _):
        self.send(connection, b"", status="302 Found", more=f"Location: {self.url('/redirect-self.flv')}\r\n")

    def page_redirect_file_flv(self, connection, _):
        self.send(connection, b"", status="302 Found", more=f"Location: file://{self.file}\r\n")

    def page_chunked_flv(self, connection, _):
        """Chunks of a byte each, and no end."""
        self.stream(connection, more="Transfer-Encoding: chunked\r\n")
        return self.forever(connection, b"1\r\nx\r\n" * 4096)

    def page_hugechunk_flv(self, connection, _):
        self.stream(connection, more="Transfer-Encoding: chunked\r\n")
        connection.sendall(b"ffffffffffffffffffff\r\n")
        self.pause(60)

    def page_chunkline_flv(self, connection, _):
        """The size of a chunk has digits without end."""
        self.stream(connection, more="Transfer-Encoding: chunked\r\n")
        return self.forever(connection, b"0" * 65536)

    def page_headers_flv(self, connection, _):
        connection.sendall(OK.encode())
        return self.forever(connection, b"X-Filler: " + b"a" * 1000 + b"\r\n")

    def page_header_flv(self, connection, _):
        """One that does not end"""
        connection.sendall(OK.encode() + b"X-Filler: ")
        return self.forever(connection, b"a" * 65536)

    def page_continue_flv(self, connection, _):
        return self.forever(connection, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def page_slow_flv(self, connection, _):
        self.drip(connection, OK.encode())

    def page_slowbody_flv(self, connection, _):
        self.stream(connection)
        self.drip(connection, self.tags.headers())

    def page_silent_flv(self, _connection, _):
        self.pause(60)

    def page_empty_flv(self, connection, _):
        self.send(connection, b"", "video/x-flv")

    def page_hugelength_flv(self, connection, _):
        connection.sendall(f"{OK}Content-Length: 99999999999999999999\r\n\r\n".encode() + FLV_HEADER)
        self.pause(60)

    def page_reset_flv(self, connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def mutant(self, data):
        """With some bytes changed, others each time."""
        data = bytearray(data)
        for _ in range(1 + self.random.randrange(1 + len(data) // 500)):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(data)

    def page_mutant_flv(self, connection, _):
        self.stream(connection)
        connection.sendall(self.mutant(self.tags.headers() + b"".join(tag for _, tag, _ in itertools.islice(self.tags.ring(), 60))))
        return False

    def page_mutant_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:1", "#EXTINF:2,", "/mutant1.ts"])

    def page_mutant1_ts(self, connection, _):
        self.send(connection, self.mutant(self.segments[0]), "video/mp2t")

    # ---- HLS ----

    def playlist(self, connection, lines, more=""):
        self.send(connection, ("#EXTM3U\n#EXT-X-VERSION:3\n" + "\n".join(lines) + "\n").encode(),
                  "application/vnd.apple.mpegurl", more=more)

    def segments_from(self, first, base=""):
        lines = ["#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for i in range(first, first + 3):
            lines += ["#EXTINF:2.0,", f"{base}seg{i}.ts"]
        return lines

    def segment(self, connection, name):
        i = int(name[len("seg"):-len(".ts")])
        self.send(connection, self.segments[i % len(self.segments)], "video/mp2t")

    def second(self):
        return int(time.monotonic() - self.began)

    def page_live_x_m3u8(self, connection, _):
        """A new segment each second, somewhat faster than a clock."""
        self.playlist(connection, self.segments_from(self.second() if self.held is None else self.held, "/"))

    def page_still_m3u8(self, connection, _):
        """Its publisher died: MEDIA-SEQUENCE stands still."""
        self.playlist(connection, self.segments_from(7, "/"))

    def page_session_m3u8(self, connection, _):
        """Made for each that asks: its number is the same each time, and its segment another."""
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:1", "#EXTINF:2,",
                                   f"/seg{next(self.asked)}.ts"])

    def aged(self, connection, seconds):
        stamps = [email.utils.formatdate(time.time() - age, usegmt=True) for age in (0, seconds)]
        self.playlist(connection, self.segments_from(7, "/"), more=f"Date: {stamps[0]}\r\nLast-Modified: {stamps[1]}\r\n")

    def page_old_m3u8(self, connection, _):
        """A file, as its publisher left it a minute ago."""
        self.aged(connection, 60)

    def page_young_m3u8(self, connection, _):
        self.aged(connection, 4)

    def page_ended_m3u8(self, connection, _):
        self.playlist(connection, self.segments_from(7, "/") + ["#EXT-X-ENDLIST"])

    def page_master_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-STREAM-INF:BANDWIDTH=500000", "live/x.m3u8"])

    def page_loop_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-STREAM-INF:BANDWIDTH=500000", "loop.m3u8"])

    def page_empty_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:1"])

    def page_gone_m3u8(self, connection, _):
        """Segments that are not there"""
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:1", "#EXTINF:2,", "no.ts"])

    def page_other_m3u8(self, connection, _):
        self.playlist(connection, self.segments_from(1, self.to))

    def page_file_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXTINF:2,", f"file://{self.file}"])

    def page_key_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:1",
                                   f'#EXT-X-KEY:METHOD=AES-128,URI="file://{self.file}"', "#EXTINF:2,", "/seg1.ts"])

    def page_map_m3u8(self, connection, _):
        self.playlist(connection, ["#EXT-X-TARGETDURATION:2", f'#EXT-X-MAP:URI="file://{self.file}"', "#EXTINF:2,",
                                   "/seg1.ts"])

    def page_endless_m3u8(self, connection, _):
        self.stream(connection, "application/vnd.apple.mpegurl")
        connection.sendall(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n")
        return self.forever(connection, b"#EXTINF:2.0,\n/seg1.ts\n" * 1000)

    def page_many_m3u8(self, connection, _):
        """5,000 variants"""
        self.playlist(connection, [line for i in range(5000)
                                   for line in (f"#EXT-X-STREAM-INF:BANDWIDTH={i}", f"v{i}.m3u8")])

    def page_line_m3u8(self, connection, _):
        self.stream(connection, "application/vnd.apple.mpegurl")
        connection.sendall(b"#EXTM3U\n#EXTINF:2,\n")
        return self.forever(connection, b"x" * 65536)

    def page_redirect_m3u8(self, connection, name):
        return self.page_redirect_flv(connection, name)

    def page_silent_m3u8(self, _connection, _):
        self.pause(60)


# ---- RTMP ----


class RtmpBad(Listener):
    """rtmp://127.0.0.1:PORT/…: shakes hands, and then what `how` says: silent, garbage, drip, close, half."""

    def __init__(self, how):
        self.how = how
        super().__init__()

    def url(self, path="/live/x", user=None):
        return f"rtmp://{user + '@' if user else ''}127.0.0.1:{self.port}{path}"

    @staticmethod
    def take(connection, n):
        data = b""
        while len(data) < n:
            more = connection.recv(n - len(data))
            if not more:
                raise OSError("gone")
            data += more
        return data

    def serve(self, connection):
        connection.settimeout(60)
        c1 = self.take(connection, 1537)[1:]
        if self.how == "half":
            connection.sendall(b"\x03" + os.urandom(700))
            self.pause(60)
        connection.sendall(b"\x03" + bytes(8) + os.urandom(1528) + c1)
        self.take(connection, 1536)
        if self.how == "close":
            return
        while self.how == "garbage":
            connection.sendall(secrets.token_bytes(65536))
        while self.how == "drip":
            connection.sendall(b"\x02")
            self.pause(1)
        self.pause(60)
