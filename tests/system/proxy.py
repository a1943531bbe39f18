"""A TCP proxy between the hub and PostgreSQL that fails on purpose.

    proxy = Proxy(postgres.port)
    conninfo = proxy.through(database.conninfo)
    proxy.refuse()               cut all connections and take no new ones (as a server that is stopped)
    proxy.accept()               …until now
    proxy.lose_commit(3)         the next three COMMITs reach the server, their answers do not reach the hub
    proxy.cut_at_random(0.05)    cut a connection after any piece of data with that probability
"""

import random
import re
import socket
import threading

COMMIT = b"COMMIT\n\0"  # a simple query


class Proxy:
    def __init__(self, target_port):
        self.target_port = target_port
        self.lock = threading.Lock()
        self.open = set()
        self.accepting = True
        self.commits_to_lose = 0
        self.lost = self.cuts = 0
        self.cut_chance, self.random = 0.0, random.Random(1)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def through(self, conninfo):
        return re.sub(r"port=\d+", f"port={self.port}", conninfo)

    def refuse(self):
        with self.lock:
            self.accepting = False
            for s in self.open:
                shut(s)

    def accept(self):
        with self.lock:
            self.accepting = True

    def lose_commit(self, n=1):
        with self.lock:
            self.commits_to_lose = n

    def cut_at_random(self, chance):
        with self.lock:
            self.cut_chance = chance

    def close(self):
        shut(self.listener)
        self.listener.close()
        self.refuse()

    # ---- threads ----

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                accepting = self.accepting
            if not accepting:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                self.open |= {client, server}
            mute = threading.Event()
            for args in ((client, server, mute, True), (server, client, mute, False)):
                threading.Thread(target=self._pump, args=args, daemon=True).start()

    def _pump(self, source, sink, mute, from_client):
        try:
            while data := source.recv(65536):
                if from_client and self._loses(data):
                    mute.set()
                if mute.is_set() and not from_client:
                    break  # the server has answered: it is done, and nobody will know
                sink.sendall(data)
                if self._cuts():
                    break
        except OSError:
            pass
        with self.lock:
            self.open -= {source, sink}
        shut(source)
        shut(sink)

    def _loses(self, data):
        with self.lock:
            hit = self.commits_to_lose > 0 and COMMIT in data
            self.commits_to_lose -= hit
            self.lost += hit
            return hit

    def _cuts(self):
        with self.lock:
            hit = self.random.random() < self.cut_chance
            self.cuts += hit
            return hit


def shut(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
