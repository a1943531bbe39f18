"""A real HTTP receiver of alerts, with its own implementation of the Standard Webhooks signature.

    receiver = Receiver()
    receiver.behave("500", "500")       # for the next two messages; then it accepts again
    receiver.behave(always="silent")    # until told otherwise
    receiver.wait(3)                    # the first three messages it accepted

Every request is kept in `seen`, in order of arrival. A request with a bad signature, an old timestamp or a body that is
not what the contract says is answered 400 and listed in `bad`.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from patience import PATIENCE

TOLERANCE_S = 300
BODY_MAX = 20_000
HUGE = 100 * 1024 * 1024


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret, message_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


@dataclass
class Message:
    """One request, whatever it was answered."""

    at: float
    path: str
    headers: dict
    body: bytes
    behaviour: str
    wrong: str = ""
    json: dict = field(default_factory=dict)

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def case(self):
        return self.json["data"]["case"]["id"]

    @property
    def text(self):
        return self.json["data"]["text"]


class Receiver:
    """Listens on 127.0.0.1 from the start; stop() and start() keep port and secret."""

    def __init__(self, secret=None, tls=None):
        self.secret = secret or new_secret()
        self.tls = tls  # an ssl.SSLContext
        self.lock = threading.Condition()
        self.seen = []
        self.connections = 0
        self.delay = 0.0
        self._next, self._always = [], "200"
        self._server = self._thread = None
        self._stopped = threading.Event()
        self.port = 0
        self.start()

    # ---- set up ----

    def start(self):
        self._stopped.clear()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.receiver = self
        self._server.open = set()
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True,
                                                       do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self):
        if self._server:
            self._stopped.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_connections()
            self._thread.join()
            self._server = None

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook?key=not-for-logs"

    def behave(self, *behaviours, always=None):
        """One of BEHAVIOURS for each of the next messages, and, with always, for all after them."""
        for name in (*behaviours, *([always] if always else [])):
            assert name.partition(":")[0] in BEHAVIOURS, name
        with self.lock:
            self._next = list(behaviours)
            self._always = always or ("200" if behaviours else self._always)

    # ---- what came in ----

    @property
    def accepted(self):
        with self.lock:
            return [m for m in self.seen if m.behaviour == "200" and not m.wrong]

    @property
    def bad(self):
        with self.lock:
            return [m for m in self.seen if m.wrong]

    def ids(self):
        return [m.id for m in self.accepted]

    def wait(self, n, timeout=15.0):
        """The accepted messages, once there are n; fails when there are not."""
        self._wait(lambda: len(self.accepted) >= n, timeout, f"{n} accepted messages")
        return self.accepted

    def wait_seen(self, n, timeout=15.0):
        """All requests, once there are n."""
        self._wait(lambda: len(self.seen) >= n, timeout, f"{n} requests")
        with self.lock:
            return list(self.seen)

    def _wait(self, done, timeout, what):
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        with self.lock:
            while not done():
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what} did not come within {timeout} s: {len(self.seen)} requests, "
                                         f"bad: {[m.wrong for m in self.seen if m.wrong][:5]}")
                self.lock.wait(left)

    def clear(self):
        with self.lock:
            self.seen.clear()

    # ---- called by the server's threads ----

    def take(self, path, headers, body):
        with self.lock:
            behaviour = self._next.pop(0) if self._next else self._always
            message = Message(time.time(), path, headers, body, behaviour)
            message.wrong = self._check(message)
            self.seen.append(message)
            self.lock.notify_all()
        return message

    def _check(self, m):
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            if name not in m.headers:
                return f"no {name}"
        stamp = m.headers["webhook-timestamp"]
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_S:
            return f"timestamp {stamp}"
        want = signature(self.secret, m.id, stamp, m.body)
        if not any(hmac.compare_digest(want, one) for one in m.headers["webhook-signature"].split()):
            return "signature"
        if m.headers.get("content-type") != "application/json" or len(m.body) >= BODY_MAX:
            return "content-type or length"
        m.json = json.loads(m.body.decode("utf-8"))
        if not {"type", "timestamp", "data"} <= m.json.keys() or "text" not in m.json["data"]:
            return "shape"
        return ""

    def nap(self, seconds):
        """Sleep, but not past stop()."""
        return self._stopped.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is what some tests are about

    def process_request(self, request, client_address):
        with self.receiver.lock:
            self.receiver.connections += 1
            self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        with self.receiver.lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self):
        """A receiver that is away keeps no connection alive."""
        with self.receiver.lock:
            for request in self.open:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *_):
        pass

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        message = receiver.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        if receiver.delay:
            receiver.nap(receiver.delay)
        if message.wrong:
            return self.answer(400, b"bad: " + message.wrong.encode())
        name, _, arg = message.behaviour.partition(":")
        return BEHAVIOURS[name](self, arg)

    def do_GET(self):  # nobody may follow a redirect to here
        self.server.receiver.take("GET " + self.path, {}, b"")
        self.answer(200, b"followed")

    def answer(self, status, body=b"ok", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # ---- behaviours ----

    def status(self, arg):
        """"status:404": any status."""
        self.answer(int(arg), b"status " + arg.encode())

    def retry_after(self, arg):
        """"retry_after:2": 429 with seconds; "retry_after:date2": with a date."""
        value = formatdate(time.time() + int(arg[4:]), usegmt=True) if arg.startswith("date") else arg
        self.answer(429, b"slow down", Retry_After=value)

    def redirect(self, _):
        self.answer(301, b"", Location=f"http://127.0.0.1:{self.server.receiver.port}/elsewhere")

    def silent(self, _):
        """Take the request and never answer."""
        self.server.receiver.nap(120)
        self.close_connection = True

    def reset(self, _):
        """RST instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def half_closed(self, _):
        """FIN instead of an answer, and go on listening."""
        self.connection.shutdown(socket.SHUT_WR)
        self.server.receiver.nap(120)
        self.close_connection = True

    def half_answer(self, _):
        """FIN in the middle of the head."""
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        self.half_closed(_)

    def echo(self, arg):
        """"echo:500": an error that repeats the request, as frameworks do while they debug."""
        sent = f"{self.path} {self.server.receiver.secret} {dict(self.headers.items())}"
        self.answer(int(arg), sent.encode())

    def hang_up(self, _):
        """Accept, and then close a connection that the client takes for one that lives on."""
        self.answer(200)
        self.close_connection = True

    def drip(self, data):
        for byte in data:
            try:
                self.connection.sendall(bytes([byte]))
            except OSError:
                break
            if self.server.receiver.nap(1):
                break
        self.close_connection = True

    def slow_head(self, _):
        """The head at one byte a second: there is no status in time."""
        self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def slow_body(self, _):
        """The head at once, the body at one byte a second."""
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        self.drip(b"x" * 1000)

    def huge(self, arg):
        """100 MB of body, with the status given."""
        self.close_connection = True
        self.send_response(int(arg or "200"))
        self.send_header("Content-Length", str(HUGE))
        self.end_headers()
        self.wfile.flush()
        block = b"h" * 65536
        sent = 0
        try:
            while sent < HUGE:
                self.connection.sendall(block)
                sent += len(block)
        except OSError:
            pass
        with self.server.receiver.lock:
            self.server.receiver.huge_sent = sent

    def garbage(self, _):
        """Something that is not HTTP."""
        self.connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True

    def binary(self, _):
        """500 with a body that is not text."""
        self.answer(500, b"\x00\xff\xfe\"\\{}'\n" + bytes(range(256)) * 8)


BEHAVIOURS = {
    "200": lambda handler, _: handler.answer(200),
    "500": lambda handler, _: handler.answer(500, b"no"),
    "410": lambda handler, _: handler.answer(410, b"gone"),
    "status": _Handler.status,
    "retry_after": _Handler.retry_after,
    "redirect": _Handler.redirect,
    "half_closed": _Handler.half_closed,
    "half_answer": _Handler.half_answer,
    "hang_up": _Handler.hang_up,
    "echo": _Handler.echo,
    "silent": _Handler.silent,
    "reset": _Handler.reset,
    "slow_head": _Handler.slow_head,
    "slow_body": _Handler.slow_body,
    "huge": _Handler.huge,
    "garbage": _Handler.garbage,
    "binary": _Handler.binary,
}
