"""A broker that does what a test says, byte by byte: MQTT 5 or 3.1.1 (as the client asks), QoS 1, one client.

    broker = ScriptedBroker()
    broker.wait_subscribed()
    broker.publish(7, "city/v1/…", b"{}", dup=True)
    broker.wait_ack(7)
"""

import socket
import struct
import threading
import time

from patience import PATIENCE

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


class ScriptedBroker:
    def __init__(self):
        self.changed = threading.Condition()
        self.connects = self.disconnects = 0
        self.filters = []
        self.acks = []  # packet identifiers, in order
        self.connection = None
        self.version = 0
        self.refused = set()  # filters that nobody may have
        self.on_ack = None  # called with the packet identifier as soon as its PUBACK has been read
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def publish(self, mid, topic, payload, dup=False, retain=False):
        topic = topic.encode() if isinstance(topic, str) else topic
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", mid)
        body += b"\0" if self.version == 5 else b""  # no properties
        self._send(PUBLISH, (8 if dup else 0) | 2 | (1 if retain else 0), body + payload)

    def wait(self, what, why, timeout=20.0):
        timeout *= PATIENCE
        end = time.monotonic() + timeout
        with self.changed:
            while not what():
                left = end - time.monotonic()
                assert left > 0, f"{why} not within {timeout} s; {self.connects} connects, acknowledged: {self.acks[-5:]}"
                self.changed.wait(left)

    def wait_subscribed(self, connects=1, filters=3):
        self.wait(lambda: self.connects >= connects and len(self.filters) >= filters, f"connect {connects} and subscriptions")

    def wait_ack(self, mid):
        self.wait(lambda: mid in self.acks, f"PUBACK of {mid}")

    def close(self):
        self.listener.close()
        if self.connection:
            self.connection.close()

    # ---- its thread ----

    def _serve(self):
        while True:
            try:
                self.connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.connection.makefile("rb") as stream:
                    while self._packet(stream):
                        pass
            except (OSError, ValueError):
                pass
            with self.changed:
                self.disconnects += 1
                self.changed.notify_all()

    def _packet(self, stream):
        head = stream.read(1)
        if not head:
            return False
        length = shift = 0
        while True:
            byte = stream.read(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        body = stream.read(length)
        with self.changed:
            self._take(head[0] >> 4, body)
            self.changed.notify_all()
        return True

    def _take(self, kind, body):
        if kind == CONNECT:
            self.version = body[6]
            self.filters = []
            self.connects += 1
            self._send(CONNACK, 0, b"\x01\0\0" if self.version == 5 else b"\x01\0")
        elif kind == SUBSCRIBE:
            at = 3 + body[2] if self.version == 5 else 2
            n = struct.unpack(">H", body[at:at + 2])[0]
            name = body[at + 2:at + 2 + n].decode()
            code = b"\x01" if name not in self.refused else b"\x87" if self.version == 5 else b"\x80"
            self._send(SUBACK, 0, body[:2] + (b"\0" if self.version == 5 else b"") + code)
            self.filters.append(name)
        elif kind == PUBACK:
            mid = struct.unpack(">H", body[:2])[0]
            if self.on_ack:
                self.on_ack(mid)
            self.acks.append(mid)
        elif kind == PINGREQ:
            self._send(PINGRESP, 0, b"")

    def _send(self, kind, flags, body):
        head, length = bytes([kind << 4 | flags]), len(body)
        while True:
            head += bytes([length & 127 | (128 if length > 127 else 0)])
            length >>= 7
            if not length:
                break
        self.connection.sendall(head + body)
